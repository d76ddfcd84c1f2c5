// SPDX-License-Identifier: GPL-2.0-only
/*
 * Every allocation fails once: each way to get, use and lose a mapping either
 * works all the same or fails with ENOMEM, and leaves nothing behind
 *
 * What fork() does then is in list_test.c, because it does not fail.
 */
#define _GNU_SOURCE
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
#include "debugfs.h"
#include "device.h"
#include "fail_nth.h"
#include "sysfs.h"

#define NTH_MAX 2000

static const char *bdf;
static struct device dev;
static size_t page;
static void *map;

/**
 * struct operation - What is tried again and again, a later allocation failing
 * @prepare: called before each try, with no failure
 * @run: the try; returns 0 or a negative errno
 * @undo: called after each try, with what it returned
 */
struct operation {
	void (*prepare)(void);
	int (*run)(void);
	void (*undo)(int ret);
};

static void map_pages(void)
{
	map = device_map(&dev, 3 * page, 0);
}

static void unmap_pages(int ret)
{
	if (map != MAP_FAILED)
		munmap(map, 3 * page);
}

static void nothing(void)
{
}

static int run_mmap(void)
{
	map_pages();
	return map == MAP_FAILED ? -errno : 0;
}

/* The first access needs page tables. It is tried again until it has them. */
static int access_gives(uint32_t word)
{
	uint32_t value;

	return try_read(map, &value) || value != word ? -EFAULT : 0;
}

static int run_fault(void)
{
	return access_gives(device_word(0));
}

/* Somewhere that has no page tables yet */
static void map_afar(void)
{
	void *room = mmap(NULL, 2UL << 30, PROT_NONE,
			  MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

	munmap(room, 2UL << 30);
	map = mmap((void *)(((uintptr_t)room + (1UL << 30)) & -(1UL << 30)),
		   3 * page, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_FIXED,
		   dev.fd, dev.bar_offset);
}

static int run_mprotect(void)
{
	return mprotect(map + page, page, PROT_READ) ? -errno : 0;
}

static int run_munmap(void)
{
	return munmap(map + page, page) ? -errno : 0;
}

static int run_mremap(void)
{
	void *moved = mremap(map + 2 * page, page, page,
			     MREMAP_MAYMOVE | MREMAP_FIXED, map);

	return moved == MAP_FAILED ? -errno : 0;
}

static int run_toggle(void)
{
	int ret = decode_set(&dev, false, 2);

	return ret ?: decode_set(&dev, true, 2);
}

static void toggle_back(int ret)
{
	decode_set(&dev, true, 2);
	unmap_pages(0);
}

static void close_fd(void)
{
	close(dev.fd);
}

static int run_open(void)
{
	dev.fd = ioctl(dev.group, VFIO_GROUP_GET_DEVICE_FD, bdf);
	return dev.fd < 0 ? -errno : 0;
}

static void open_again(int ret)
{
	if (ret)
		dev.fd = ioctl(dev.group, VFIO_GROUP_GET_DEVICE_FD, bdf);
}

/* Off, and nowhere that has page tables */
static void off_afar(void)
{
	policy_set(&dev, VFIO_DEVICE_DISABLED_BAR_ONES);
	decode_set(&dev, false, 2);
	map_afar();
}

static int run_fault_ones(void)
{
	return access_gives(ALL_ONES);
}

static void on_afar(int ret)
{
	unmap_pages(0);
	decode_set(&dev, true, 2);
}

#define DRIVER "/sys/bus/pci/drivers/vfio-pci/"

static void unbind(void)
{
	file_write(DRIVER "unbind", bdf);
}

static int run_bind(void)
{
	return file_write(DRIVER "bind", bdf);
}

static void bind_again(int ret)
{
	if (ret)
		file_write(DRIVER "bind", bdf);
}

/* Returns how many of the failures made @op fail */
static unsigned int fail_each(struct __test_metadata *_metadata,
			      const struct operation *op)
{
	struct debugfs_mappings before, after;
	unsigned int failed = 0;
	bool injected = true;
	int nth, ret;

	ASSERT_EQ(0, debugfs_read(&before, bdf));
	for (nth = 1; injected && nth < NTH_MAX; nth++) {
		op->prepare();
		fail_nth_arm(nth);
		ret = op->run();
		injected = fail_nth_disarm();
		op->undo(ret);

		if (ret) {
			failed++;
			EXPECT_EQ(-ENOMEM, ret)
				TH_LOG("without allocation %d: %s", nth,
				       strerror(-ret));
			EXPECT_TRUE(injected);
		}
		ASSERT_EQ(0, debugfs_read(&after, bdf));
		EXPECT_EQ(before.listed, after.listed);
		EXPECT_EQ(before.bytes, after.bytes);
		EXPECT_EQ(before.unlisted, after.unlisted);
	}
	EXPECT_NE(NTH_MAX, nth);
	TH_LOG("%d allocations failed, %u ended it", nth - 2, failed);
	return failed;
}

static bool can_fail(void)
{
	struct debugfs_mappings mappings;

	page = getpagesize();
	return fail_nth_enable() && !debugfs_read(&mappings, bdf);
}

/* A device that nobody has open */
FIXTURE(unused)
{
};

FIXTURE_SETUP(unused)
{
	if (!can_fail())
		SKIP(return, "the kernel cannot fail allocations, or keeps no list");
}

FIXTURE_TEARDOWN(unused)
{
}

TEST_F(unused, bind)
{
	static const struct operation op = { unbind, run_bind, bind_again };

	EXPECT_NE(0, fail_each(_metadata, &op));
}

FIXTURE(fail_nth)
{
};

/* @fails: without one allocation or the other, it does */
FIXTURE_VARIANT(fail_nth)
{
	struct operation op;
	bool fails;
};

FIXTURE_VARIANT_ADD(fail_nth, open)
{
	.op = { close_fd, run_open, open_again },
	.fails = true,
};

FIXTURE_VARIANT_ADD(fail_nth, fault_ones)
{
	.op = { off_afar, run_fault_ones, on_afar },
};

FIXTURE_VARIANT_ADD(fail_nth, mmap)
{
	.op = { nothing, run_mmap, unmap_pages },
	.fails = true,
};

FIXTURE_VARIANT_ADD(fail_nth, fault)
{
	.op = { map_afar, run_fault, unmap_pages },
};

FIXTURE_VARIANT_ADD(fail_nth, mprotect)
{
	.op = { map_pages, run_mprotect, unmap_pages },
	.fails = true,
};

FIXTURE_VARIANT_ADD(fail_nth, munmap)
{
	.op = { map_pages, run_munmap, unmap_pages },
	.fails = true,
};

FIXTURE_VARIANT_ADD(fail_nth, mremap)
{
	.op = { map_pages, run_mremap, unmap_pages },
	.fails = true,
};

/* What takes mappings away has nothing that could fail */
FIXTURE_VARIANT_ADD(fail_nth, toggle)
{
	.op = { map_pages, run_toggle, toggle_back },
};

FIXTURE_SETUP(fail_nth)
{
	if (!can_fail())
		SKIP(return, "the kernel cannot fail allocations, or keeps no list");
	ASSERT_EQ(0, device_open(&dev, bdf, -1, -1));
	map = device_map(&dev, dev.bar_size, 0);
	ASSERT_NE(MAP_FAILED, map);
	if (device_fill(&dev, map))
		SKIP(return, "BAR %u of %s does not keep what is written",
		     dev.bar, bdf);
	munmap(map, dev.bar_size);
}

FIXTURE_TEARDOWN(fail_nth)
{
	device_close(&dev);
}

TEST_F(fail_nth, each_allocation)
{
	EXPECT_EQ(variant->fails, fail_each(_metadata, &variant->op) != 0);
}

int main(int argc, char **argv)
{
	device_arguments(&argc, argv, &bdf, 1);
	return test_harness_run(argc, argv);
}
