// SPDX-License-Identifier: GPL-2.0-only
/*
 * What mmap() of a BAR gives, and what it refuses
 */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

#include <linux/vfio.h>

#include "harness.h"
#include "access.h"
#include "device.h"

static const char *bdf;

FIXTURE(mmap)
{
	struct device dev;
	size_t page;
};

FIXTURE_SETUP(mmap)
{
	ASSERT_EQ(0, device_open(&self->dev, bdf, -1, -1));
	self->page = getpagesize();
}

FIXTURE_TEARDOWN(mmap)
{
	device_close(&self->dev);
}

/* The VmFlags line that smaps has for @addr */
static void find_flags(void *addr, char *flags, size_t size)
{
	FILE *smaps = fopen("/proc/self/smaps", "r");
	unsigned long start, end;
	bool here = false;
	char line[512];

	*flags = 0;
	while (smaps && fgets(line, sizeof(line), smaps)) {
		if (sscanf(line, "%lx-%lx ", &start, &end) == 2)
			here = start == (unsigned long)addr;
		else if (here && !strncmp(line, "VmFlags:", 8))
			snprintf(flags, size, "%s", line + 8);
	}
	if (smaps)
		fclose(smaps);
}

TEST_F(mmap, flags)
{
	static const char want[][4] = { " sh", " io", " pf", " de", " dd" };
	char flags[512];
	void *map;
	size_t i;

	map = device_map(&self->dev, self->page, 0);
	ASSERT_NE(MAP_FAILED, map);
	find_flags(map, flags, sizeof(flags));
	for (i = 0; i < ARRAY_SIZE(want); i++)
		EXPECT_TRUE(!!strstr(flags, want[i]))
			TH_LOG("no flag '%.3s' among '%.500s'", want[i], flags);
}

TEST_F(mmap, flags_stay_through_faults)
{
	char before[512], after[512];
	uint32_t value;
	void *map;

	map = device_map(&self->dev, self->page, 0);
	ASSERT_NE(MAP_FAILED, map);
	find_flags(map, before, sizeof(before));
	ASSERT_EQ(0, try_read(map, &value));
	find_flags(map, after, sizeof(after));
	EXPECT_STREQ(before, after);
}

TEST_F(mmap, read_only)
{
	uint32_t value;
	void *map;

	map = mmap(NULL, self->page, PROT_READ, MAP_SHARED, self->dev.fd,
		   self->dev.bar_offset);
	ASSERT_NE(MAP_FAILED, map);
	EXPECT_EQ(0, try_read(map, &value));
	EXPECT_EQ(SIGSEGV, try_write(map, value));

	ASSERT_EQ(0, mprotect(map, self->page, PROT_READ | PROT_WRITE));
	EXPECT_EQ(0, try_write(map, value));
	ASSERT_EQ(0, mprotect(map, self->page, PROT_NONE));
	EXPECT_EQ(SIGSEGV, try_read(map, &value));
}

TEST_F(mmap, fixed_address)
{
	void *hole, *map;
	uint32_t value;

	hole = mmap(NULL, 3 * self->page, PROT_NONE,
		    MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	ASSERT_NE(MAP_FAILED, hole);
	map = mmap(hole + self->page, self->page, PROT_READ,
		   MAP_SHARED | MAP_FIXED, self->dev.fd, self->dev.bar_offset);
	EXPECT_EQ(hole + self->page, map);
	EXPECT_EQ(0, try_read(map, &value));
}

TEST_F(mmap, last_page)
{
	uint32_t value;
	void *map;

	map = device_map(&self->dev, self->page,
			 self->dev.bar_size - self->page);
	ASSERT_NE(MAP_FAILED, map);
	EXPECT_EQ(0, try_read(map, &value));
}

/* Where region @index starts in the device */
static off_t region_offset(struct device *dev, unsigned int index)
{
	struct vfio_region_info info = { .argsz = sizeof(info), .index = index };

	ioctl(dev->fd, VFIO_DEVICE_GET_REGION_INFO, &info);
	return info.offset;
}

#define EXPECT_REFUSED(size, flags, offset) do {			\
	void *_map = mmap(NULL, size, PROT_READ | PROT_WRITE, flags,	\
			  self->dev.fd, offset);			\
									\
	EXPECT_EQ(MAP_FAILED, _map);					\
	EXPECT_EQ(EINVAL, errno);					\
} while (0)

TEST_F(mmap, refuses_private)
{
	EXPECT_REFUSED(self->page, MAP_PRIVATE, self->dev.bar_offset);
}

TEST_F(mmap, refuses_past_the_end)
{
	off_t end = self->dev.bar_offset + self->dev.bar_size;

	EXPECT_REFUSED(self->page, MAP_SHARED, end);
	EXPECT_REFUSED(2 * self->page, MAP_SHARED, end - self->page);
	EXPECT_REFUSED(self->dev.bar_size + self->page, MAP_SHARED,
		       self->dev.bar_offset);
}

TEST_F(mmap, refuses_other_regions)
{
	EXPECT_REFUSED(self->page, MAP_SHARED, self->dev.config_offset);
	EXPECT_REFUSED(self->page, MAP_SHARED,
		       region_offset(&self->dev, VFIO_PCI_ROM_REGION_INDEX));
	/* Far behind the last region */
	EXPECT_REFUSED(self->page, MAP_SHARED, self->dev.config_offset * 8);
}

TEST_F(mmap, refuses_unaligned_offset)
{
	EXPECT_REFUSED(self->page, MAP_SHARED, self->dev.bar_offset + 4);
}

TEST_F(mmap, refuses_nothing)
{
	EXPECT_REFUSED(0, MAP_SHARED, self->dev.bar_offset);
}

int main(int argc, char **argv)
{
	device_arguments(&argc, argv, &bdf, 1);
	return test_harness_run(argc, argv);
}
