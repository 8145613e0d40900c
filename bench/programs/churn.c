/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Make and remove cgroups, each with one process that opens one file of its own.
 *
 * churn CGROUP FOLDER PER_SECOND SECONDS: makes CGROUP/c-N, lets a process enter it that opens and closes
 * FOLDER/churn-N, and removes both, PER_SECOND times a second. Prints how many it made. After it has entered, the process
 * makes the calls openat, close and exit_group, and no other.
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static void fail(const char *what)
{
	perror(what);
	exit(1);
}

static void live(int procs, const char *file)
{
	pid_t child = fork();

	if (child < 0)
		fail("fork");
	if (child == 0) {
		if (write(procs, "0", 1) != 1)
			_exit(1);
		_exit(close(open(file, O_RDWR | O_CREAT, 0600)) != 0);
	}
	waitpid(child, NULL, 0);
}

static void replica(const char *parent, const char *folder, long number)
{
	char cgroup[4096], procs_path[4200], file[4096];
	int procs;

	snprintf(cgroup, sizeof(cgroup), "%s/c-%ld", parent, number);
	snprintf(procs_path, sizeof(procs_path), "%s/cgroup.procs", cgroup);
	snprintf(file, sizeof(file), "%s/churn-%ld", folder, number);
	if (mkdir(cgroup, 0755))
		fail(cgroup);
	procs = open(procs_path, O_WRONLY | O_CLOEXEC);
	if (procs < 0)
		fail(procs_path);
	live(procs, file);
	close(procs);
	unlink(file);
	while (rmdir(cgroup))
		usleep(100); /* the child is still on its way out */
}

int main(int argc, char **argv)
{
	struct timespec next;
	long per_second, count;

	if (argc < 5)
		return 2;
	per_second = atol(argv[3]);
	count = per_second * atol(argv[4]);
	clock_gettime(CLOCK_MONOTONIC, &next);
	for (long number = 0; number < count; number++) {
		replica(argv[1], argv[2], number);
		next.tv_nsec += 1000000000 / per_second;
		if (next.tv_nsec >= 1000000000) {
			next.tv_nsec -= 1000000000;
			next.tv_sec++;
		}
		clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &next, NULL);
	}
	printf("%ld\n", count);
	return 0;
}
