// SPDX-License-Identifier: GPL-2.0-only
/*
 * Where DMA goes that a device does to the BAR of another one
 *
 * The first device has a BAR that keeps what is written to it. The second one is the
 * edu device of QEMU, which copies memory to a buffer of its own and back.
 */
#include <errno.h>
#include <sys/mman.h>
#include <unistd.h>

#include "harness.h"
#include "access.h"
#include "device.h"
#include "edu.h"

#define IOVA 0x1000000ULL

static const char *bdf[2];

FIXTURE(peer)
{
	struct device dev[2];
	size_t page;
	size_t size;
	void *map;
	void *edu;
};

FIXTURE_VARIANT(peer)
{
	bool misaligned;
};

FIXTURE_VARIANT_ADD(peer, aligned)
{
};

FIXTURE_VARIANT_ADD(peer, misaligned)
{
	.misaligned = true,
};

FIXTURE_SETUP(peer)
{
	ASSERT_EQ(0, device_open(&self->dev[0], bdf[0], -1, -1));
	ASSERT_LT(0, device_open_beside(self->dev, bdf[1]));
	self->page = getpagesize();
	self->size = self->dev[0].bar_size;
	self->map = device_map(&self->dev[0], self->size, 0);
	ASSERT_NE(MAP_FAILED, self->map);
	if (device_fill(&self->dev[0], self->map))
		SKIP(return, "BAR %u of %s does not keep what is written",
		     self->dev[0].bar, bdf[0]);
	self->edu = edu_start(&self->dev[1]);
	if (!self->edu)
		SKIP(return, "%s is not QEMU's edu device", bdf[1]);
}

FIXTURE_TEARDOWN(peer)
{
	device_close(&self->dev[1]);
	device_close(&self->dev[0]);
}

/*
 * Have edu copy the first word of a page of the BAR to the third, by a DMA map at
 * @iova, and return what is there then
 */
static uint32_t copy_word(void *edu, uint64_t iova, void *page)
{
	uint32_t value = 0;

	if (!edu_read(edu, iova, sizeof(value)) &&
	    !edu_write(edu, iova + 8, sizeof(value)))
		try_read(page + 8, &value);
	return value;
}

TEST_F(peer, whole)
{
	/* Where one leaf or page table ends and the next begins */
	size_t offset[] = { 0, LEAF - 2 * self->page, LEAF - self->page, LEAF,
			    self->size - self->page };
	void *map = self->map;
	size_t i;

	if (variant->misaligned)
		map = device_map_misaligned(&self->dev[0]);
	ASSERT_NE(MAP_FAILED, map);
	ASSERT_EQ(0, dma_map(&self->dev[0], map, self->size, IOVA));
	for (i = 0; i < ARRAY_SIZE(offset); i++) {
		EXPECT_EQ(device_word(offset[i]),
			  copy_word(self->edu, IOVA + offset[i],
				    self->map + offset[i]))
			TH_LOG("DMA to page %zu of the BAR went elsewhere",
			       offset[i] / self->page);
	}
	EXPECT_EQ(0, dma_unmap(&self->dev[0], self->size, IOVA));
}

/* Pieces: a read-only one may not be mapped for a device to write to */
TEST_F(peer, piece)
{
	size_t third = 3 * self->page, size = LEAF, last = size - self->page;
	void *map = self->map;

	if (variant->misaligned)
		map = device_map_misaligned(&self->dev[0]);
	ASSERT_NE(MAP_FAILED, map);
	ASSERT_EQ(0, mprotect(map + third, self->page, PROT_READ));
	EXPECT_EQ(-EFAULT, dma_map(&self->dev[0], map, size, IOVA));
	ASSERT_EQ(0, mprotect(map + third, self->page, PROT_READ | PROT_WRITE));

	ASSERT_EQ(0, dma_map(&self->dev[0], map + third, size, IOVA));
	EXPECT_EQ(device_word(third),
		  copy_word(self->edu, IOVA, self->map + third));
	EXPECT_EQ(device_word(third + last),
		  copy_word(self->edu, IOVA + last, self->map + third + last));
	EXPECT_EQ(0, dma_unmap(&self->dev[0], size, IOVA));
}

int main(int argc, char **argv)
{
	device_arguments(&argc, argv, bdf, 2);
	return test_harness_run(argc, argv);
}
