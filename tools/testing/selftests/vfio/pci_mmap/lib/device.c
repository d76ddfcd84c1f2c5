// SPDX-License-Identifier: GPL-2.0-only
/*
 * A device that is bound to vfio-pci: open, map, configure, reset, hear from it
 */
#define _GNU_SOURCE
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

#include <linux/pci_regs.h>
#include <linux/vfio.h>

#include "../../../kselftest.h"
#include "access.h"
#include "device.h"
#include "sysfs.h"

static bool is_bdf(const char *text)
{
	unsigned int domain, bus, slot, function;
	int used = 0;

	return sscanf(text, "%4x:%2x:%2x.%1x%n", &domain, &bus, &slot,
		      &function, &used) == 4 && !text[used];
}

/* The group of a device, or -1 with the reason on stderr */
static int find_group(const char *bdf)
{
	char path[PATH_MAX], target[PATH_MAX];
	ssize_t len;

	snprintf(path, sizeof(path), "/sys/bus/pci/devices/%s", bdf);
	if (access(path, F_OK)) {
		fprintf(stderr, "no device %s: see lspci -D\n", bdf);
		return -1;
	}

	snprintf(path, sizeof(path), "/sys/bus/pci/devices/%s/driver", bdf);
	len = readlink(path, target, sizeof(target) - 1);
	target[len < 0 ? 0 : len] = 0;
	if (strcmp(basename(target), "vfio-pci")) {
		fprintf(stderr, "device %s is not bound to vfio-pci: bind it first\n",
			bdf);
		return -1;
	}

	snprintf(path, sizeof(path), "/sys/bus/pci/devices/%s/iommu_group",
		 bdf);
	len = readlink(path, target, sizeof(target) - 1);
	target[len < 0 ? 0 : len] = 0;
	if (len < 0) {
		fprintf(stderr, "device %s has no IOMMU group: turn the IOMMU on\n",
			bdf);
		return -1;
	}
	return atoi(basename(target));
}

int device_arguments(int *argc, char **argv, const char **bdfs, int max)
{
	int i, n = 0;

	while (*argc > 1 && n < max && is_bdf(argv[*argc - 1])) {
		n++;
		(*argc)--;
	}
	for (i = 0; i < n; i++)
		bdfs[i] = argv[*argc + i];

	if (!n && getenv("VFIO_SELFTESTS_BDF")) {
		bdfs[n++] = getenv("VFIO_SELFTESTS_BDF");
		if (!is_bdf(bdfs[0])) {
			fprintf(stderr,
				"VFIO_SELFTESTS_BDF is '%s': set it to domain:bus:slot.function\n",
				bdfs[0]);
			exit(KSFT_FAIL);
		}
	}

	if (n < max) {
		fprintf(stderr,
			"%d device(s) needed, %d given: name them last on the command line, or one in VFIO_SELFTESTS_BDF\n",
			max, n);
		exit(KSFT_SKIP);
	}

	for (i = 0; i < n; i++)
		if (find_group(bdfs[i]) < 0)
			exit(KSFT_FAIL);
	return n;
}

const char *take_option(int *argc, char **argv, const char *option)
{
	const char *value;
	int i;

	for (i = 1; i < *argc - 1; i++) {
		if (strcmp(argv[i], option))
			continue;
		value = argv[i + 1];
		*argc -= 2;
		memmove(argv + i, argv + i + 2, (*argc - i + 1) * sizeof(*argv));
		return value;
	}
	return NULL;
}

static int open_container(void)
{
	int fd = open("/dev/vfio/vfio", O_RDWR | O_CLOEXEC);

	return fd < 0 ? -errno : fd;
}

static int open_group(struct device *dev, int container, int group, int type)
{
	struct vfio_group_status status = { .argsz = sizeof(status) };
	char path[PATH_MAX];

	if (group >= 0) {
		dev->group = dup(group);
		return dev->group < 0 ? -errno : 0;
	}

	snprintf(path, sizeof(path), "/dev/vfio/%d", find_group(dev->bdf));
	dev->group = open(path, O_RDWR | O_CLOEXEC);
	if (dev->group < 0)
		return -errno;
	if (ioctl(dev->group, VFIO_GROUP_GET_STATUS, &status))
		return -errno;
	if (!(status.flags & VFIO_GROUP_FLAGS_VIABLE))
		return -EPERM;
	if (ioctl(dev->group, VFIO_GROUP_SET_CONTAINER, &dev->container))
		return -errno;
	if (container < 0 &&
	    ioctl(dev->container, VFIO_SET_IOMMU, type))
		return -errno;
	return 0;
}

static int find_regions(struct device *dev)
{
	struct vfio_region_info info = { .argsz = sizeof(info) };
	unsigned int i;

	for (i = VFIO_PCI_BAR0_REGION_INDEX; i <= VFIO_PCI_BAR5_REGION_INDEX;
	     i++) {
		info.argsz = sizeof(info);
		info.index = i;
		if (ioctl(dev->fd, VFIO_DEVICE_GET_REGION_INFO, &info))
			return -errno;
		if (!(info.flags & VFIO_REGION_INFO_FLAG_MMAP) ||
		    info.size <= dev->bar_size)
			continue;
		dev->bar = i;
		dev->bar_size = info.size;
		dev->bar_offset = info.offset;
	}
	if (!dev->bar_size)
		return -ENXIO;

	info.argsz = sizeof(info);
	info.index = VFIO_PCI_CONFIG_REGION_INDEX;
	if (ioctl(dev->fd, VFIO_DEVICE_GET_REGION_INFO, &info))
		return -errno;
	dev->config_offset = info.offset;
	return 0;
}

static int open_device(struct device *dev, const char *bdf, int container, int group,
		       int type)
{
	int ret;

	*dev = (struct device){ .bdf = bdf, .group = -1, .fd = -1 };

	dev->container = container < 0 ? open_container() : dup(container);
	if (dev->container < 0)
		return dev->container;

	ret = open_group(dev, container, group, type);
	if (ret)
		goto err;

	dev->fd = ioctl(dev->group, VFIO_GROUP_GET_DEVICE_FD, bdf);
	if (dev->fd < 0) {
		ret = -errno;
		goto err;
	}

	ret = find_regions(dev);
	if (!ret)
		ret = decode_set(dev, true, 2);
	if (!ret)
		return 0;
err:
	device_close(dev);
	return ret;
}

int device_open(struct device *dev, const char *bdf, int container, int group)
{
	return open_device(dev, bdf, container, group, VFIO_TYPE1v2_IOMMU);
}

int device_open_v1(struct device *dev, const char *bdf)
{
	return open_device(dev, bdf, -1, -1, VFIO_TYPE1_IOMMU);
}

int device_open_beside(struct device *dev, const char *bdf)
{
	int ret = device_open(&dev[1], bdf, dev[0].container, -1);

	if (!ret)
		return 2;
	if (ret == -EBUSY)
		ret = device_open(&dev[1], bdf, dev[0].container, dev[0].group);
	return ret ?: 1;
}

void device_close(struct device *dev)
{
	if (dev->fd >= 0)
		close(dev->fd);
	if (dev->group >= 0)
		close(dev->group);
	if (dev->container >= 0)
		close(dev->container);
	dev->fd = -1;
	dev->group = -1;
	dev->container = -1;
}

int cdev_open(const char *bdf)
{
	char path[300];
	struct dirent *entry;
	int fd = -1;
	DIR *dir;

	snprintf(path, sizeof(path), "/sys/bus/pci/devices/%s/vfio-dev", bdf);
	dir = opendir(path);
	while (dir && (entry = readdir(dir))) {
		if (strncmp(entry->d_name, "vfio", 4))
			continue;
		snprintf(path, sizeof(path), "/dev/vfio/devices/%s",
			 entry->d_name);
		fd = open(path, O_RDWR | O_CLOEXEC);
	}
	if (dir)
		closedir(dir);
	return fd;
}

void *device_map(struct device *dev, size_t size, off_t offset)
{
	return mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, dev->fd,
		    dev->bar_offset + offset);
}

uint64_t device_bar_address(struct device *dev)
{
	unsigned long long start = 0;
	char path[PATH_MAX];
	unsigned int i;
	FILE *file;

	snprintf(path, sizeof(path), "/sys/bus/pci/devices/%s/resource",
		 dev->bdf);
	file = fopen(path, "r");
	if (!file)
		return 0;
	for (i = 0; i <= dev->bar; i++) {
		if (fscanf(file, "%llx %*x %*x", &start) != 1)
			start = 0;
	}
	fclose(file);
	return start;
}

void *device_map_misaligned(struct device *dev)
{
	uintptr_t addr;
	void *room;

	room = mmap(NULL, dev->bar_size + 2 * LEAF, PROT_NONE,
		    MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (room == MAP_FAILED)
		return room;
	addr = ((uintptr_t)room + LEAF) & -LEAF;
	addr += (device_bar_address(dev) & (LEAF - 1)) + getpagesize();
	return mmap((void *)addr, dev->bar_size, PROT_READ | PROT_WRITE,
		    MAP_SHARED | MAP_FIXED, dev->fd, dev->bar_offset);
}

size_t largest_leaf(size_t size)
{
	FILE *file = fopen("/proc/cpuinfo", "r");
	char line[4096];
	bool gib = false;

	while (file && !gib && fgets(line, sizeof(line), file))
		gib = !strncmp(line, "flags", 5) && strstr(line, " pdpe1gb");
	if (file)
		fclose(file);
	if (gib && size >= GIB_LEAF)
		return GIB_LEAF;
	return size >= LEAF ? LEAF : getpagesize();
}

uint32_t device_word(off_t offset)
{
	return 0xba500000 | (offset / getpagesize() & 0xfffff);
}

int device_fill(struct device *dev, void *map)
{
	uint32_t value;
	size_t offset;

	for (offset = 0; offset < dev->bar_size; offset += getpagesize()) {
		if (try_write(map + offset, device_word(offset)) ||
		    try_read(map + offset, &value) ||
		    value != device_word(offset))
			return -ENOTTY;
	}
	return 0;
}

int config_read(struct device *dev, off_t reg, unsigned int width,
		uint32_t *value)
{
	ssize_t n;

	*value = 0;
	n = pread(dev->fd, value, width, dev->config_offset + reg);
	return n < 0 ? -errno : n == width ? 0 : -EIO;
}

int config_write(struct device *dev, off_t reg, unsigned int width,
		 uint32_t value)
{
	ssize_t n;

	n = pwrite(dev->fd, &value, width, dev->config_offset + reg);
	return n < 0 ? -errno : n == width ? 0 : -EIO;
}

off_t config_capability(struct device *dev, uint8_t id)
{
	uint32_t value;
	off_t pos;
	int i;

	if (config_read(dev, PCI_CAPABILITY_LIST, 1, &value))
		return 0;
	pos = value;
	for (i = 0; pos && i < 48; i++) {
		if (config_read(dev, pos, 2, &value))
			return 0;
		if ((value & 0xff) == id)
			return pos;
		pos = value >> 8;
	}
	return 0;
}

int decode_set(struct device *dev, bool on, unsigned int width)
{
	uint32_t command;
	int ret;

	ret = config_read(dev, PCI_COMMAND, width, &command);
	if (ret)
		return ret;

	/* The status register beside it clears what is written as one */
	command &= 0xffff & ~PCI_COMMAND_MEMORY;
	if (on)
		command |= PCI_COMMAND_MEMORY;
	return config_write(dev, PCI_COMMAND, width, command);
}

int power_set(struct device *dev, unsigned int state)
{
	off_t cap = config_capability(dev, PCI_CAP_ID_PM);
	uint32_t value;
	int ret;

	if (!cap)
		return -ENOTTY;
	ret = config_read(dev, cap + PCI_PM_CTRL, 2, &value);
	if (ret)
		return ret;
	value &= ~PCI_PM_CTRL_STATE_MASK;
	return config_write(dev, cap + PCI_PM_CTRL, 2, value | state);
}

bool has_function_reset(struct device *dev)
{
	off_t cap = config_capability(dev, PCI_CAP_ID_EXP);
	uint32_t value;

	return cap && !config_read(dev, cap + PCI_EXP_DEVCAP, 4, &value) &&
	       value & PCI_EXP_DEVCAP_FLR;
}

int function_reset(struct device *dev)
{
	off_t cap = config_capability(dev, PCI_CAP_ID_EXP);
	uint32_t value;
	int ret;

	if (!has_function_reset(dev))
		return -ENOTTY;
	ret = config_read(dev, cap + PCI_EXP_DEVCTL, 2, &value);
	return ret ?: config_write(dev, cap + PCI_EXP_DEVCTL, 2,
				   value | PCI_EXP_DEVCTL_BCR_FLR);
}

int hot_reset(struct device *dev, int groups)
{
	size_t size = sizeof(struct vfio_pci_hot_reset) + groups * sizeof(int);
	struct vfio_pci_hot_reset *reset = calloc(1, size);
	int ret, i;

	reset->argsz = size;
	reset->count = groups;
	for (i = 0; i < groups; i++)
		reset->group_fds[i] = dev[i].group;
	ret = ioctl(dev[0].fd, VFIO_DEVICE_PCI_HOT_RESET, reset);
	ret = ret ? -errno : 0;
	free(reset);
	return ret;
}

int low_power_set(struct device *dev, bool on)
{
	struct vfio_device_feature set = {
		.argsz = sizeof(set),
		.flags = VFIO_DEVICE_FEATURE_SET |
			 (on ? VFIO_DEVICE_FEATURE_LOW_POWER_ENTRY :
			       VFIO_DEVICE_FEATURE_LOW_POWER_EXIT),
	};

	return ioctl(dev->fd, VFIO_DEVICE_FEATURE, &set) ? -errno : 0;
}

static int policy_ioctl(struct device *dev, uint32_t flags, uint32_t *policy)
{
	struct {
		struct vfio_device_feature feature;
		struct vfio_device_feature_disabled_bar data;
	} arg = {
		.feature.argsz = sizeof(arg),
		.feature.flags = VFIO_DEVICE_FEATURE_DISABLED_BAR | flags,
		.data.policy = *policy,
	};

	if (ioctl(dev->fd, VFIO_DEVICE_FEATURE, &arg))
		return -errno;
	*policy = arg.data.policy;
	return 0;
}

int policy_set(struct device *dev, uint32_t policy)
{
	return policy_ioctl(dev, VFIO_DEVICE_FEATURE_SET, &policy);
}

int policy_get(struct device *dev)
{
	uint32_t policy = 0;

	return policy_ioctl(dev, VFIO_DEVICE_FEATURE_GET, &policy) ?: policy;
}

int dma_map(struct device *dev, void *addr, size_t size, uint64_t iova)
{
	struct vfio_iommu_type1_dma_map map = {
		.argsz = sizeof(map),
		.flags = VFIO_DMA_MAP_FLAG_READ | VFIO_DMA_MAP_FLAG_WRITE,
		.vaddr = (uintptr_t)addr,
		.iova = iova,
		.size = size,
	};

	return ioctl(dev->container, VFIO_IOMMU_MAP_DMA, &map) ? -errno : 0;
}

int dma_unmap(struct device *dev, size_t size, uint64_t iova)
{
	struct vfio_iommu_type1_dma_unmap unmap = {
		.argsz = sizeof(unmap),
		.iova = iova,
		.size = size,
	};

	return ioctl(dev->container, VFIO_IOMMU_UNMAP_DMA, &unmap) ? -errno : 0;
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
	int ret = wait_readable(fd);

	if (ret)
		return ret;
	return eventfd_read(fd, &count) ? -errno : 0;
}
