// SPDX-License-Identifier: GPL-2.0-only
/*
 * What happens around a device: files in sysfs, uevents, QEMU's monitor
 */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <linux/netlink.h>
#include <linux/pci_regs.h>
#include <linux/vfio.h>

#include "platform.h"

void tell_qemu(const char *command)
{
	printf("monitor: %s\n", command);
	fflush(stdout);
}

/* Wait until something can be read from @fd */
static int wait_for(int fd)
{
	struct pollfd pollfd = { .fd = fd, .events = POLLIN };
	int n = poll(&pollfd, 1, PATIENCE * 1000);

	return n < 0 ? -errno : n ? 0 : -ETIMEDOUT;
}

int uevent_open(void)
{
	struct sockaddr_nl address = { .nl_family = AF_NETLINK, .nl_groups = 1 };
	int fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC,
			NETLINK_KOBJECT_UEVENT);

	if (fd < 0)
		return -errno;
	if (bind(fd, (struct sockaddr *)&address, sizeof(address))) {
		close(fd);
		return -errno;
	}
	return fd;
}

int uevent_wait(int fd, const char *bdf, const char *text)
{
	char slot[64], buffer[4096], *line;
	bool is_device, is_text;
	ssize_t n;
	int ret;

	snprintf(slot, sizeof(slot), "PCI_SLOT_NAME=%s", bdf);
	do {
		ret = wait_for(fd);
		if (ret)
			return ret;
		n = recv(fd, buffer, sizeof(buffer) - 1, 0);
		if (n < 0)
			return -errno;
		buffer[n] = 0;
		is_device = false;
		is_text = false;
		for (line = buffer; line < buffer + n; line += strlen(line) + 1) {
			is_device |= !strcmp(line, slot);
			is_text |= !strcmp(line, text);
		}
	} while (!is_device || !is_text);
	return 0;
}

/* Whoever comes last, this or the hot-plug of the kernel, binds the driver */
int vfio_bind(const char *bdf, int uevents)
{
	int ret = sysfs_write(bdf, "driver_override", "vfio-pci");

	if (!ret)
		ret = file_write("/sys/bus/pci/drivers_probe", bdf);
	return ret ? ret : uevent_wait(uevents, bdf, "ACTION=bind");
}

int irq_open(struct device *dev, unsigned int index)
{
	struct {
		struct vfio_irq_set set;
		int fd;
	} irq = {
		.set.argsz = sizeof(irq),
		.set.flags = VFIO_IRQ_SET_DATA_EVENTFD |
			     VFIO_IRQ_SET_ACTION_TRIGGER,
		.set.index = index,
		.set.count = 1,
		.fd = eventfd(0, EFD_CLOEXEC),
	};
	int ret;

	if (irq.fd < 0)
		return -errno;
	if (!ioctl(dev->fd, VFIO_DEVICE_SET_IRQS, &irq.set))
		return irq.fd;
	ret = -errno;
	close(irq.fd);
	return ret;
}

int irq_wait(int fd)
{
	eventfd_t count;
	int ret = wait_for(fd);

	if (ret)
		return ret;
	return eventfd_read(fd, &count) ? -errno : 0;
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
	off_t reg = express(port) + PCI_EXP_SLTCTL;
	uint16_t control, off;

	if (pread(port, &control, 2, reg) != 2)
		return -EIO;
	off = control & ~PCI_EXP_SLTCTL_HPIE;
	off |= PCI_EXP_SLTCTL_PWR_OFF | PCI_EXP_SLTCTL_PWR_IND_OFF;
	if (pwrite(port, &off, 2, reg) != 2 ||
	    pwrite(port, &control, 2, reg) != 2)
		return -EIO;
	return 0;
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
