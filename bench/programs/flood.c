/* SPDX-License-Identifier: Apache-2.0 */
/* flood COUNT: open and remove COUNT files of distinct names in /tmp, as fast as can be; then sleep until killed. */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

int main(int argc, char **argv)
{
	long count = argc > 1 ? atol(argv[1]) : 0;
	char path[64];

	for (long i = 0; i < count; i++) {
		int file;

		snprintf(path, sizeof(path), "/tmp/flood-%ld", i);
		file = open(path, O_RDWR | O_CREAT, 0600);
		if (file < 0) {
			perror(path);
			return 1;
		}
		close(file);
		unlink(path);
	}
	puts("done");
	fflush(stdout);
	for (;;)
		pause();
}
