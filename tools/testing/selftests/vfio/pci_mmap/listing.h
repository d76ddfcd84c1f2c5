/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What debugfs says of the mappings of a device
 */
#ifndef PCI_MMAP_LISTING_H
#define PCI_MMAP_LISTING_H

#include <stddef.h>

/**
 * struct listing - What maps a device
 * @listed: number of VMAs on the list
 * @bytes: how much of the BAR they map together
 * @unlisted: number of VMAs that got no entry
 */
struct listing {
	unsigned int listed;
	size_t bytes;
	unsigned int unlisted;
};

/* Return 0, or a negative errno: -ENOENT if the kernel does not tell */
int listing_read(struct listing *listing, const char *bdf);

#endif /* PCI_MMAP_LISTING_H */
