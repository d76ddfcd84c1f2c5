// SPDX-License-Identifier: GPL-2.0-only
/*
 * type1 DMA maps of a BAR: of its largest leaves, of pages, of parts, and while the
 * BAR comes and goes
 */
#define _GNU_SOURCE
#include <errno.h>
#include <limits.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#include "harness.h"
#include "access.h"
#include "device.h"
#include "sysfs.h"

#define IOVA 0x100000000ULL
/* Of a BAR that is larger, no more: it may be mapped page by page */
#define MOST (GIB_LEAF + 4 * LEAF)

static const char *bdf;

FIXTURE(dma)
{
	struct device dev;
	size_t page;
	size_t size;
	void *map;
};

FIXTURE_VARIANT(dma)
{
	bool misaligned;
};

FIXTURE_VARIANT_ADD(dma, aligned)
{
	.misaligned = false,
};

FIXTURE_VARIANT_ADD(dma, misaligned)
{
	.misaligned = true,
};

FIXTURE_SETUP(dma)
{
	ASSERT_EQ(0, device_open(&self->dev, bdf, -1, -1));
	self->page = getpagesize();
	self->size = self->dev.bar_size < MOST ? self->dev.bar_size : MOST;
	self->map = variant->misaligned ?
		    device_map_misaligned(&self->dev) :
		    device_map(&self->dev, self->dev.bar_size, 0);
	ASSERT_NE(MAP_FAILED, self->map);
}

FIXTURE_TEARDOWN(dma)
{
	device_close(&self->dev);
}

static long touch(const void *map, size_t size)
{
	return touch_every(map, size, 127 * getpagesize());
}

/* Afterwards an access needs no fault */
TEST_F(dma, maps_untouched_bar)
{
	ASSERT_EQ(0, dma_map(&self->dev, self->map, self->size, IOVA));
	EXPECT_EQ(0, touch(self->map, self->size));
	EXPECT_EQ(0, dma_unmap(&self->dev, self->size, IOVA));
}

TEST_F(dma, maps_touched_bar)
{
	uint32_t value;

	ASSERT_EQ(0, try_read(self->map, &value));
	ASSERT_EQ(0, try_read(self->map + self->size / 2, &value));
	ASSERT_EQ(0, dma_map(&self->dev, self->map, self->size, IOVA));
	EXPECT_EQ(0, dma_unmap(&self->dev, self->size, IOVA));
}

/* Leaves that stand out at both ends, at an IOVA of all kinds of alignment */
TEST_F(dma, maps_part_of_leaves)
{
	size_t leaf = largest_leaf(self->size), from, size;
	uint64_t iova;
	int i;

	if (self->size < 2 * LEAF)
		SKIP(return, "BAR %u of %s has less than 4 MiB", self->dev.bar,
		     bdf);
	for (i = 0; i < 3; i++) {
		/* From one leaf into the next */
		from = leaf - (2 * i + 1) * self->page;
		size = LEAF + 4 * self->page;
		iova = IOVA + i * (LEAF / 2 + self->page);
		ASSERT_EQ(0, dma_map(&self->dev, self->map + from, size, iova));
		/* The last page of it is taken, the next one is not */
		EXPECT_EQ(-EEXIST, dma_map(&self->dev, self->map, self->page,
					   iova + size - self->page));
		EXPECT_EQ(0, dma_map(&self->dev, self->map, self->page,
				     iova + size));
		EXPECT_EQ(0, dma_unmap(&self->dev, self->page, iova + size));
		EXPECT_EQ(0, dma_unmap(&self->dev, size, iova));
	}
}

/* Memory before, between and after what is mapped of the BAR */
TEST_F(dma, maps_pieces_with_memory_between)
{
	const int flags = MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED;
	size_t page = self->page, at[] = {
		0, self->size / 4 + page, self->size / 2, self->size - 2 * page,
	};
	size_t i;

	if (self->size < 16 * page)
		SKIP(return, "BAR %u of %s has less than 64 KiB", self->dev.bar,
		     bdf);
	for (i = 0; i < ARRAY_SIZE(at); i++) {
		ASSERT_EQ(self->map + at[i],
			  mmap(self->map + at[i], 2 * page,
			       PROT_READ | PROT_WRITE, flags, -1, 0));
	}
	ASSERT_EQ(0, dma_map(&self->dev, self->map, self->size, IOVA));
	/* Memory has been pinned, so it is there */
	EXPECT_EQ(0, touch_pages(self->map + at[2], 2 * page));
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

/* The same where the map fails after much of it has been mapped */
TEST_F(dma, leaves_nothing_of_failed_map)
{
	size_t last = self->size - self->page;

	ASSERT_EQ(0, munmap(self->map + last, self->page));
	EXPECT_EQ(-EFAULT, dma_map(&self->dev, self->map, self->size, IOVA));
	ASSERT_EQ(0, dma_map(&self->dev, self->map, last, IOVA));
	EXPECT_EQ(0, dma_unmap(&self->dev, last, IOVA));
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

/**
 * struct other - A thread that takes the BAR away and gives it back
 * @thread: the thread
 * @dev: the device
 * @stop: sends it home; atomic
 * @over: it has come to its end; atomic
 * @error: the first error that it got
 */
struct other {
	pthread_t thread;
	struct device *dev;
	bool stop;
	bool over;
	int error;
};

static void *toggle_loop(void *arg)
{
	struct other *other = arg;

	while (!__atomic_load_n(&other->stop, __ATOMIC_RELAXED)) {
		decode_set(other->dev, false, 2);
		decode_set(other->dev, true, 2);
		/* To come at any time of the map that is made meanwhile */
		usleep(random() % 100);
	}
	return NULL;
}

#define RESETS 10

static void *reset_loop(void *arg)
{
	struct other *other = arg;
	int i;

	for (i = 0; i < RESETS && !other->error; i++)
		other->error = sysfs_write(other->dev->bdf, "reset", "1");
	__atomic_store_n(&other->over, true, __ATOMIC_RELAXED);
	return NULL;
}

#define TRIES 100000

FIXTURE(dma_race)
{
	struct device dev;
	size_t page;
	void *map[2];
};

FIXTURE_SETUP(dma_race)
{
	ASSERT_EQ(0, device_open(&self->dev, bdf, -1, -1));
	self->page = getpagesize();
	self->map[0] = device_map(&self->dev, self->dev.bar_size, 0);
	ASSERT_NE(MAP_FAILED, self->map[0]);
	self->map[1] = device_map_misaligned(&self->dev);
	ASSERT_NE(MAP_FAILED, self->map[1]);
}

FIXTURE_TEARDOWN(dma_race)
{
	device_close(&self->dev);
}

/* The BAR is there or it is not: nothing between */
TEST_F(dma_race, maps_or_refuses_toggled_bar)
{
	/* Few pages, to come to an end while the BAR is there */
	size_t size = 2 * self->page;
	struct other other = { .dev = &self->dev };
	int i, ret, mapped = 0, refused = 0;

	ASSERT_EQ(0, pthread_create(&other.thread, NULL, toggle_loop, &other));
	for (i = 0; i < TRIES; i++) {
		ret = dma_map(&self->dev, self->map[i % 2], size, IOVA);
		if (!ret) {
			mapped++;
			EXPECT_EQ(0, dma_unmap(&self->dev, size, IOVA));
		} else if (ret == -EFAULT) {
			refused++;
		} else {
			EXPECT_EQ(0, ret);
			break;
		}
	}
	__atomic_store_n(&other.stop, true, __ATOMIC_RELAXED);
	pthread_join(other.thread, NULL);
	TH_LOG("mapped %d times, refused %d times", mapped, refused);

	ASSERT_EQ(0, decode_set(&self->dev, true, 2));
	for (i = 0; i < 2; i++) {
		ASSERT_EQ(0, dma_map(&self->dev, self->map[i], size, IOVA));
		EXPECT_EQ(0, dma_unmap(&self->dev, size, IOVA));
	}
}

/* A reset by others is nothing that a DMA map would fail of */
TEST_F(dma_race, maps_bar_across_sysfs_resets)
{
	struct other other = { .dev = &self->dev };
	size_t size = 2 * self->page;
	int i, ret, mapped = 0;
	char path[PATH_MAX];

	snprintf(path, sizeof(path), "/sys/bus/pci/devices/%s/reset", bdf);
	if (access(path, F_OK))
		SKIP(return, "%s cannot be reset", bdf);
	ASSERT_EQ(0, pthread_create(&other.thread, NULL, reset_loop, &other));
	for (i = 0; !__atomic_load_n(&other.over, __ATOMIC_RELAXED); i++) {
		ret = dma_map(&self->dev, self->map[i % 2], size, IOVA);
		EXPECT_EQ(0, ret) TH_LOG("after %d maps", mapped);
		if (ret)
			break;
		mapped++;
		EXPECT_EQ(0, dma_unmap(&self->dev, size, IOVA));
	}
	pthread_join(other.thread, NULL);
	EXPECT_EQ(0, other.error);
	TH_LOG("mapped %d times in %d resets", mapped, RESETS);
}

int main(int argc, char **argv)
{
	device_arguments(&argc, argv, &bdf, 1);
	return test_harness_run(argc, argv);
}
