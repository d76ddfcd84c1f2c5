// SPDX-License-Identifier: GPL-2.0-only
/*
 * The edu device of QEMU
 */
#include <errno.h>
#include <sys/mman.h>
#include <unistd.h>

#include <linux/pci_regs.h>

#include "access.h"
#include "edu.h"

#define EDU_ID		0x00
#define EDU_SOURCE	0x80
#define EDU_TARGET	0x88
#define EDU_COUNT	0x90
#define EDU_COMMAND	0x98
#define EDU_BUFFER	0x40000
#define EDU_START	1
#define EDU_TO_MEMORY	2

void *edu_start(struct device *dev)
{
	void *edu = device_map(dev, dev->bar_size, 0);
	uint32_t id;

	if (edu == MAP_FAILED)
		return NULL;
	if (try_read(edu + EDU_ID, &id) || (id & 0xff) != 0xed ||
	    config_write(dev, PCI_COMMAND, 2, PCI_COMMAND_MEMORY | PCI_COMMAND_MASTER)) {
		munmap(edu, dev->bar_size);
		return NULL;
	}
	return edu;
}

static void set(void *edu, size_t reg, uint64_t value)
{
	__atomic_store_n((uint64_t *)(edu + reg), value, __ATOMIC_SEQ_CST);
}

/* It takes its time: 100 ms. If it takes a hundred times that, it will not come back. */
static int copy(void *edu, uint64_t source, uint64_t target, size_t size, uint64_t command)
{
	int tries;

	set(edu, EDU_SOURCE, source);
	set(edu, EDU_TARGET, target);
	set(edu, EDU_COUNT, size);
	set(edu, EDU_COMMAND, command | EDU_START);
	for (tries = 0; tries < 1000; tries++) {
		if (!(__atomic_load_n((uint64_t *)(edu + EDU_COMMAND),
				      __ATOMIC_SEQ_CST) & EDU_START))
			return 0;
		usleep(10000);
	}
	return -ETIMEDOUT;
}

int edu_read(void *edu, uint64_t iova, size_t size)
{
	return copy(edu, iova, EDU_BUFFER, size, 0);
}

int edu_write(void *edu, uint64_t iova, size_t size)
{
	return copy(edu, EDU_BUFFER, iova, size, EDU_TO_MEMORY);
}
