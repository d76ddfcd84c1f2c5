/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * A device that is bound to vfio-pci: open, map, configure, reset, hear from it
 */
#ifndef PCI_MMAP_DEVICE_H
#define PCI_MMAP_DEVICE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>
#include <unistd.h>

/* Levels of page tables that have leaves */
enum level { PTE, PMD, PUD };

/* What a leaf there maps; names of tests have what it is with pages of 4 KiB */
static inline size_t leaf_size(enum level level)
{
	size_t size = getpagesize();

	while (level--)
		size *= getpagesize() / sizeof(uint64_t);
	return size;
}

/* The huge leaves */
#define LEAF leaf_size(PMD)
#define GIB_LEAF leaf_size(PUD)

/**
 * struct device - An open device
 * @bdf: its address, as in 0000:00:04.0
 * @container: type1 container, which several devices may share
 * @group: its group
 * @fd: the device itself
 * @bar: index of its largest BAR that can be mapped
 * @bar_size: size of that BAR
 * @bar_offset: where that BAR starts in @fd
 * @config_offset: where configuration space starts in @fd
 */
struct device {
	const char *bdf;
	int container;
	int group;
	int fd;
	unsigned int bar;
	size_t bar_size;
	off_t bar_offset;
	off_t config_offset;
};

/* Take devices off the end of argv, or out of the environment, or skip */
int device_arguments(int *argc, char **argv, const char **bdfs, int max);
/* Take an option that the harness does not know out of argv; its value, or NULL */
const char *take_option(int *argc, char **argv, const char *option);

/*
 * Return 0 or a negative errno. @container is that of another device, or -1.
 * @group is that of another device of the same group, or -1.
 */
int device_open(struct device *dev, const char *bdf, int container, int group);
/* The same with a container of its own, in which DMA unmaps work as in version 1 */
int device_open_v1(struct device *dev, const char *bdf);
/*
 * Open dev[1] beside dev[0], in its container and, if they are of the same group,
 * in that. Returns the number of groups, 1 or 2, or a negative errno.
 */
int device_open_beside(struct device *dev, const char *bdf);
void device_close(struct device *dev);
/* The character device of its own that a device has, not bound to an iommufd; or -1 */
int cdev_open(const char *bdf);

/* Map part of the BAR; MAP_FAILED and errno as mmap() */
void *device_map(struct device *dev, size_t size, off_t offset);
/* Map all of the BAR at an address where no leaf larger than a page fits */
void *device_map_misaligned(struct device *dev);
/* The largest leaf that a mapping of @size has room for, and that the CPU has */
size_t largest_leaf(size_t size);
/* Fill the BAR with what device_word() gives; -ENOTTY if it does not keep it */
int device_fill(struct device *dev, void *map);
/* Physical address of the BAR, or 0 */
uint64_t device_bar_address(struct device *dev);
/* What device_fill() wrote into the page at @offset of the BAR */
uint32_t device_word(off_t offset);

/* Registers in configuration space; @width in bytes. Return 0 or -errno. */
int config_read(struct device *dev, off_t reg, unsigned int width,
		uint32_t *value);
int config_write(struct device *dev, off_t reg, unsigned int width,
		 uint32_t value);
/* Offset of a capability in configuration space, or 0 */
off_t config_capability(struct device *dev, uint8_t id);
/* Turn memory decode on or off with a write of @width bytes */
int decode_set(struct device *dev, bool on, unsigned int width);

/* Power state 0 or 3 (D3hot); -ENOTTY without the capability */
int power_set(struct device *dev, unsigned int state);
/* Reset by the function-level reset of PCI Express; -ENOTTY without it */
int function_reset(struct device *dev);
/* Whether the device has that */
bool has_function_reset(struct device *dev);
/* Hot reset of dev[0], showing as many @groups of dev[]; return 0 or -errno */
int hot_reset(struct device *dev, int groups);
/* Have VFIO put the device to sleep, or not any more; return 0 or -errno */
int low_power_set(struct device *dev, bool on);

/* The policy of devices that are opened later */
#define PARAMETER "/sys/module/vfio_pci_core/parameters/disabled_bar"

/* VFIO_DEVICE_DISABLED_BAR_*; policy_get() may return a negative errno as well */
int policy_set(struct device *dev, uint32_t policy);
int policy_get(struct device *dev);

/* DMA map of @size bytes at @addr; return 0 or -errno */
int dma_map(struct device *dev, void *addr, size_t size, uint64_t iova);
int dma_unmap(struct device *dev, size_t size, uint64_t iova);

/* An eventfd for VFIO_PCI_ERR_IRQ_INDEX or VFIO_PCI_REQ_IRQ_INDEX, or -errno */
int irq_open(struct device *dev, unsigned int index);
/* Wait for it; -ETIMEDOUT if it does not come */
int irq_wait(int fd);

#endif /* PCI_MMAP_DEVICE_H */
