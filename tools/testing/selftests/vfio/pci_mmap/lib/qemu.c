// SPDX-License-Identifier: GPL-2.0-only
/*
 * What QEMU does to a device, and the port that the device is behind
 */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <sched.h>
#include <stdint.h>
#include <stdio.h>
#include <unistd.h>

#include <linux/pci_regs.h>

#include "qemu.h"
#include "sysfs.h"

void tell_qemu(const char *command)
{
	printf("monitor: %s\n", command);
	fflush(stdout);
}

int port_open(const char *bdf)
{
	char path[PATH_MAX];
	int fd;

	snprintf(path, sizeof(path), "/sys/bus/pci/devices/%s/../config", bdf);
	fd = open(path, O_RDWR | O_CLOEXEC);
	return fd < 0 ? -errno : fd;
}

/* Where the PCI Express capability of a port is, or 0 */
static off_t express(int port)
{
	uint8_t cap[2], pos;

	if (pread(port, &pos, 1, PCI_CAPABILITY_LIST) != 1)
		return 0;
	while (pos && pread(port, cap, 2, pos) == 2) {
		if (cap[0] == PCI_CAP_ID_EXP)
			return pos;
		pos = cap[1];
	}
	return 0;
}

/*
 * QEMU takes the device out once the slot has no power and says so. The kernel
 * is to find the slot as it left it, just without the device: it gets the
 * interrupt when the power is back.
 */
int port_pull(int port)
{
	const struct sched_param first = { .sched_priority = 99 }, others = {};
	off_t reg = express(port) + PCI_EXP_SLTCTL;
	uint16_t control, off;
	int ret = -EIO;

	/* A handler of an earlier interrupt is not to find the slot without power */
	sched_setscheduler(0, SCHED_FIFO, &first);
	if (pread(port, &control, 2, reg) == 2) {
		off = control & ~PCI_EXP_SLTCTL_HPIE;
		off |= PCI_EXP_SLTCTL_PWR_OFF | PCI_EXP_SLTCTL_PWR_IND_OFF;
		if (pwrite(port, &off, 2, reg) == 2 &&
		    pwrite(port, &control, 2, reg) == 2)
			ret = 0;
	}
	sched_setscheduler(0, SCHED_OTHER, &others);
	return ret;
}

int port_wait_off(int port)
{
	const uint16_t off = PCI_EXP_SLTCTL_PWR_OFF | PCI_EXP_SLTCTL_PWR_IND_OFF;
	off_t cap = express(port);
	uint16_t control, status;
	int i;

	for (i = 0; i < PATIENCE * 1000; i++) {
		if (pread(port, &control, 2, cap + PCI_EXP_SLTCTL) != 2 ||
		    pread(port, &status, 2, cap + PCI_EXP_SLTSTA) != 2)
			return -EIO;
		if ((control & off) == off && !(status & PCI_EXP_SLTSTA_PDS))
			return 0;
		usleep(1000);
	}
	return -ETIMEDOUT;
}
