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

#include <linux/pci_regs.h>

#include "harness.h"
#include "access.h"
#include "device.h"

/* edu reaches no more than 256 MiB */
#define IOVA 0x1000000ULL

#define EDU_ID		0x00
#define EDU_SOURCE	0x80
#define EDU_TARGET	0x88
#define EDU_COUNT	0x90
#define EDU_COMMAND	0x98
#define EDU_BUFFER	0x40000
#define EDU_START	1
#define EDU_TO_MEMORY	2

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
	uint32_t id;

	ASSERT_EQ(0, device_open(&self->dev[0], bdf[0], -1, -1));
	ASSERT_LT(0, device_open_beside(self->dev, bdf[1]));
	self->page = getpagesize();
	self->size = self->dev[0].bar_size;
	self->map = device_map(&self->dev[0], self->size, 0);
	ASSERT_NE(MAP_FAILED, self->map);
	if (device_fill(&self->dev[0], self->map))
		SKIP(return, "BAR %u of %s does not keep what is written",
		     self->dev[0].bar, bdf[0]);
	self->edu = device_map(&self->dev[1], self->dev[1].bar_size, 0);
	ASSERT_NE(MAP_FAILED, self->edu);
	ASSERT_EQ(0, try_read(self->edu + EDU_ID, &id));
	if ((id & 0xff) != 0xed)
		SKIP(return, "%s is not QEMU's edu device", bdf[1]);
	ASSERT_EQ(0, config_write(&self->dev[1], PCI_COMMAND, 2,
				  PCI_COMMAND_MEMORY | PCI_COMMAND_MASTER));
}

FIXTURE_TEARDOWN(peer)
{
	device_close(&self->dev[1]);
	device_close(&self->dev[0]);
}

static void edu_write(void *edu, size_t reg, uint64_t value)
{
	__atomic_store_n((uint64_t *)(edu + reg), value, __ATOMIC_SEQ_CST);
}

static void edu_copy(void *edu, uint64_t source, uint64_t target, uint64_t cmd)
{
	uint64_t *command = edu + EDU_COMMAND;

	edu_write(edu, EDU_SOURCE, source);
	edu_write(edu, EDU_TARGET, target);
	edu_write(edu, EDU_COUNT, sizeof(uint32_t));
	edu_write(edu, EDU_COMMAND, cmd | EDU_START);
	while (__atomic_load_n(command, __ATOMIC_SEQ_CST) & EDU_START)
		usleep(10000);
}

/*
 * Have edu copy the first word of a page of the BAR to the third, by a DMA map at
 * @iova, and return what is there then
 */
static uint32_t copy_word(void *edu, uint64_t iova, void *page)
{
	uint32_t value = 0;

	edu_copy(edu, iova, EDU_BUFFER, 0);
	edu_copy(edu, EDU_BUFFER, iova + 8, EDU_TO_MEMORY);
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
