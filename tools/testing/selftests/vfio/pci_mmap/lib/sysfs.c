// SPDX-License-Identifier: GPL-2.0-only
/*
 * Files of the kernel, those of a device in sysfs, and its uevents
 */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <linux/netlink.h>

#include "sysfs.h"

int file_write(const char *path, const char *text)
{
	int fd = open(path, O_WRONLY | O_CLOEXEC);
	int ret;

	if (fd < 0)
		return -errno;
	ret = write(fd, text, strlen(text)) < 0 ? -errno : 0;
	close(fd);
	return ret;
}

int sysfs_write(const char *bdf, const char *file, const char *text)
{
	char path[PATH_MAX];

	snprintf(path, sizeof(path), "/sys/bus/pci/devices/%s/%s", bdf, file);
	return file_write(path, text);
}

int sysfs_config_read(const char *bdf, off_t pos, void *buffer, size_t size)
{
	char path[PATH_MAX];
	ssize_t n;
	int fd;

	snprintf(path, sizeof(path), "/sys/bus/pci/devices/%s/config", bdf);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	n = pread(fd, buffer, size, pos);
	close(fd);
	return n == (ssize_t)size ? 0 : -EIO;
}

int sysfs_config_settle(const char *bdf, off_t pos, uint16_t mask, uint16_t want)
{
	uint16_t value;
	int i, ret;

	for (i = 0; i < 5; i++) {
		sleep(1);
		ret = sysfs_config_read(bdf, pos, &value, sizeof(value));
		if (ret)
			return ret;
		if ((value & mask) == want)
			break;
	}
	return value & mask;
}

int sysfs_wait_suspended(const char *bdf)
{
	char path[PATH_MAX], status[16];
	int fd, i;

	snprintf(path, sizeof(path), "/sys/bus/pci/devices/%s/power/runtime_status", bdf);
	for (i = 0; i < 100 * PATIENCE; i++) {
		memset(status, 0, sizeof(status));
		fd = open(path, O_RDONLY);
		if (fd < 0 || read(fd, status, sizeof(status) - 1) < 0)
			return -errno;
		close(fd);
		if (!strcmp(status, "suspended\n"))
			return 0;
		usleep(10000);
	}
	return -ETIMEDOUT;
}

int wait_readable(int fd)
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
		ret = wait_readable(fd);
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

int driver_bind(const char *bdf, const char *driver)
{
	int ret = sysfs_write(bdf, "driver_override", driver), i;
	char path[PATH_MAX];

	snprintf(path, sizeof(path), "/sys/bus/pci/drivers/%s/%s", driver, bdf);
	/* While another driver is asked, which may not have it, nothing comes of this */
	for (i = 0; !ret && access(path, F_OK); i++) {
		if (i == 100 * PATIENCE)
			return -ETIMEDOUT;
		ret = file_write("/sys/bus/pci/drivers_probe", bdf);
		usleep(10000);
	}
	return ret;
}

int vfio_bind(const char *bdf, int uevents)
{
	int ret = driver_bind(bdf, "vfio-pci");

	return ret ? ret : uevent_wait(uevents, bdf, "ACTION=bind");
}
