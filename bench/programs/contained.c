/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Be what runs in a container: contained PROCS [FILE].
 *
 * Enters the cgroup whose cgroup.procs is PROCS; then opens and closes FILE every second until it is killed. Without FILE
 * it does nothing, as the process of a sandbox. It ends with its parent.
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <sys/prctl.h>
#include <unistd.h>

/* Leaves the descriptor open: to close it in the cgroup would be one more file that the container uses. */
static int entered(const char *procs_path)
{
	int procs = open(procs_path, O_WRONLY | O_CLOEXEC);

	return procs >= 0 && write(procs, "0", 1) == 1;
}

int main(int argc, char **argv)
{
	if (argc < 2)
		return 2;
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (!entered(argv[1])) {
		perror(argv[1]);
		return 1;
	}
	while (argc < 3)
		pause();
	for (;;) {
		close(open(argv[2], O_RDWR | O_CREAT, 0600));
		sleep(1);
	}
}
