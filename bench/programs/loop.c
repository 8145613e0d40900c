/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Make system calls in a tight loop and say what each took.
 *
 * loop CPU: pins itself to that CPU, then obeys lines on standard input, and answers each with nanoseconds per round:
 *   getpid N          N times getpid
 *   file N PATH       N times openat, read of 64 bytes, close of one file
 *   names N FOLDER    openat, read, close of FOLDER/name-0 .. name-(N-1), once each
 *
 * The answer is the median of up to 10,000 parts. A part takes about a tenth of a millisecond, so what else the machine
 * does on this CPU, an interrupt or another task, falls on a few parts and leaves the median alone.
 *
 * One process serves all configurations of a round of the bench, so that they differ in what is attached and in nothing
 * else: not in the layout of its memory, nor in the state of its caches.
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#define PARTS 10000

static double now_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec * 1e9 + now.tv_nsec;
}

static void getpids(long rounds)
{
	for (long i = 0; i < rounds; i++)
		syscall(SYS_getpid);
}

static void use(const char *path)
{
	char bytes[64];
	long file = syscall(SYS_openat, AT_FDCWD, path, O_RDONLY);

	if (file < 0 || syscall(SYS_read, file, bytes, sizeof(bytes)) < 0) {
		perror(path);
		exit(1);
	}
	syscall(SYS_close, file);
}

static void files(long rounds, const char *path)
{
	for (long i = 0; i < rounds; i++)
		use(path);
}

static void names(long rounds, const char *folder)
{
	char path[4160];

	for (long i = 0; i < rounds; i++) {
		snprintf(path, sizeof(path), "%s/name-%ld", folder, i);
		use(path);
	}
}

static int by_size(const void *left, const void *right)
{
	double a = *(const double *)left, b = *(const double *)right;

	return (a > b) - (a < b);
}

/* Nanoseconds per round: the median of the parts. */
static double measured(const char *what, long rounds, const char *path)
{
	static double part_ns[PARTS];
	long parts = rounds < PARTS ? 1 : PARTS;
	long each = rounds / parts;

	for (long part = 0; part < parts; part++) {
		double began = now_ns();

		if (!strcmp(what, "getpid"))
			getpids(each);
		else if (!strcmp(what, "file"))
			files(each, path);
		else
			names(each, path);
		part_ns[part] = (now_ns() - began) / each;
	}
	qsort(part_ns, parts, sizeof(double), by_size);
	return part_ns[parts / 2];
}

int main(int argc, char **argv)
{
	char line[4200], what[16], path[4096];
	cpu_set_t cpus;
	long rounds;

	CPU_ZERO(&cpus);
	CPU_SET(argc > 1 ? atoi(argv[1]) : 0, &cpus);
	if (sched_setaffinity(0, sizeof(cpus), &cpus)) {
		perror("sched_setaffinity");
		return 1;
	}
	while (fgets(line, sizeof(line), stdin)) {
		if (sscanf(line, "%15s %ld %4095s", what, &rounds, path) < 2)
			return 2;
		printf("%.3f\n", measured(what, rounds, path));
		fflush(stdout);
	}
	return 0;
}
