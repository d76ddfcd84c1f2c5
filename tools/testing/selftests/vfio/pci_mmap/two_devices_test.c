// SPDX-License-Identifier: GPL-2.0-only
/*
 * Two devices in one container: what happens to one leaves the other alone
 */
#include <errno.h>
#include <signal.h>
#include <sys/mman.h>
#include <unistd.h>

#include "harness.h"
#include "access.h"
#include "device.h"

#define IOVA 0x100000000ULL

static const char *bdf[2];

FIXTURE(two)
{
	struct device dev[2];
	void *map[2];
};

FIXTURE_SETUP(two)
{
	int i;

	ASSERT_EQ(0, device_open(&self->dev[0], bdf[0], -1, -1));
	ASSERT_EQ(0, device_open(&self->dev[1], bdf[1],
				 self->dev[0].container, -1));
	for (i = 0; i < 2; i++) {
		self->map[i] = device_map(&self->dev[i], self->dev[i].bar_size,
					  0);
		ASSERT_NE(MAP_FAILED, self->map[i]);
		if (device_fill(&self->dev[i], self->map[i]))
			SKIP(return, "BAR %u of %s does not keep what is written",
			     self->dev[i].bar, bdf[i]);
	}
}

FIXTURE_TEARDOWN(two)
{
	device_close(&self->dev[1]);
	device_close(&self->dev[0]);
}

TEST_F(two, disables_one)
{
	int off;

	for (off = 0; off < 2; off++) {
		ASSERT_EQ(0, decode_set(&self->dev[off], false, 2));
		EXPECT_SIGBUS(self->map[off]);
		EXPECT_DATA(0, self->map[!off]);
		ASSERT_EQ(0, decode_set(&self->dev[off], true, 2));
		EXPECT_DATA(0, self->map[off]);
	}
}

TEST_F(two, disables_both)
{
	ASSERT_EQ(0, decode_set(&self->dev[0], false, 2));
	ASSERT_EQ(0, decode_set(&self->dev[1], false, 2));
	EXPECT_SIGBUS(self->map[0]);
	EXPECT_SIGBUS(self->map[1]);
	ASSERT_EQ(0, decode_set(&self->dev[0], true, 2));
	EXPECT_DATA(0, self->map[0]);
	EXPECT_SIGBUS(self->map[1]);
	ASSERT_EQ(0, decode_set(&self->dev[1], true, 2));
	EXPECT_DATA(0, self->map[1]);
}

TEST_F(two, refuses_dma_map_of_disabled_one)
{
	ASSERT_EQ(0, decode_set(&self->dev[0], false, 2));
	EXPECT_EQ(-EFAULT, dma_map(&self->dev[0], self->map[0],
				   self->dev[0].bar_size, IOVA));
	EXPECT_EQ(0, dma_map(&self->dev[1], self->map[1],
			     self->dev[1].bar_size, IOVA));
	EXPECT_EQ(0, dma_unmap(&self->dev[1], self->dev[1].bar_size, IOVA));
}

TEST_F(two, keeps_contents_apart)
{
	ASSERT_EQ(0, try_write(self->map[0], 1));
	EXPECT_DATA(0, self->map[1]);
}

int main(int argc, char **argv)
{
	device_arguments(&argc, argv, bdf, 2);
	return test_harness_run(argc, argv);
}
