/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Files of the kernel, those of a device in sysfs, and its uevents
 *
 * Functions that return int return a negative errno if they fail. What has to
 * come and does not come in time is -ETIMEDOUT.
 */
#ifndef PCI_MMAP_SYSFS_H
#define PCI_MMAP_SYSFS_H

#include <stdint.h>
#include <sys/types.h>

/* How long to wait for what has to come, in seconds */
#define PATIENCE 30

/* Write a file, or one of the device @bdf in sysfs */
int file_write(const char *path, const char *text);
int sysfs_write(const char *bdf, const char *file, const char *text);
/* Read what the hardware has in the configuration space of the device @bdf */
int sysfs_config_read(const char *bdf, off_t pos, void *buffer, size_t size);
/*
 * Give a word of it some seconds to have @want in @mask, as a device that was reset gets
 * its configuration back a little later; return what it has in @mask
 */
int sysfs_config_settle(const char *bdf, off_t pos, uint16_t mask, uint16_t want);
/* Wait until the kernel has put the device @bdf to sleep */
int sysfs_wait_suspended(const char *bdf);

/* Wait until something can be read from @fd */
int wait_readable(int fd);

/* A descriptor for the uevents of the kernel from now on */
int uevent_open(void);
/* Wait for one of the device @bdf with the line @text */
int uevent_wait(int fd, const char *bdf, const char *text);
/* Give a device that has no driver to @driver */
int driver_bind(const char *bdf, const char *driver);
/* Give a new device to vfio-pci; @uevents as of before it was there */
int vfio_bind(const char *bdf, int uevents);

#endif /* PCI_MMAP_SYSFS_H */
