// SPDX-License-Identifier: GPL-2.0-only
/*
 * In a guest: read and write a BAR through its file in sysfs.
 *
 *   guest_bar FILE read OFFSET
 *   guest_bar FILE write OFFSET VALUE
 */
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

int main(int argc, char **argv)
{
	unsigned long offset, page = getpagesize();
	uint32_t *word;
	void *map;
	int fd;

	if (argc != 4 && argc != 5) {
		fprintf(stderr, "usage: guest_bar FILE read|write OFFSET [VALUE]\n");
		return 2;
	}
	offset = strtoul(argv[3], NULL, 0);
	fd = open(argv[1], O_RDWR);
	if (fd < 0) {
		perror(argv[1]);
		return 1;
	}
	map = mmap(NULL, page, PROT_READ | PROT_WRITE, MAP_SHARED, fd,
		   offset & -page);
	if (map == MAP_FAILED) {
		perror("mmap");
		return 1;
	}
	word = map + offset % page;
	if (argc == 5)
		__atomic_store_n(word, strtoul(argv[4], NULL, 0),
				 __ATOMIC_SEQ_CST);
	printf("0x%x\n", __atomic_load_n(word, __ATOMIC_SEQ_CST));
	return 0;
}
