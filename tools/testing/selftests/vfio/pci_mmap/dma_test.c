// SPDX-License-Identifier: GPL-2.0-only
/*
 * type1 DMA maps of a BAR
 */
#include <errno.h>
#include <sys/mman.h>
#include <unistd.h>

#include "../../kselftest_harness.h"
#include "access.h"
#include "device.h"

#define IOVA 0x100000000ULL

static const char *bdf;

FIXTURE(dma)
{
	struct device dev;
	size_t size;
	void *map;
};

FIXTURE_SETUP(dma)
{
	ASSERT_EQ(0, device_open(&self->dev, bdf, -1, -1));
	self->size = self->dev.bar_size;
	self->map = device_map(&self->dev, self->size, 0);
	ASSERT_NE(MAP_FAILED, self->map);
}

FIXTURE_TEARDOWN(dma)
{
	device_close(&self->dev);
}

TEST_F(dma, maps_untouched_bar)
{
	ASSERT_EQ(0, dma_map(&self->dev, self->map, self->size, IOVA));
	EXPECT_EQ(0, dma_unmap(&self->dev, self->size, IOVA));
}

TEST_F(dma, maps_touched_bar)
{
	uint32_t value;

	ASSERT_EQ(0, try_read(self->map, &value));
	ASSERT_EQ(0, dma_map(&self->dev, self->map, self->size, IOVA));
	EXPECT_EQ(0, dma_unmap(&self->dev, self->size, IOVA));
}

TEST_F(dma, refuses_disabled_bar)
{
	uint32_t value;

	ASSERT_EQ(0, try_read(self->map, &value));
	ASSERT_EQ(0, decode_set(&self->dev, false, 2));
	EXPECT_EQ(-EFAULT, dma_map(&self->dev, self->map, self->size, IOVA));

	/* Nothing of the failed map is left */
	ASSERT_EQ(0, decode_set(&self->dev, true, 2));
	ASSERT_EQ(0, dma_map(&self->dev, self->map, self->size, IOVA));
	EXPECT_EQ(0, dma_unmap(&self->dev, self->size, IOVA));
}

/* Decode may be toggled under a DMA map; the map can be taken down after */
TEST_F(dma, unmaps_after_toggle)
{
	uint32_t value;

	ASSERT_EQ(0, dma_map(&self->dev, self->map, self->size, IOVA));
	ASSERT_EQ(0, decode_set(&self->dev, false, 2));
	ASSERT_EQ(0, decode_set(&self->dev, true, 2));
	EXPECT_EQ(0, try_read(self->map, &value));
	EXPECT_EQ(0, dma_unmap(&self->dev, self->size, IOVA));
}

int main(int argc, char **argv)
{
	device_arguments(&argc, argv, &bdf, 1);
	return test_harness_run(argc, argv);
}
