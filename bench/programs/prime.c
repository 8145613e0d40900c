/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Do a known number of distinct things, and make no system call besides.
 *
 * prime FOLDER PACE_US FILES CHILDREN FORKS PORTS NUMBER,NUMBER…
 *   waits for a byte on standard input, in which time it is moved into its cgroup; then
 *   opens and closes FOLDER/prime-0 .. (FILES of them),
 *   executes itself with the one argument child-0 .. (CHILDREN),
 *   forks processes that call themselves kin-0 .. (FORKS), and execute nothing,
 *   connects UDP sockets to the ports 21000 .. (PORTS) of the loopback address,
 *   makes each system call of the list, all arguments -1,
 * and sleeps for PACE_US microseconds between two of them.
 *
 * Without the C library, which would make calls of its own: how many, differs from version to version.
 */
#include <asm/unistd.h>
#include <linux/fcntl.h>
#include <linux/in.h>
#include <linux/prctl.h>
#include <linux/time_types.h>

#define SIGCHLD	   17
#define PATH_SIZE  4096
#define FIRST_PORT 21000
#define DATAGRAMS  2 /* SOCK_DGRAM */

static long call6(long number, long a, long b, long c, long d, long e, long f)
{
#if defined(__x86_64__)
	register long r10 __asm__("r10") = d;
	register long r8 __asm__("r8") = e;
	register long r9 __asm__("r9") = f;
	long result;

	__asm__ volatile("syscall"
			 : "=a"(result)
			 : "a"(number), "D"(a), "S"(b), "d"(c), "r"(r10), "r"(r8), "r"(r9)
			 : "rcx", "r11", "memory");
	return result;
#elif defined(__aarch64__)
	register long x8 __asm__("x8") = number;
	register long x0 __asm__("x0") = a;
	register long x1 __asm__("x1") = b;
	register long x2 __asm__("x2") = c;
	register long x3 __asm__("x3") = d;
	register long x4 __asm__("x4") = e;
	register long x5 __asm__("x5") = f;

	__asm__ volatile("svc 0" : "+r"(x0) : "r"(x8), "r"(x1), "r"(x2), "r"(x3), "r"(x4), "r"(x5) : "memory");
	return x0;
#else
#error "no system calls for this architecture"
#endif
}

#if defined(__x86_64__)
__asm__(".globl _start\n_start:\n\tmov %rsp, %rdi\n\tand $-16, %rsp\n\tcall entry\n");
#else
__asm__(".globl _start\n_start:\n\tmov x0, sp\n\tb entry\n");
#endif

static void leave(int code)
{
	for (;;)
		call6(__NR_exit_group, code, 0, 0, 0, 0, 0);
}

static long number_of(const char **text)
{
	long number = 0;

	while (**text >= '0' && **text <= '9')
		number = number * 10 + *(*text)++ - '0';
	return number;
}

static long whole(const char *text)
{
	return number_of(&text);
}

static char *put(char *at, const char *text)
{
	while (*text)
		*at++ = *text++;
	*at = 0;
	return at;
}

static void put_number(char *at, long number)
{
	long scale = 1;

	while (number / scale >= 10)
		scale *= 10;
	for (; scale; scale /= 10)
		*at++ = '0' + number / scale % 10;
	*at = 0;
}

static void rest(long pace_us)
{
	struct __kernel_timespec pace = {.tv_sec = 0, .tv_nsec = pace_us * 1000};

	if (pace_us)
		call6(__NR_nanosleep, (long)&pace, 0, 0, 0, 0, 0);
}

static long start(void)
{
	return call6(__NR_clone, SIGCHLD, 0, 0, 0, 0, 0);
}

static void await(long child)
{
	int status = -1;

	if (child < 0 || call6(__NR_wait4, child, (long)&status, 0, 0, 0, 0) != child || status)
		leave(4);
}

static void open_file(const char *folder, long number)
{
	char path[PATH_SIZE];
	long file;

	put_number(put(put(path, folder), "/prime-"), number);
	file = call6(__NR_openat, AT_FDCWD, (long)path, O_RDWR | O_CREAT, 0600, 0, 0);
	if (file < 0)
		leave(3);
	call6(__NR_close, file, 0, 0, 0, 0, 0);
}

static void execute(const char *program, long number)
{
	char argument[32];
	const char *argv[] = {program, argument, 0};
	const char *environment[] = {0};
	long child;

	put_number(put(argument, "child-"), number);
	child = start();
	if (child == 0) {
		call6(__NR_execve, (long)program, (long)argv, (long)environment, 0, 0, 0);
		leave(5);
	}
	await(child);
}

static void fork_named(long number)
{
	char name[16];
	long child = start();

	if (child == 0) {
		put_number(put(name, "kin-"), number);
		call6(__NR_prctl, PR_SET_NAME, (long)name, 0, 0, 0, 0);
		leave(0);
	}
	await(child);
}

static void connect_to(long port)
{
	struct sockaddr_in there = {
		.sin_family = 2,
		.sin_port = __builtin_bswap16(port),
		.sin_addr.s_addr = __builtin_bswap32(INADDR_LOOPBACK),
	};
	long file = call6(__NR_socket, 2, DATAGRAMS, 0, 0, 0, 0);

	if (file < 0 || call6(__NR_connect, file, (long)&there, sizeof(there), 0, 0, 0))
		leave(6);
	call6(__NR_close, file, 0, 0, 0, 0, 0);
}

static void make_calls(const char *list, long pace_us)
{
	while (*list) {
		call6(number_of(&list), -1, -1, -1, -1, -1, -1);
		if (*list == ',')
			list++;
		rest(pace_us);
	}
}

__attribute__((used)) void entry(long *stack)
{
	const char **argv = (const char **)(stack + 1);
	long pace_us;
	char byte;

	if (stack[0] < 8)
		leave(0);
	pace_us = whole(argv[2]);
	call6(__NR_read, 0, (long)&byte, 1, 0, 0, 0);
	for (long i = 0; i < whole(argv[3]); i++, rest(pace_us))
		open_file(argv[1], i);
	for (long i = 0; i < whole(argv[4]); i++, rest(pace_us))
		execute(argv[0], i);
	for (long i = 0; i < whole(argv[5]); i++, rest(pace_us))
		fork_named(i);
	for (long i = 0; i < whole(argv[6]); i++, rest(pace_us))
		connect_to(FIRST_PORT + i);
	make_calls(argv[7], pace_us);
	leave(0);
}
