// SPDX-License-Identifier: GPL-2.0-only
/*
 * iommufd DMA maps: neither a BAR nor a page of ones can be mapped
 */
#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

#include <linux/iommufd.h>
#include <linux/vfio.h>

#include "harness.h"
#include "access.h"
#include "device.h"

#define IOVA 0x100000000ULL

static const char *bdf;

FIXTURE(iommufd)
{
	struct device dev;
	uint32_t ioas;
	size_t page;
	void *map;
	int iommu;
};

FIXTURE_SETUP(iommufd)
{
	struct vfio_device_attach_iommufd_pt attach = { .argsz = sizeof(attach) };
	struct vfio_device_bind_iommufd bind = { .argsz = sizeof(bind) };
	struct iommu_ioas_alloc alloc = { .size = sizeof(alloc) };
	struct device dev;

	/* Where things are in the device file is the same for both kinds of file */
	ASSERT_EQ(0, device_open(&dev, bdf, -1, -1));
	device_close(&dev);

	self->iommu = open("/dev/iommu", O_RDWR | O_CLOEXEC);
	dev.fd = cdev_open(bdf);
	if (self->iommu < 0 || dev.fd < 0)
		SKIP(return, "no iommufd: set CONFIG_IOMMUFD and CONFIG_VFIO_DEVICE_CDEV");
	self->dev = dev;
	self->page = getpagesize();

	bind.iommufd = self->iommu;
	ASSERT_EQ(0, ioctl(dev.fd, VFIO_DEVICE_BIND_IOMMUFD, &bind));
	ASSERT_EQ(0, ioctl(self->iommu, IOMMU_IOAS_ALLOC, &alloc));
	self->ioas = alloc.out_ioas_id;
	attach.pt_id = alloc.out_ioas_id;
	ASSERT_EQ(0, ioctl(dev.fd, VFIO_DEVICE_ATTACH_IOMMUFD_PT, &attach));
	ASSERT_EQ(0, decode_set(&self->dev, true, 2));
	self->map = device_map(&self->dev, self->page, 0);
	ASSERT_NE(MAP_FAILED, self->map);
}

FIXTURE_TEARDOWN(iommufd)
{
	device_close(&self->dev);
	close(self->iommu);
}

static int map_iova(int iommu, uint32_t ioas, void *addr, size_t size)
{
	struct iommu_ioas_map map = {
		.size = sizeof(map),
		.flags = IOMMU_IOAS_MAP_FIXED_IOVA | IOMMU_IOAS_MAP_WRITEABLE |
			 IOMMU_IOAS_MAP_READABLE,
		.ioas_id = ioas,
		.user_va = (uintptr_t)addr,
		.length = size,
		.iova = IOVA,
	};

	return ioctl(iommu, IOMMU_IOAS_MAP, &map) ? -errno : 0;
}

TEST_F(iommufd, maps_memory)
{
	void *memory = mmap(NULL, self->page, PROT_READ | PROT_WRITE,
			    MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	EXPECT_EQ(0, map_iova(self->iommu, self->ioas, memory, self->page));
}

TEST_F(iommufd, refuses_bar)
{
	uint32_t value;

	ASSERT_EQ(0, try_read(self->map, &value));
	EXPECT_EQ(-EFAULT, map_iova(self->iommu, self->ioas, self->map,
				    self->page));
}

TEST_F(iommufd, refuses_disabled_bar)
{
	ASSERT_EQ(0, policy_set(&self->dev, VFIO_DEVICE_DISABLED_BAR_ONES));
	ASSERT_EQ(0, decode_set(&self->dev, false, 2));
	EXPECT_EQ(-EFAULT, map_iova(self->iommu, self->ioas, self->map,
				    self->page));
	EXPECT_ONES(self->map);
	EXPECT_EQ(-EFAULT, map_iova(self->iommu, self->ioas, self->map,
				    self->page));
}

int main(int argc, char **argv)
{
	device_arguments(&argc, argv, &bdf, 1);
	return test_harness_run(argc, argv);
}
