/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What QEMU does to a device, and the port that the device is behind
 *
 * Functions that return int return a negative errno if they fail. What has to
 * come and does not come in time is -ETIMEDOUT.
 */
#ifndef PCI_MMAP_QEMU_H
#define PCI_MMAP_QEMU_H

/* Give QEMU's monitor a command: scripts/vm.sh passes it on */
void tell_qemu(const char *command);

/* A descriptor for configuration space of the port that @bdf is behind */
int port_open(const char *bdf);
/* Have QEMU pull the device out of its slot, without a warning to the kernel */
int port_pull(int port);
/* Wait until the slot is empty and the kernel has turned it off */
int port_wait_off(int port);

#endif /* PCI_MMAP_QEMU_H */
