// SPDX-License-Identifier: GPL-2.0-only
/*
 * Decode off and on over mappings that were cut, moved or protected
 */
#define _GNU_SOURCE
#include <errno.h>
#include <signal.h>
#include <sys/mman.h>
#include <unistd.h>

#include "../../kselftest_harness.h"
#include "access.h"
#include "device.h"

static const char *bdf;

FIXTURE(vma)
{
	struct device dev;
	size_t page;
	size_t size;
	void *map;
};

FIXTURE_SETUP(vma)
{
	ASSERT_EQ(0, device_open(&self->dev, bdf, -1, -1));
	self->page = getpagesize();
	self->size = self->dev.bar_size;
	self->map = device_map(&self->dev, self->size, 0);
	ASSERT_NE(MAP_FAILED, self->map);
	if (device_fill(&self->dev, self->map))
		SKIP(return, "BAR %u of %s does not keep what is written",
		     self->dev.bar, bdf);
	if (self->size < 8 * self->page)
		SKIP(return, "BAR %u of %s has fewer than 8 pages",
		     self->dev.bar, bdf);
}

FIXTURE_TEARDOWN(vma)
{
	device_close(&self->dev);
}

TEST_F(vma, disabled_after_partial_munmap)
{
	size_t hole = self->size / 2;
	uint32_t value;

	ASSERT_EQ(0, munmap(self->map + hole, self->page));
	EXPECT_EQ(SIGSEGV, try_read(self->map + hole, &value));
	EXPECT_DATA(hole - self->page, self->map + hole - self->page);
	EXPECT_DATA(hole + self->page, self->map + hole + self->page);

	ASSERT_EQ(0, decode_set(&self->dev, false, 2));
	EXPECT_SIGBUS(self->map + hole - self->page);
	EXPECT_SIGBUS(self->map + hole + self->page);
	ASSERT_EQ(0, decode_set(&self->dev, true, 2));
	EXPECT_DATA(hole - self->page, self->map + hole - self->page);
	EXPECT_DATA(hole + self->page, self->map + hole + self->page);
	EXPECT_DATA(self->size - self->page,
		    self->map + self->size - self->page);
}

TEST_F(vma, disabled_before_partial_munmap)
{
	size_t hole = self->size / 2;

	ASSERT_EQ(0, decode_set(&self->dev, false, 2));
	ASSERT_EQ(0, munmap(self->map + hole, self->page));
	EXPECT_SIGBUS(self->map + hole - self->page);
	EXPECT_SIGBUS(self->map + hole + self->page);
	ASSERT_EQ(0, decode_set(&self->dev, true, 2));
	EXPECT_DATA(hole - self->page, self->map + hole - self->page);
	EXPECT_DATA(hole + self->page, self->map + hole + self->page);
}

/* Room for the whole mapping, aligned for no leaf larger than a page */
static void *odd_place(size_t size, size_t page)
{
	void *room = mmap(NULL, size + 2 * page, PROT_NONE,
			  MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	return room == MAP_FAILED ? room : room + page;
}

TEST_F(vma, disabled_after_mremap)
{
	void *place = odd_place(self->size, self->page);
	uint32_t value;

	ASSERT_EQ(place, mremap(self->map, self->size, self->size,
				MREMAP_MAYMOVE | MREMAP_FIXED, place));
	EXPECT_EQ(SIGSEGV, try_read(self->map, &value));
	EXPECT_DATA(0, place);
	ASSERT_EQ(0, decode_set(&self->dev, false, 2));
	EXPECT_SIGBUS(place);
	EXPECT_SIGBUS(place + self->size - self->page);
	ASSERT_EQ(0, decode_set(&self->dev, true, 2));
	EXPECT_DATA(0, place);
	EXPECT_DATA(self->size - self->page, place + self->size - self->page);
}

TEST_F(vma, disabled_before_mremap)
{
	void *place = odd_place(self->size, self->page);

	ASSERT_EQ(0, decode_set(&self->dev, false, 2));
	ASSERT_EQ(place, mremap(self->map, self->size, self->size,
				MREMAP_MAYMOVE | MREMAP_FIXED, place));
	EXPECT_SIGBUS(place);
	ASSERT_EQ(0, decode_set(&self->dev, true, 2));
	EXPECT_DATA(0, place);
}

/* Move a piece out of the middle: three VMAs, one of them elsewhere */
TEST_F(vma, disabled_after_partial_mremap)
{
	void *place = odd_place(self->page, self->page);
	size_t hole = self->size / 2;

	ASSERT_EQ(place, mremap(self->map + hole, self->page, self->page,
				MREMAP_MAYMOVE | MREMAP_FIXED, place));
	EXPECT_DATA(hole, place);
	ASSERT_EQ(0, decode_set(&self->dev, false, 2));
	EXPECT_SIGBUS(place);
	EXPECT_SIGBUS(self->map);
	EXPECT_SIGBUS(self->map + hole + self->page);
	ASSERT_EQ(0, decode_set(&self->dev, true, 2));
	EXPECT_DATA(hole, place);
	EXPECT_DATA(0, self->map);
	EXPECT_DATA(hole + self->page, self->map + hole + self->page);
}

TEST_F(vma, disabled_after_split_by_mprotect)
{
	size_t middle = self->size / 2;

	ASSERT_EQ(0, mprotect(self->map + middle, self->page, PROT_READ));
	EXPECT_EQ(SIGSEGV, try_write(self->map + middle, 0));
	ASSERT_EQ(0, decode_set(&self->dev, false, 2));
	EXPECT_SIGBUS(self->map);
	EXPECT_SIGBUS(self->map + middle);
	EXPECT_SIGBUS(self->map + middle + self->page);
	ASSERT_EQ(0, decode_set(&self->dev, true, 2));
	EXPECT_DATA(0, self->map);
	EXPECT_DATA(middle, self->map + middle);
	EXPECT_EQ(SIGSEGV, try_write(self->map + middle, 0));
	EXPECT_DATA(middle + self->page, self->map + middle + self->page);
}

TEST_F(vma, disabled_after_shrink)
{
	size_t half = self->size / 2;
	uint32_t value;

	ASSERT_EQ(self->map, mremap(self->map, self->size, half, 0));
	EXPECT_EQ(SIGSEGV, try_read(self->map + half, &value));
	ASSERT_EQ(0, decode_set(&self->dev, false, 2));
	EXPECT_SIGBUS(self->map + half - self->page);
	ASSERT_EQ(0, decode_set(&self->dev, true, 2));
	EXPECT_DATA(half - self->page, self->map + half - self->page);
}

TEST_F(vma, refuses_to_grow)
{
	void *map = device_map(&self->dev, self->page, 0);

	ASSERT_NE(MAP_FAILED, map);
	EXPECT_EQ(MAP_FAILED, mremap(map, self->page, 2 * self->page,
				     MREMAP_MAYMOVE));
	EXPECT_EQ(EFAULT, errno);
	EXPECT_DATA(0, map);
}

/* A mapping holds the device open after its descriptors are closed */
TEST_F(vma, outlives_descriptors)
{
	device_close(&self->dev);
	EXPECT_DATA(0, self->map);
}

int main(int argc, char **argv)
{
	device_arguments(&argc, argv, &bdf, 1);
	return test_harness_run(argc, argv);
}
