/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Behave like a busy service, at a steady pace.
 *
 * load CALLS_PER_SECOND FILES PROGRAMS: a round is openat, fstat, read, close of one of FILES files in /tmp, 12 times
 * pread of a file that stays open, and 24 times getpid: 40 calls, of which 15 are given a descriptor. Rounds come in a
 * burst each 10 ms. Once a second it executes itself with one of PROGRAMS different arguments, which ends at once. All of
 * it is seen again in each window.
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define TICKS_PER_SECOND  100
#define READS_PER_ROUND	  12
#define GETPIDS_PER_ROUND 24
#define CALLS_PER_ROUND	  (4 + READS_PER_ROUND + GETPIDS_PER_ROUND)

static int open_file(long number)
{
	char path[64];
	int file;

	snprintf(path, sizeof(path), "/tmp/load-%ld", number);
	file = open(path, O_RDWR | O_CREAT, 0600);
	if (file < 0) {
		perror(path);
		exit(1);
	}
	return file;
}

static void use(long number, int kept)
{
	char bytes[64];
	struct stat status;
	int file = open_file(number);

	if (fstat(file, &status) || read(file, bytes, sizeof(bytes)) < 0)
		exit(1);
	close(file);
	for (int i = 0; i < READS_PER_ROUND; i++)
		if (pread(kept, bytes, sizeof(bytes), 0) < 0)
			exit(1);
	for (int i = 0; i < GETPIDS_PER_ROUND; i++)
		syscall(SYS_getpid);
}

static void execute(char *program, long number)
{
	char argument[32];
	char *argv[] = {program, argument, NULL};

	snprintf(argument, sizeof(argument), "job-%ld", number);
	if (vfork() == 0) {
		execv(program, argv);
		_exit(1);
	}
	wait(NULL);
}

int main(int argc, char **argv)
{
	struct timespec next;
	long rounds, files, programs, used = 0;
	int kept;

	if (argc < 4)
		return 0;
	rounds = atol(argv[1]) / TICKS_PER_SECOND / CALLS_PER_ROUND;
	files = atol(argv[2]);
	programs = atol(argv[3]);
	kept = open_file(0);
	clock_gettime(CLOCK_MONOTONIC, &next);
	for (long tick = 0;; tick++) {
		for (long i = 0; i < rounds; i++)
			use(used++ % files, kept);
		if (tick % TICKS_PER_SECOND == 0)
			execute(argv[0], tick / TICKS_PER_SECOND % programs);
		next.tv_nsec += 1000000000 / TICKS_PER_SECOND;
		if (next.tv_nsec >= 1000000000) {
			next.tv_nsec -= 1000000000;
			next.tv_sec++;
		}
		clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &next, NULL);
	}
}
