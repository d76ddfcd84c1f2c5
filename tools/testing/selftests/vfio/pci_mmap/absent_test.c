// SPDX-License-Identifier: GPL-2.0-only
/*
 * A device that does not respond when it is opened
 *
 * Needs pci_gaps.ko, which has the FLR take its configuration space away that comes with
 * the open.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <sys/mman.h>
#include <unistd.h>

#include <linux/pci_regs.h>

#include "harness.h"
#include "access.h"
#include "device.h"
#include "sysfs.h"

#define DEAD "/sys/module/pci_gaps/parameters/dead"

static const char *bdf;

FIXTURE(absent)
{
	struct device dev;
	void *map;
	uint32_t word;	/* the first of the BAR; the device never changes it */
};

static int open_and_map(struct device *dev, void **map)
{
	int ret = device_open(dev, bdf, -1, -1);

	if (ret)
		return ret;
	*map = device_map(dev, getpagesize(), 0);
	return *map == MAP_FAILED ? -errno : 0;
}

FIXTURE_SETUP(absent)
{
	int ret;

	ASSERT_EQ(0, open_and_map(&self->dev, &self->map));
	ASSERT_EQ(0, try_read(self->map, &self->word));
	munmap(self->map, getpagesize());
	device_close(&self->dev);

	ASSERT_EQ(0, file_write(DEAD, bdf))
		TH_LOG("%s cannot be made to die: load pci_gaps.ko", bdf);
	ret = open_and_map(&self->dev, &self->map);
	ASSERT_EQ(0, file_write(DEAD, "none"));
	ASSERT_EQ(0, ret);
}

FIXTURE_TEARDOWN(absent)
{
	device_close(&self->dev);
}

/* When it comes back, nobody writes to it what was read of a device that was not there */
TEST_F(absent, is_left_alone)
{
	uint32_t before[PCI_STD_HEADER_SIZEOF / 4], after[PCI_STD_HEADER_SIZEOF / 4];
	int i;

	ASSERT_EQ(0, sysfs_config_read(bdf, 0, before, sizeof(before)));
	sleep(3);
	ASSERT_EQ(0, sysfs_config_read(bdf, 0, after, sizeof(after)));
	for (i = 0; i < PCI_STD_HEADER_SIZEOF / 4; i++)
		EXPECT_EQ(before[i], after[i]) TH_LOG("at 0x%x", 4 * i);
}

TEST_F(absent, reads_ones)
{
	sleep(3);
	EXPECT_ONES(self->map);
}

TEST_F(absent, answers_when_opened_anew)
{
	uint32_t value;

	munmap(self->map, getpagesize());
	device_close(&self->dev);
	ASSERT_EQ(0, open_and_map(&self->dev, &self->map));
	ASSERT_EQ(0, try_read(self->map, &value));
	EXPECT_EQ(self->word, value);
}

int main(int argc, char **argv)
{
	device_arguments(&argc, argv, &bdf, 1);
	return test_harness_run(argc, argv);
}
