/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What is around a device: sysfs, its port, uevents, QEMU's monitor
 *
 * Functions that return int return a negative errno if they fail. What has to
 * come and does not come in time is -ETIMEDOUT.
 */
#ifndef PCI_MMAP_PLATFORM_H
#define PCI_MMAP_PLATFORM_H

#include "device.h"

/* How long to wait for what has to come, in seconds */
#define PATIENCE 30

/* Give a new device to vfio-pci; @uevents as of before it was there */
int vfio_bind(const char *bdf, int uevents);

/* Give QEMU's monitor a command: scripts/vm.sh passes it on */
void tell_qemu(const char *command);

/* A descriptor for the uevents of the kernel from now on */
int uevent_open(void);
/* Wait for one of the device @bdf with the line @text */
int uevent_wait(int fd, const char *bdf, const char *text);

/* An eventfd for VFIO_PCI_ERR_IRQ_INDEX or VFIO_PCI_REQ_IRQ_INDEX */
int irq_open(struct device *dev, unsigned int index);
/* Wait for it */
int irq_wait(int fd);

/* A descriptor for configuration space of the port that @bdf is behind */
int port_open(const char *bdf);
/* Have QEMU pull the device out of its slot, without a warning to the kernel */
int port_pull(int port);
/* Wait until the slot is empty and the kernel has turned it off */
int port_wait_off(int port);

#endif /* PCI_MMAP_PLATFORM_H */
