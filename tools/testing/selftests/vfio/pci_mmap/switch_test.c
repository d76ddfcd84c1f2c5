// SPDX-License-Identifier: GPL-2.0-only
/*
 * A device behind a switch that is reset from above the switch
 *
 * The PCI core restores the switch first, from the top, and the device last. Nobody else
 * may have restored it by then, nor may do so later.
 */
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <sys/mman.h>
#include <unistd.h>

#include <linux/pci_regs.h>

#include "harness.h"
#include "access.h"
#include "device.h"
#include "sysfs.h"

/* In sysfs, from the device: the port of the switch, the switch, the port above */
#define RESET_ALL "../../../reset_subordinate"
#define RESETS 3
/* What user space sets up, and what is there after a reset */
#define LINE_SIZE 0x10

static const char *bdf;

FIXTURE(behind_switch)
{
	struct device dev;
};

FIXTURE_SETUP(behind_switch)
{
	char path[PATH_MAX];

	snprintf(path, sizeof(path), "/sys/bus/pci/devices/%s/" RESET_ALL, bdf);
	if (access(path, F_OK))
		SKIP(return, "no %s", path);
	ASSERT_EQ(0, device_open(&self->dev, bdf, -1, -1));
}

FIXTURE_TEARDOWN(behind_switch)
{
	device_close(&self->dev);
}

TEST_F(behind_switch, keeps_configuration_of_user_space)
{
	void *map = device_map(&self->dev, getpagesize(), 0);
	uint32_t word, value;
	uint8_t line;
	int i, ret;

	ASSERT_NE(MAP_FAILED, map);
	ASSERT_EQ(0, try_read(map, &word));
	ASSERT_EQ(0, config_write(&self->dev, PCI_CACHE_LINE_SIZE, 1, LINE_SIZE));
	for (i = 0; i < RESETS; i++) {
		/* The device may just be asked whether it is back */
		while ((ret = sysfs_write(bdf, RESET_ALL, "1")) == -EAGAIN)
			usleep(1000);
		ASSERT_EQ(0, ret);
		ASSERT_EQ(0, try_read(map, &value));
		EXPECT_EQ(word, value);
		/* Whoever restores it once more does so a moment later */
		usleep(200000);
		ASSERT_EQ(0, sysfs_config_read(bdf, PCI_CACHE_LINE_SIZE, &line, 1));
		ASSERT_EQ(LINE_SIZE, line) TH_LOG("after %d resets", i + 1);
	}
}

int main(int argc, char **argv)
{
	device_arguments(&argc, argv, &bdf, 1);
	return test_harness_run(argc, argv);
}
