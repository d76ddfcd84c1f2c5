/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The edu device of QEMU, which copies a page of memory to a buffer of its own and back
 */
#ifndef PCI_MMAP_EDU_H
#define PCI_MMAP_EDU_H

#include <stddef.h>
#include <stdint.h>

#include "device.h"

/* It reaches no more */
#define EDU_REACH (256UL << 20)

/* Map its registers and let it do DMA; NULL if @dev is another device */
void *edu_start(struct device *dev);
/* Copy @size bytes at @iova to its buffer, or back; -ETIMEDOUT if it does not end */
int edu_read(void *edu, uint64_t iova, size_t size);
int edu_write(void *edu, uint64_t iova, size_t size);

#endif /* PCI_MMAP_EDU_H */
