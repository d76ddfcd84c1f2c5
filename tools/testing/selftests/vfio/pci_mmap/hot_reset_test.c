// SPDX-License-Identifier: GPL-2.0-only
/*
 * Mappings of two functions across the hot reset of both
 */
#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

#include <linux/vfio.h>

#include "harness.h"
#include "access.h"
#include "device.h"

static const char *bdf[2];

FIXTURE(hot_reset)
{
	struct device dev[2];
	void *map[2];
	int groups;
};

FIXTURE_SETUP(hot_reset)
{
	int i;

	ASSERT_EQ(0, device_open(&self->dev[0], bdf[0], -1, -1));
	self->groups = device_open_beside(self->dev, bdf[1]);
	ASSERT_LT(0, self->groups);
	for (i = 0; i < 2; i++) {
		self->map[i] = device_map(&self->dev[i], self->dev[i].bar_size,
					  0);
		ASSERT_NE(MAP_FAILED, self->map[i]);
		if (device_fill(&self->dev[i], self->map[i]))
			SKIP(return, "BAR %u of %s does not keep what is written",
			     self->dev[i].bar, bdf[i]);
	}
}

FIXTURE_TEARDOWN(hot_reset)
{
	device_close(&self->dev[1]);
	device_close(&self->dev[0]);
}

TEST_F(hot_reset, both_come_back)
{
	ASSERT_EQ(0, hot_reset(self->dev, self->groups));
	EXPECT_DATA(0, self->map[0]);
	EXPECT_DATA(0, self->map[1]);
}

TEST_F(hot_reset, keeps_disabled_function_disabled)
{
	ASSERT_EQ(0, decode_set(&self->dev[1], false, 2));
	ASSERT_EQ(0, hot_reset(self->dev, self->groups));
	EXPECT_DATA(0, self->map[0]);
	EXPECT_SIGBUS(self->map[1]);
	ASSERT_EQ(0, decode_set(&self->dev[1], true, 2));
	EXPECT_DATA(0, self->map[1]);
}

/* Who does not show every group that is affected does not get to reset */
TEST_F(hot_reset, refuses_missing_group)
{
	EXPECT_EQ(-EINVAL, hot_reset(self->dev, self->groups - 1));
	EXPECT_DATA(0, self->map[0]);
	EXPECT_DATA(0, self->map[1]);
}

int main(int argc, char **argv)
{
	device_arguments(&argc, argv, bdf, 2);
	return test_harness_run(argc, argv);
}
