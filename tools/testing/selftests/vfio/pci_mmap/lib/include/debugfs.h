/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What debugfs says of the mappings of a device
 */
#ifndef PCI_MMAP_DEBUGFS_H
#define PCI_MMAP_DEBUGFS_H

#include <stddef.h>

/**
 * struct debugfs_mappings - What maps a device
 * @listed: number of VMAs on the list
 * @bytes: how much of the BAR they map together
 * @own: how many of the listed ones are said to belong to this process
 * @unlisted: number of VMAs that got no entry
 * @device: whether it is there
 * @policy: what an access gets while its user keeps the device off
 */
struct debugfs_mappings {
	unsigned int listed;
	size_t bytes;
	unsigned int own;
	unsigned int unlisted;
	char device[16];
	char policy[16];
};

/* Return 0, or a negative errno: -ENOENT if the kernel does not tell */
int debugfs_read(struct debugfs_mappings *mappings, const char *bdf);

#endif /* PCI_MMAP_DEBUGFS_H */
