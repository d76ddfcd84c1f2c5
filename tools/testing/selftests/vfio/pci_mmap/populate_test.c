// SPDX-License-Identifier: GPL-2.0-only
/*
 * BARs that a process has mapped beforehand, by MAP_POPULATE and MADV_POPULATE_*,
 * and faults that map more than a page
 *
 * Whether something is mapped shows in the page faults that touching it takes.
 *
 * other_driver_has_pages takes test_modules/mixed_map.ko.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <unistd.h>

#include <linux/mempolicy.h>
#include <linux/vfio.h>

#include "harness.h"
#include "access.h"
#include "device.h"
#include "sysfs.h"

#define TABLE LEAF	/* what a page table maps */
/* Of a BAR that is larger, no more: to look at all of its pages takes its time */
#define ENOUGH (GIB_LEAF + 4 * LEAF)
#define RW (PROT_READ | PROT_WRITE)

static const char *bdf;

/* How far apart the pages are that are touched of that many bytes */
static size_t step_of(size_t size)
{
	/* Of a large BAR some pages of each table, each time others of the table */
	return (size > 64UL << 20 ? 127 : 1) * getpagesize();
}

static long touch(const void *map, size_t size)
{
	return touch_every(map, size, step_of(size));
}

static long faults(void)
{
	struct rusage usage;

	getrusage(RUSAGE_THREAD, &usage);
	return usage.ru_minflt;
}

/* Write to pages that have been touched; faults, or -1 for a signal */
static long write_pages(void *map, size_t size)
{
	size_t offset;
	long before;

	before = faults();
	for (offset = 0; offset < size; offset += step_of(size)) {
		if (try_write(map + offset, device_word(offset)))
			return -1;
	}
	return faults() - before;
}

FIXTURE(populate)
{
	struct device dev;
	size_t page;
	size_t size;	/* how much of the BAR to map */
	size_t most;	/* faults that it takes to map that */
};

FIXTURE_VARIANT(populate)
{
	bool misaligned;
};

FIXTURE_VARIANT_ADD(populate, aligned)
{
	.misaligned = false,
};

FIXTURE_VARIANT_ADD(populate, misaligned)
{
	.misaligned = true,
};

FIXTURE_SETUP(populate)
{
	ASSERT_EQ(0, device_open(&self->dev, bdf, -1, -1));
	self->page = getpagesize();
	self->size = self->dev.bar_size;
	if (variant->misaligned && self->size > ENOUGH)
		self->size = ENOUGH;
	self->most = self->size / (variant->misaligned ? TABLE :
				   largest_leaf(self->size)) + 1;
}

FIXTURE_TEARDOWN(populate)
{
	device_close(&self->dev);
}

/* Map @size of the BAR, with MAP_* in @flags as well */
static void *map_bar(struct device *dev, bool misaligned, size_t size, int prot,
		     int flags)
{
	void *addr = NULL;

	flags |= MAP_SHARED;
	if (misaligned) {
		addr = device_map_misaligned(dev);
		if (addr == MAP_FAILED)
			return addr;
		munmap(addr, dev->bar_size);
		flags |= MAP_FIXED;
	}
	return mmap(addr, size, prot, flags, dev->fd, dev->bar_offset);
}

#define MAP_BAR(prot, flags) ({						\
	void *_map = map_bar(&self->dev, variant->misaligned,		\
			     self->size, prot, flags);			\
									\
	ASSERT_NE(MAP_FAILED, _map);					\
	_map;								\
})

/* What populating costs is at most a fault for each leaf or page table */
#define EXPECT_FEW_FAULTS(before)					\
	EXPECT_GE((long)self->most + 4, faults() - (before))

TEST_F(populate, by_mmap)
{
	void *map = MAP_BAR(RW, 0);
	long before = faults();

	map = mmap(map, self->size, RW, MAP_SHARED | MAP_FIXED | MAP_POPULATE,
		   self->dev.fd, self->dev.bar_offset);
	ASSERT_NE(MAP_FAILED, map);
	EXPECT_FEW_FAULTS(before);
	EXPECT_EQ(0, touch(map, self->size));
	EXPECT_EQ(0, write_pages(map, self->size));
}

static bool read_all(const char *path)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	char buffer[4096];
	ssize_t n;

	do {
		n = read(fd, buffer, sizeof(buffer));
	} while (n > 0);
	close(fd);
	return !n;
}

/* What walks the page tables takes nothing away */
TEST_F(populate, stays_where_it_is_walked)
{
	void *map = MAP_BAR(RW, MAP_POPULATE);
	unsigned long node = 1;

	ASSERT_NE(MAP_FAILED, map);
	/* A kernel without NUMA has no mbind() */
	if (!syscall(__NR_mbind, NULL, 0, MPOL_DEFAULT, NULL, 0, 0))
		EXPECT_EQ(0, syscall(__NR_mbind, map, self->size, MPOL_BIND, &node,
				     8 * sizeof(node), MPOL_MF_STRICT));
	EXPECT_TRUE(read_all("/proc/self/smaps"));
	EXPECT_TRUE(read_all("/proc/self/smaps_rollup"));
	EXPECT_TRUE(read_all("/proc/self/numa_maps"));
	EXPECT_EQ(0, touch(map, self->size));
}

TEST_F(populate, by_madvise_read)
{
	void *map = MAP_BAR(RW, 0);
	long before = faults();

	ASSERT_EQ(0, madvise(map, self->size, MADV_POPULATE_READ));
	EXPECT_FEW_FAULTS(before);
	EXPECT_EQ(0, touch(map, self->size));
}

/* Some of it is there to be read: where the CPU faults to make a leaf dirty, that is done */
TEST_F(populate, by_madvise_write)
{
	void *map = MAP_BAR(RW, 0);
	long before;

	ASSERT_EQ(0, madvise(map, self->size / 4, MADV_POPULATE_READ));
	before = faults();
	ASSERT_EQ(0, madvise(map, self->size, MADV_POPULATE_WRITE));
	EXPECT_FEW_FAULTS(before);
	EXPECT_EQ(0, touch(map, self->size));
	EXPECT_EQ(0, write_pages(map, self->size));
}

/* What is mapped already is found to be */
TEST_F(populate, twice_at_no_cost)
{
	void *map = MAP_BAR(RW, MAP_POPULATE);
	long before;

	ASSERT_EQ(0, madvise(map, self->size, MADV_POPULATE_WRITE));
	before = faults();
	ASSERT_EQ(0, madvise(map, self->size, MADV_POPULATE_READ));
	ASSERT_EQ(0, madvise(map, self->size, MADV_POPULATE_WRITE));
	EXPECT_GE(4, faults() - before);
	EXPECT_EQ(0, touch(map, self->size));
}

TEST_F(populate, part_by_madvise)
{
	size_t from = self->size / 4 + self->page;
	size_t to = self->size / 2 + 3 * self->page;
	void *map = MAP_BAR(RW, 0);

	ASSERT_EQ(0, madvise(map + from, to - from, MADV_POPULATE_READ));
	EXPECT_EQ(0, touch(map + from, to - from));
	ASSERT_EQ(0, madvise(map + self->size - self->page, self->page,
			     MADV_POPULATE_READ));
	EXPECT_EQ(0, touch(map + self->size - self->page, self->page));
	EXPECT_LT(-1, touch(map, self->size));
}

TEST_F(populate, part_by_mmap)
{
	size_t from = self->size / 4 + self->page;
	size_t size = self->size / 4;
	void *map = MAP_BAR(RW, 0);

	/* Beside parts that are not populated */
	ASSERT_EQ(map + from, mmap(map + from, size, RW, MAP_SHARED |
				   MAP_FIXED | MAP_POPULATE, self->dev.fd,
				   self->dev.bar_offset + from));
	EXPECT_EQ(0, touch(map + from, size));

	map = mmap(NULL, size, RW, MAP_SHARED | MAP_POPULATE, self->dev.fd,
		   self->dev.bar_offset + from);
	ASSERT_NE(MAP_FAILED, map);
	EXPECT_EQ(0, touch(map, size));
}

/* VMAs that one call covers, a read-only one among them */
TEST_F(populate, pieces)
{
	size_t half = self->size / 2;
	void *map = MAP_BAR(RW, 0);

	ASSERT_EQ(0, mprotect(map, half, PROT_READ));
	ASSERT_EQ(0, madvise(map, self->size, MADV_POPULATE_READ));
	EXPECT_EQ(0, touch(map, self->size));
	EXPECT_EQ(SIGSEGV, try_write(map, 0));
	EXPECT_EQ(0, try_write(map + half, device_word(half)));
}

TEST_F(populate, read_only)
{
	void *map = MAP_BAR(PROT_READ, MAP_POPULATE);

	EXPECT_EQ(0, touch(map, self->size));
	EXPECT_EQ(SIGSEGV, try_write(map, 0));
	EXPECT_EQ(-1, madvise(map, self->size, MADV_POPULATE_WRITE));
	EXPECT_EQ(EINVAL, errno);

	ASSERT_EQ(0, decode_set(&self->dev, false, 2));
	ASSERT_EQ(0, decode_set(&self->dev, true, 2));
	ASSERT_EQ(0, madvise(map, self->size, MADV_POPULATE_READ));
	EXPECT_EQ(0, touch(map, self->size));
	EXPECT_EQ(SIGSEGV, try_write(map, 0));
}

/* Nothing of what cannot be accessed, until it can be */
TEST_F(populate, not_without_access)
{
	void *map = MAP_BAR(PROT_NONE, MAP_POPULATE);

	EXPECT_EQ(SIGSEGV, try_write(map, 0));
	EXPECT_EQ(-1, madvise(map, self->size, MADV_POPULATE_READ));
	EXPECT_EQ(EINVAL, errno);
	EXPECT_EQ(-1, madvise(map, self->size, MADV_POPULATE_WRITE));
	EXPECT_EQ(EINVAL, errno);

	ASSERT_EQ(0, mprotect(map, self->size, RW));
	ASSERT_EQ(0, madvise(map, self->size, MADV_POPULATE_READ));
	EXPECT_EQ(0, touch(map, self->size));
}

TEST_F(populate, after_decode)
{
	void *map = MAP_BAR(RW, MAP_POPULATE);
	size_t offset;

	ASSERT_EQ(0, decode_set(&self->dev, false, 2));
	for (offset = 0; offset < self->size; offset += self->size / 4)
		EXPECT_SIGBUS(map + offset);
	ASSERT_EQ(0, decode_set(&self->dev, true, 2));
	ASSERT_EQ(0, madvise(map, self->size, MADV_POPULATE_READ));
	EXPECT_EQ(0, touch(map, self->size));
}

static void child_expect(struct __test_metadata *_metadata, pid_t pid)
{
	int status;

	ASSERT_LT(0, pid);
	ASSERT_EQ(pid, waitpid(pid, &status, 0));
	EXPECT_TRUE(WIFEXITED(status));
	EXPECT_EQ(0, WEXITSTATUS(status))
		TH_LOG("the child took %d faults (255: signal or error)",
		       WEXITSTATUS(status));
}

/* Whoever populates does it for himself */
TEST_F(populate, in_a_child)
{
	void *map = MAP_BAR(RW, MAP_POPULATE);
	pid_t pid;

	pid = fork();
	if (!pid) {
		if (decode_set(&self->dev, false, 2) ||
		    decode_set(&self->dev, true, 2) ||
		    madvise(map, self->size, MADV_POPULATE_READ))
			_exit(255);
		_exit(touch(map, self->size) & 255);
	}
	child_expect(_metadata, pid);
	EXPECT_LT(0, touch(map, self->size));
	EXPECT_EQ(0, touch(map, self->size));
}

static void expect_nothing_populated(struct __test_metadata *_metadata,
				     void *map, size_t size)
{
	EXPECT_EQ(-1, madvise(map, size, MADV_POPULATE_READ));
	EXPECT_EQ(EINVAL, errno);
	EXPECT_EQ(-1, madvise(map, size, MADV_POPULATE_WRITE));
	EXPECT_EQ(EINVAL, errno);
}

/* Nothing is mapped while the device is off, which mmap() does not mind */
TEST_F(populate, not_while_disabled)
{
	void *map;

	ASSERT_EQ(0, decode_set(&self->dev, false, 2));
	map = MAP_BAR(RW, MAP_POPULATE);
	expect_nothing_populated(_metadata, map, self->size);
	EXPECT_SIGBUS(map);
	EXPECT_SIGBUS(map + self->size - self->page);
	ASSERT_EQ(0, decode_set(&self->dev, true, 2));
	EXPECT_LT(0, touch(map, self->size));
}

/* Pages of ones are for who accesses them */
TEST_F(populate, no_ones)
{
	void *map;

	if (policy_set(&self->dev, VFIO_DEVICE_DISABLED_BAR_ONES) == -ENOTTY)
		SKIP(return, "the kernel knows no policy for disabled BARs");
	ASSERT_EQ(0, decode_set(&self->dev, false, 2));
	map = MAP_BAR(RW, MAP_POPULATE);
	expect_nothing_populated(_metadata, map, self->size);
	EXPECT_LT(0, touch(map, self->page));
	EXPECT_ONES(map);
	ASSERT_EQ(0, decode_set(&self->dev, true, 2));
	ASSERT_EQ(0, madvise(map, self->size, MADV_POPULATE_READ));
	EXPECT_EQ(0, touch(map, self->size));
}

/* Memory locks leave BARs alone, as they leave all that has no struct page */
TEST_F(populate, not_by_mlock)
{
	void *map = MAP_BAR(RW, 0);
	int i;

	for (i = 0; i < 2; i++) {
		EXPECT_EQ(0, decode_set(&self->dev, i, 2));
		EXPECT_EQ(0, mlock(map, self->size));
		EXPECT_EQ(0, munlock(map, self->size));
	}
	EXPECT_LT(0, touch(map, self->size));
}

TEST_F(populate, not_by_mlockall)
{
	void *before = MAP_BAR(RW, 0), *after;
	int i;

	for (i = 0; i < 2; i++) {
		EXPECT_EQ(0, decode_set(&self->dev, i, 2));
		EXPECT_EQ(0, mlockall(MCL_CURRENT));
		EXPECT_EQ(0, mlockall(MCL_CURRENT | MCL_FUTURE));
		after = MAP_BAR(RW, 0);
		EXPECT_EQ(0, munlockall());
	}
	/* What was not mapped takes faults */
	EXPECT_LT(0, touch(before, self->size));
	EXPECT_LT(0, touch(after, self->size));
}

struct toggler {
	pthread_t thread;
	struct device *dev;
	bool stop;
};

static void *toggle_loop(void *arg)
{
	struct toggler *toggler = arg;

	while (!__atomic_load_n(&toggler->stop, __ATOMIC_RELAXED)) {
		decode_set(toggler->dev, false, 2);
		sched_yield();
		decode_set(toggler->dev, true, 2);
		sched_yield();
	}
	return NULL;
}

/* Where the device goes off meanwhile, as if it had been off */
TEST_F(populate, against_toggles)
{
	size_t size = self->size < 4 * TABLE ? self->size : 4 * TABLE;
	struct toggler toggler = { .dev = &self->dev };
	void *map = MAP_BAR(RW, 0);
	int i, populated = 0;

	ASSERT_EQ(0, pthread_create(&toggler.thread, NULL, toggle_loop,
				    &toggler));
	for (i = 0; i < 500; i++) {
		if (!madvise(map, size, MADV_POPULATE_READ))
			populated++;
		else if (errno != EINVAL && errno != EFAULT)
			ASSERT_EQ(0, errno);
		EXPECT_EQ(map, mmap(map, size, RW, MAP_SHARED | MAP_FIXED |
				    MAP_POPULATE, self->dev.fd,
				    self->dev.bar_offset));
	}
	__atomic_store_n(&toggler.stop, true, __ATOMIC_RELAXED);
	pthread_join(toggler.thread, NULL);
	TH_LOG("%d of %d calls found the device on all the time", populated, i);
	ASSERT_EQ(0, decode_set(&self->dev, true, 2));
	ASSERT_EQ(0, madvise(map, size, MADV_POPULATE_READ));
	EXPECT_EQ(0, touch(map, size));
}

/* The BAR, mapped by sysfs: a PFN map of another driver, which stays as it was */
TEST_F(populate, not_for_other_drivers)
{
	char path[128];
	void *map;
	int fd;

	snprintf(path, sizeof(path), "/sys/bus/pci/devices/%s/resource%u", bdf,
		 self->dev.bar);
	fd = open(path, O_RDWR | O_CLOEXEC);
	if (fd < 0)
		SKIP(return, "no %s", path);
	map = mmap(NULL, 4 * self->page, RW, MAP_SHARED | MAP_POPULATE, fd, 0);
	ASSERT_NE(MAP_FAILED, map);
	expect_nothing_populated(_metadata, map, 4 * self->page);
	EXPECT_EQ(0, mlock(map, 4 * self->page));
	EXPECT_EQ(0, munlock(map, 4 * self->page));
	close(fd);
}

/**
 * struct populater - A process that shares the memory of this one
 * @dev: the device
 * @map: where it populates a mapping of the BAR
 * @done: it is through with that
 */
struct populater {
	struct device *dev;
	void *map;
	bool done;
};

/* By hand, as libc takes it for the thread that has made it */
static int populate_and_exit(void *arg)
{
	struct populater *populater = arg;

	syscall(SYS_mmap, populater->map, populater->dev->bar_size, RW,
		MAP_SHARED | MAP_FIXED | MAP_POPULATE, populater->dev->fd,
		populater->dev->bar_offset);
	__atomic_store_n(&populater->done, true, __ATOMIC_SEQ_CST);
	return 0;
}

#define STACK (64 << 10)

/*
 * A fatal signal ends it before it is done. It is for a process that shares its
 * memory with this one, where what it leaves can be seen.
 */
TEST_F(populate, ends_by_signal)
{
	size_t size = self->dev.bar_size;
	long whole = size / TABLE * self->page, before, after = 0;
	struct populater populater = { .dev = &self->dev };
	int i, status;
	void *stack;
	pid_t pid;

	if (!variant->misaligned || size < GIB_LEAF)
		SKIP(return, "it takes no time");
	stack = mmap(NULL, STACK, RW, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	ASSERT_NE(MAP_FAILED, stack);
	populater.map = device_map_misaligned(&self->dev);
	ASSERT_NE(MAP_FAILED, populater.map);
	ASSERT_EQ(0, munmap(populater.map, size));
	before = page_tables();
	ASSERT_LT(0, before);

	/* Now and then it may be done before the signal comes */
	for (i = 0; i < 10; i++) {
		populater.done = false;
		pid = clone(populate_and_exit, stack + STACK,
			    CLONE_VM | SIGCHLD, &populater);
		ASSERT_LT(0, pid);
		while (!__atomic_load_n(&populater.done, __ATOMIC_SEQ_CST) &&
		       page_tables() < before + whole / 16)
			;
		kill(pid, SIGKILL);
		ASSERT_EQ(pid, waitpid(pid, &status, 0));
		after = page_tables();
		if (WIFSIGNALED(status) && after > before &&
		    after < before + whole * 3 / 4)
			break;
		ASSERT_EQ(0, munmap(populater.map, size));
	}
	EXPECT_GT(10, i)
		TH_LOG("%ld KiB of %ld of page tables were there each time",
		       (after - before) >> 10, whole >> 10);
}

/**
 * struct disabler - A thread that disables the BAR once part of it is populated
 * @thread: the thread
 * @dev: the device
 * @page_tables: how much there is by then
 * @done: populating it is over
 */
struct disabler {
	pthread_t thread;
	struct device *dev;
	long page_tables;
	bool done;
};

static void *disable_amid(void *arg)
{
	struct disabler *disabler = arg;

	while (!__atomic_load_n(&disabler->done, __ATOMIC_SEQ_CST)) {
		if (page_tables() < disabler->page_tables)
			continue;
		decode_set(disabler->dev, false, 2);
		break;
	}
	return NULL;
}

/* From then on it is as if it had been disabled before, whatever an access gets */
TEST_F(populate, ends_where_disabled_amid)
{
	size_t size = self->dev.bar_size;
	long whole = size / TABLE * self->page, before, after = 0;
	struct disabler disabler = { .dev = &self->dev };
	int i, ret = 0, error = 0;
	void *map;

	if (!variant->misaligned || size < GIB_LEAF)
		SKIP(return, "it takes no time");
	if (policy_set(&self->dev, VFIO_DEVICE_DISABLED_BAR_ONES) == -ENOTTY)
		SKIP(return, "the kernel knows no policy for disabled BARs");

	/* Now and then it may be done before the BAR is disabled */
	for (i = 0; i < 10; i++) {
		map = device_map_misaligned(&self->dev);
		ASSERT_NE(MAP_FAILED, map);
		before = page_tables();
		ASSERT_LT(0, before);
		disabler.done = false;
		disabler.page_tables = before + whole / 16;
		ASSERT_EQ(0, pthread_create(&disabler.thread, NULL, disable_amid,
					    &disabler));
		ret = madvise(map, size, MADV_POPULATE_READ);
		error = errno;
		after = page_tables();
		__atomic_store_n(&disabler.done, true, __ATOMIC_SEQ_CST);
		pthread_join(disabler.thread, NULL);
		ASSERT_EQ(0, munmap(map, size));
		ASSERT_EQ(0, decode_set(&self->dev, true, 2));
		if (ret && after < before + whole * 3 / 4)
			break;
	}
	EXPECT_GT(10, i)
		TH_LOG("%ld KiB of %ld of page tables were there each time",
		       (after - before) >> 10, whole >> 10);
	EXPECT_EQ(EINVAL, error);
}

FIXTURE(fault)
{
	struct device dev;
	size_t page;
	size_t size;
};

FIXTURE_SETUP(fault)
{
	ASSERT_EQ(0, device_open(&self->dev, bdf, -1, -1));
	self->page = getpagesize();
	self->size = self->dev.bar_size;
}

FIXTURE_TEARDOWN(fault)
{
	device_close(&self->dev);
}

/* For a task that goes through the BAR in order */
TEST_F(fault, maps_table)
{
	size_t size = self->size < 4 * TABLE ? self->size : 4 * TABLE;
	size_t tables = size / TABLE + 1;
	void *map = device_map_misaligned(&self->dev);

	ASSERT_NE(MAP_FAILED, map);
	EXPECT_GE(tables, touch_pages(map, size));

	/* On again, with page tables that are there, and empty */
	ASSERT_EQ(0, decode_set(&self->dev, false, 2));
	ASSERT_EQ(0, decode_set(&self->dev, true, 2));
	EXPECT_GE(tables, touch_pages(map, size));
}

#define AROUND (64UL << 10)

/* For one that touches a page somewhere: a zap has to take away what was mapped */
TEST_F(fault, maps_64k_around)
{
	size_t around = self->page < AROUND ? AROUND : self->page;
	void *map = device_map_misaligned(&self->dev);
	uint32_t value;

	ASSERT_NE(MAP_FAILED, map);
	map = (void *)(((uintptr_t)map + self->size / 2) & ~(around - 1));
	ASSERT_EQ(0, try_read(map + (around / 3 & -self->page), &value));
	EXPECT_EQ(0, touch_pages(map, around));
	EXPECT_EQ(1, touch_pages(map - self->page, self->page));
	EXPECT_EQ(0, touch_pages(map - around, around));
}

/* A fault at either end of a VMA stays within the VMA */
TEST_F(fault, stays_in_window)
{
	void *map = device_map_misaligned(&self->dev);
	size_t window = 16 * self->page;
	uint32_t value;

	ASSERT_NE(MAP_FAILED, map);
	ASSERT_EQ(0, munmap(map, window));
	ASSERT_EQ(0, munmap(map + 2 * window, self->size - 2 * window));
	EXPECT_GE(1, touch_pages(map + window, window));
	EXPECT_EQ(SIGSEGV, try_read(map + window - self->page, &value));
	EXPECT_EQ(SIGSEGV, try_read(map + 2 * window, &value));
}

static void stay_on_first_cpu(void)
{
	cpu_set_t set;

	CPU_ZERO(&set);
	CPU_SET(0, &set);
	sched_setaffinity(0, sizeof(set), &set);
}

static bool populating;

static void *populate_last_page(void *end)
{
	stay_on_first_cpu();
	while (__atomic_load_n(&populating, __ATOMIC_RELAXED))
		madvise(end - getpagesize(), getpagesize(), MADV_POPULATE_READ);
	return NULL;
}

/*
 * While a leaf is populated, it goes, and a page table takes its place. What populates
 * may be at any point of its way: it is on the same CPU, and at a lower priority.
 */
TEST_F(fault, puts_table_where_leaf_is_populated)
{
	struct sched_param fifo = { .sched_priority = 1 }, other = {};
	size_t leaf = largest_leaf(self->size);
	struct timespec nap = {};
	pthread_t thread;
	uint32_t value;
	void *map;
	int i;

	map = device_map(&self->dev, leaf, 0);
	ASSERT_NE(MAP_FAILED, map);
	if (madvise(map, self->page, MADV_POPULATE_READ))
		SKIP(return, "the kernel does not populate a BAR");
	stay_on_first_cpu();
	__atomic_store_n(&populating, true, __ATOMIC_RELAXED);
	ASSERT_EQ(0, pthread_create(&thread, NULL, populate_last_page, map + leaf));
	ASSERT_EQ(0, sched_setscheduler(0, SCHED_FIFO, &fifo));
	for (i = 0; i < 1000; i++) {
		/* No page table yet: so a leaf it is */
		ASSERT_EQ(map, mmap(map, leaf, RW, MAP_SHARED | MAP_FIXED, self->dev.fd,
				    self->dev.bar_offset));
		EXPECT_EQ(0, try_read(map, &value));
		nap.tv_nsec = 20000 + random() % 200000;
		prctl(PR_SET_THP_DISABLE, 1, 0, 0, 0);
		nanosleep(&nap, NULL);
		EXPECT_EQ(0, decode_set(&self->dev, false, 2));
		EXPECT_EQ(0, decode_set(&self->dev, true, 2));
		EXPECT_EQ(0, try_read(map, &value));
		prctl(PR_SET_THP_DISABLE, 0, 0, 0, 0);
	}
	__atomic_store_n(&populating, false, __ATOMIC_RELAXED);
	ASSERT_EQ(0, sched_setscheduler(0, SCHED_OTHER, &other));
	pthread_join(thread, NULL);
}

#define TRACING "/sys/kernel/tracing/"
#define ZAP TRACING "events/vfio_pci_mmap/vfio_pci_mmap_zap/enable"

/* How many zaps have been traced that had nothing to do, and the others */
static void count_zaps(int *idle, int *busy)
{
	FILE *file = fopen(TRACING "trace", "r");
	char line[256], *bars;

	*idle = 0;
	*busy = 0;
	while (file && fgets(line, sizeof(line), file)) {
		bars = strstr(line, " bars 0x");
		if (bars && strtoul(bars + 8, NULL, 16))
			++*busy;
		else if (bars)
			++*idle;
	}
	if (file)
		fclose(file);
}

/* Decode may be toggled as often as you like over a BAR that nobody touches */
TEST_F(fault, skips_zap_of_nothing)
{
	void *map = device_map(&self->dev, self->size, 0);
	int i, idle, busy, idle_before, busy_before;
	uint32_t value;

	ASSERT_NE(MAP_FAILED, map);
	ASSERT_EQ(0, try_read(map, &value));
	count_zaps(&idle_before, &busy_before);
	ASSERT_EQ(0, file_write(ZAP, "1"));
	for (i = 0; i < 50; i++) {
		ASSERT_EQ(0, decode_set(&self->dev, false, 2));
		ASSERT_EQ(0, decode_set(&self->dev, true, 2));
	}
	ASSERT_EQ(0, file_write(ZAP, "0"));
	count_zaps(&idle, &busy);
	/* The first one */
	EXPECT_EQ(1, busy - busy_before);
	EXPECT_EQ(49, idle - idle_before);
}

#define GROUP "/sys/fs/cgroup/pci_mmap"

/* A number from a file of the cgroup, behind @key if there is one, or -1 */
static long group_read(const char *file, const char *key)
{
	char path[128], name[64];
	long value = -1;
	FILE *stream;

	snprintf(path, sizeof(path), GROUP "/%s", file);
	stream = fopen(path, "r");
	if (!stream)
		return -1;
	if (!key && fscanf(stream, "%ld", &value) != 1)
		value = -1;
	while (key && fscanf(stream, "%63s %ld", name, &value) == 2) {
		if (!strcmp(name, key))
			break;
		value = -1;
	}
	fclose(stream);
	return value;
}

static int group_write(const char *file, const char *text)
{
	char path[128];

	snprintf(path, sizeof(path), GROUP "/%s", file);
	return file_write(path, text);
}

FIXTURE(cgroup)
{
	struct device dev;
	size_t maps;	/* misaligned ones, to be mapped by pages */
	size_t tables;	/* bytes of page tables that it takes to fill them all */
};

FIXTURE_SETUP(cgroup)
{
	size_t tables;

	file_write("/sys/fs/cgroup/cgroup.subtree_control", "+memory");
	if (mkdir(GROUP, 0755) && errno != EEXIST)
		SKIP(return, "no " GROUP ": mount cgroup2, with memory in it");
	if (group_read("memory.current", NULL) < 0)
		SKIP(return, "no memory controller in /sys/fs/cgroup");
	ASSERT_EQ(0, device_open(&self->dev, bdf, -1, -1));

	/* Far more than the kernel may have in reserve for the group */
	tables = self->dev.bar_size / TABLE * getpagesize();
	ASSERT_LT(0, tables);
	self->maps = ((4UL << 20) + tables - 1) / tables;
	self->tables = self->maps * tables;
}

FIXTURE_TEARDOWN(cgroup)
{
	device_close(&self->dev);
	rmdir(GROUP);
}

/* Page tables are charged to the owner of the mapping, as memory.stat shows */
TEST_F(cgroup, charges_owner)
{
	long want = self->tables;
	pid_t pid = fork();

	if (!pid) {
		long before, after;
		size_t map;
		int i;

		if (group_write("cgroup.procs", "0"))
			_exit(254);
		before = group_read("memory.stat", "pagetables");
		for (map = 0; map < self->maps; map++) {
			if (map_bar(&self->dev, true, self->dev.bar_size, RW,
				    MAP_POPULATE) == MAP_FAILED)
				_exit(255);
		}
		/* It takes the kernel a while to sum up what it counts */
		for (i = 0; i < 50; i++) {
			after = group_read("memory.stat", "pagetables");
			if (after - before >= want)
				_exit(0);
			usleep(100000);
		}
		TH_LOG("page tables of %ld bytes were charged with %ld",
		       want, after - before);
		_exit(1);
	}
	child_expect(_metadata, pid);
}

/* In a child with room for a third of the page tables; returns how it ended */
static int beyond_limit(struct device *dev, size_t maps, size_t tables, int flags)
{
	char room[32];
	size_t map;
	int status;
	void *bar;
	pid_t pid;

	pid = fork();
	if (!pid) {
		if (group_write("cgroup.procs", "0"))
			_exit(254);
		snprintf(room, sizeof(room), "%zu",
			 group_read("memory.current", NULL) + tables / 3);
		if (group_write("memory.max", room))
			_exit(253);
		for (map = 0; map < maps; map++) {
			bar = map_bar(dev, true, dev->bar_size, RW, flags);
			if (bar == MAP_FAILED)
				_exit(252);
			if (flags & MAP_POPULATE)
				continue;
			if (touch_every(bar, dev->bar_size, TABLE / 2) < 0)
				_exit(251);
		}
		_exit(0);
	}
	return waitpid(pid, &status, 0) == pid ? status : -1;
}

/* As for any memory that a process asks for and its cgroup does not have */
TEST_F(cgroup, kills_who_touches_too_much)
{
	int status = beyond_limit(&self->dev, self->maps, self->tables, 0);

	EXPECT_TRUE(WIFSIGNALED(status)) TH_LOG("status 0x%x", status);
	EXPECT_EQ(SIGKILL, WTERMSIG(status));
	EXPECT_EQ(1, group_read("memory.events", "oom_kill"));
}

TEST_F(cgroup, kills_who_populates_too_much)
{
	int status = beyond_limit(&self->dev, self->maps, self->tables,
				  MAP_POPULATE);

	EXPECT_TRUE(WIFSIGNALED(status)) TH_LOG("status 0x%x", status);
	EXPECT_EQ(SIGKILL, WTERMSIG(status));
	EXPECT_EQ(1, group_read("memory.events", "oom_kill"));
}

#define PMD_SIZE_FILE "/sys/kernel/mm/transparent_hugepage/hpage_pmd_size"

/* Leaves of other drivers look the same, and may have pages for who asks for them */
TEST(other_driver_has_pages)
{
	int file = open("/sys/kernel/debug/mixed_map", O_RDWR | O_CLOEXEC);
	uint32_t value = 0x5afe, got = 0;
	struct iovec local = { &got, sizeof(got) }, remote = { .iov_len = sizeof(got) };
	uintptr_t room;
	size_t leaf;
	FILE *size;

	if (file < 0)
		SKIP(return, "mixed_map.ko is not there, or has no memory for a leaf");
	size = fopen(PMD_SIZE_FILE, "r");
	ASSERT_NE(NULL, size);
	ASSERT_EQ(1, fscanf(size, "%zu", &leaf));
	fclose(size);

	room = (uintptr_t)mmap(NULL, 2 * leaf, PROT_NONE,
			       MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	ASSERT_NE((uintptr_t)MAP_FAILED, room);
	remote.iov_base = mmap((void *)((room + leaf - 1) & -leaf), leaf, RW,
			       MAP_SHARED | MAP_FIXED, file, 0);
	ASSERT_NE(MAP_FAILED, remote.iov_base);
	ASSERT_EQ(0, try_write(remote.iov_base, value));
	EXPECT_EQ(sizeof(got), process_vm_readv(getpid(), &local, 1, &remote, 1, 0))
		TH_LOG("%s", strerror(errno));
	EXPECT_EQ(value, got);
	munmap((void *)room, 2 * leaf);
	close(file);
}

int main(int argc, char **argv)
{
	device_arguments(&argc, argv, &bdf, 1);
	return test_harness_run(argc, argv);
}
