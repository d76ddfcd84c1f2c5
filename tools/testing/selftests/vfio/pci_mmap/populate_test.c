// SPDX-License-Identifier: GPL-2.0-only
/*
 * BARs that are mapped before anybody faults, and faults that map more than a page
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "../../kselftest_harness.h"
#include "access.h"
#include "debugfs.h"
#include "device.h"
#include "sysfs.h"

#define TABLE (2UL << 20)	/* what a page table maps */

static const char *bdf;

FIXTURE(populate)
{
	struct device dev;
	size_t page;
	size_t size;
};

FIXTURE_SETUP(populate)
{
	ASSERT_EQ(0, device_open(&self->dev, bdf, -1, -1));
	self->page = getpagesize();
	self->size = self->dev.bar_size;
}

FIXTURE_TEARDOWN(populate)
{
	device_close(&self->dev);
}

TEST_F(populate, after_mmap)
{
	void *map = device_map(&self->dev, self->size, 0);

	ASSERT_NE(MAP_FAILED, map);
	ASSERT_EQ(0, debugfs_wait_populated(bdf));
	EXPECT_EQ(0, touch_pages(map, self->size));
}

TEST_F(populate, after_decode)
{
	void *map = device_map(&self->dev, self->size, 0);

	ASSERT_NE(MAP_FAILED, map);
	ASSERT_EQ(0, debugfs_wait_populated(bdf));
	ASSERT_EQ(0, decode_set(&self->dev, false, 2));
	ASSERT_EQ(0, decode_set(&self->dev, true, 2));
	ASSERT_EQ(0, debugfs_wait_populated(bdf));
	EXPECT_EQ(0, touch_pages(map, self->size));
}

/* Pieces, a read-only one among them, and one that cannot be accessed */
TEST_F(populate, after_mprotect)
{
	void *map = device_map(&self->dev, self->size, 0);
	size_t half = self->size / 2;

	ASSERT_NE(MAP_FAILED, map);
	ASSERT_EQ(0, mprotect(map, half, PROT_READ));
	ASSERT_EQ(0, mprotect(map + half, self->page, PROT_NONE));
	ASSERT_EQ(0, decode_set(&self->dev, false, 2));
	ASSERT_EQ(0, decode_set(&self->dev, true, 2));
	ASSERT_EQ(0, debugfs_wait_populated(bdf));
	EXPECT_EQ(0, touch_pages(map, half));
	EXPECT_EQ(0, touch_pages(map + half + self->page,
				 self->size - half - self->page));
	EXPECT_EQ(-1, touch_pages(map + half, self->page));
	EXPECT_EQ(SIGSEGV, try_write(map, 0));
}

static void child_expect(struct __test_metadata *_metadata, pid_t pid)
{
	int status;

	ASSERT_LT(0, pid);
	ASSERT_EQ(pid, waitpid(pid, &status, 0));
	EXPECT_TRUE(WIFEXITED(status));
	EXPECT_EQ(0, WEXITSTATUS(status))
		TH_LOG("the child took %d faults (255: signal or time-out)",
		       WEXITSTATUS(status));
}

TEST_F(populate, in_a_child)
{
	void *map = device_map(&self->dev, self->size, 0);
	pid_t pid;

	ASSERT_NE(MAP_FAILED, map);
	ASSERT_EQ(0, debugfs_wait_populated(bdf));
	pid = fork();
	if (!pid) {
		if (decode_set(&self->dev, false, 2) ||
		    decode_set(&self->dev, true, 2) ||
		    debugfs_wait_populated(bdf))
			_exit(255);
		_exit(touch_pages(map, self->size) & 255);
	}
	child_expect(_metadata, pid);
	EXPECT_EQ(0, touch_pages(map, self->size));
}

/* Nothing is mapped while the device is off, and everything once it is on */
TEST_F(populate, not_while_disabled)
{
	struct debugfs_mappings mappings;
	void *map;

	ASSERT_EQ(0, decode_set(&self->dev, false, 2));
	map = device_map(&self->dev, self->size, 0);
	ASSERT_NE(MAP_FAILED, map);
	usleep(100000);
	EXPECT_SIGBUS(map);
	if (!debugfs_read(&mappings, bdf))
		EXPECT_EQ(0, mappings.populated);
	ASSERT_EQ(0, decode_set(&self->dev, true, 2));
	ASSERT_EQ(0, debugfs_wait_populated(bdf));
	EXPECT_EQ(0, touch_pages(map, self->size));
}

/* What populating has mapped goes away like anything else */
TEST_F(populate, disabled_once_populated)
{
	void *map = device_map(&self->dev, self->size, 0);
	size_t offset;

	ASSERT_NE(MAP_FAILED, map);
	ASSERT_EQ(0, debugfs_wait_populated(bdf));
	ASSERT_EQ(0, decode_set(&self->dev, false, 2));
	for (offset = 0; offset < self->size; offset += self->size / 4)
		EXPECT_SIGBUS(map + offset);
}

TEST_F(populate, fault_maps_table)
{
	size_t tables = self->size / TABLE + 1;
	void *map = device_map_misaligned(&self->dev);

	ASSERT_NE(MAP_FAILED, map);
	EXPECT_GE(tables, touch_pages(map, self->size));

	/* Right after the device is on again, when nobody else was there */
	ASSERT_EQ(0, decode_set(&self->dev, false, 2));
	ASSERT_EQ(0, decode_set(&self->dev, true, 2));
	EXPECT_GE(tables, touch_pages(map, self->size));
}

/* A fault at either end of a VMA stays within the VMA */
TEST_F(populate, fault_stays_in_window)
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
TEST_F(populate, skips_zap_of_nothing)
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
	idle -= idle_before;
	busy -= busy_before;
	EXPECT_EQ(50, idle + busy);
	/* The first one; more if somebody was faster to populate */
	EXPECT_LE(1, busy);
	EXPECT_LE(25, idle);
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

/* Leave room for that many bytes, and for what the kernel has in reserve */
static int group_limit(size_t room)
{
	char text[32];

	snprintf(text, sizeof(text), "%zu",
		 group_read("memory.current", NULL) + room);
	return group_write("memory.max", text);
}

FIXTURE(cgroup)
{
	struct device dev;
};

FIXTURE_SETUP(cgroup)
{
	file_write("/sys/fs/cgroup/cgroup.subtree_control", "+memory");
	if (mkdir(GROUP, 0755) && errno != EEXIST)
		SKIP(return, "no " GROUP ": mount cgroup2, with memory in it");
	if (group_read("memory.current", NULL) < 0)
		SKIP(return, "no memory controller in /sys/fs/cgroup");
	ASSERT_EQ(0, device_open(&self->dev, bdf, -1, -1));
}

FIXTURE_TEARDOWN(cgroup)
{
	device_close(&self->dev);
	rmdir(GROUP);
}

/* Page tables are charged to the owner of the mapping, as memory.stat shows */
TEST_F(cgroup, charges_owner)
{
	long want = self->dev.bar_size / TABLE * getpagesize();
	pid_t pid = fork();

	if (!pid) {
		long before, after;
		int i;

		if (group_write("cgroup.procs", "0"))
			_exit(254);
		before = group_read("memory.stat", "pagetables");
		if (device_map_misaligned(&self->dev) == MAP_FAILED ||
		    debugfs_wait_populated(bdf))
			_exit(255);
		/* It takes the kernel a while to sum up what it counts */
		for (i = 0; i < 100; i++) {
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

#define MAPS 20

/* Where there is no room for them, there are none, and nobody is killed */
TEST_F(cgroup, keeps_to_limit)
{
	size_t all = MAPS * self->dev.bar_size / TABLE * getpagesize();
	size_t room = all / 3;
	pid_t pid = fork();

	if (!pid) {
		void *map[MAPS];
		long before, after;
		uint32_t value;
		int i;

		if (group_write("cgroup.procs", "0"))
			_exit(254);
		before = page_tables();
		if (group_limit(room))
			_exit(253);
		for (i = 0; i < MAPS; i++) {
			map[i] = device_map_misaligned(&self->dev);
			if (map[i] == MAP_FAILED)
				_exit(252);
		}
		if (debugfs_wait_populated(bdf))
			_exit(255);
		after = page_tables();
		/* A third is in reserve at most */
		if (after - before > (long)(2 * room) || after == before) {
			TH_LOG("%ld bytes of page tables where %zu fit",
			       after - before, room);
			_exit(1);
		}
		/* The limit was reached, and each of these faults takes a page table */
		if (group_limit(2 * MAPS * getpagesize()))
			_exit(253);
		for (i = 0; i < MAPS; i++) {
			if (try_read(map[i] + self->dev.bar_size - 1024, &value))
				_exit(2);
		}
		if (page_tables() <= after)
			_exit(3);
		if (group_read("memory.events", "oom"))
			_exit(4);
		_exit(0);
	}
	child_expect(_metadata, pid);
	EXPECT_EQ(0, group_read("memory.events", "oom_kill"));
}

int main(int argc, char **argv)
{
	device_arguments(&argc, argv, &bdf, 1);
	return test_harness_run(argc, argv);
}
