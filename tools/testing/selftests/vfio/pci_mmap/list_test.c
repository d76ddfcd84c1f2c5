// SPDX-License-Identifier: GPL-2.0-only
/*
 * The list of mappings that a device keeps, as debugfs shows it
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "harness.h"
#include "debugfs.h"
#include "device.h"
#include "fail_nth.h"
#include "reader_pool.h"

static const char *bdf;

FIXTURE(list)
{
	struct device dev;
	size_t page;
	size_t size;
	void *map;
};

#define EXPECT_LISTED(count, size) do {					\
	struct debugfs_mappings _mappings;					\
	ASSERT_EQ(0, debugfs_read(&_mappings, bdf));			\
	EXPECT_EQ(count, _mappings.listed);				\
	EXPECT_EQ(size, _mappings.bytes);				\
	EXPECT_EQ(0, _mappings.unlisted);				\
} while (0)

FIXTURE_SETUP(list)
{
	struct debugfs_mappings mappings;

	ASSERT_EQ(0, device_open(&self->dev, bdf, -1, -1));
	if (debugfs_read(&mappings, bdf))
		SKIP(return, "debugfs has no vfio/%s/mappings", bdf);
	self->page = getpagesize();
	self->size = self->dev.bar_size;
	self->map = device_map(&self->dev, self->size, 0);
	ASSERT_NE(MAP_FAILED, self->map);
}

FIXTURE_TEARDOWN(list)
{
	device_close(&self->dev);
}

TEST_F(list, one)
{
	void *map;

	EXPECT_LISTED(1, self->size);
	map = device_map(&self->dev, self->page, self->size - self->page);
	EXPECT_LISTED(2, self->size + self->page);
	ASSERT_EQ(0, munmap(map, self->page));
	EXPECT_LISTED(1, self->size);
	ASSERT_EQ(0, munmap(self->map, self->size));
	EXPECT_LISTED(0, 0);
}

/* Of a parent and a child, each finds the one of its own */
TEST_F(list, names_owner)
{
	struct debugfs_mappings mappings;
	int status;
	pid_t pid;

	pid = fork();
	if (!pid)
		_exit(debugfs_read(&mappings, bdf) || mappings.listed != 2 ||
		      mappings.own != 1);
	ASSERT_EQ(pid, waitpid(pid, &status, 0));
	EXPECT_TRUE(WIFEXITED(status));
	EXPECT_EQ(0, WEXITSTATUS(status));
	ASSERT_EQ(0, debugfs_read(&mappings, bdf));
	EXPECT_EQ(1, mappings.listed);
	EXPECT_EQ(1, mappings.own);
}

/* A process may call itself what it likes */
TEST_F(list, name_adds_no_line)
{
	struct debugfs_mappings mappings;

	ASSERT_EQ(0, prctl(PR_SET_NAME, "a\nforged"));
	EXPECT_EQ(0, debugfs_read(&mappings, bdf))
		TH_LOG("a line that is none of the driver's");
	EXPECT_EQ(1, mappings.listed);
}

TEST_F(list, refused_mmap)
{
	EXPECT_EQ(MAP_FAILED, device_map(&self->dev, self->page, self->size));
	EXPECT_LISTED(1, self->size);
}

TEST_F(list, split)
{
	ASSERT_EQ(0, munmap(self->map + self->size / 2, self->page));
	EXPECT_LISTED(2, self->size - self->page);
	ASSERT_EQ(0, munmap(self->map, self->page));
	EXPECT_LISTED(2, self->size - 2 * self->page);
	ASSERT_EQ(0, mprotect(self->map + self->page, self->page, PROT_READ));
	EXPECT_LISTED(3, self->size - 2 * self->page);
	ASSERT_EQ(0, munmap(self->map, self->size));
	EXPECT_LISTED(0, 0);
}

TEST_F(list, move)
{
	void *room = mmap(NULL, self->size, PROT_NONE,
			  MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	ASSERT_NE(MAP_FAILED, room);
	ASSERT_EQ(room, mremap(self->map, self->size, self->size,
			       MREMAP_MAYMOVE | MREMAP_FIXED, room));
	EXPECT_LISTED(1, self->size);
	ASSERT_EQ(room, mremap(room, self->size, self->page, 0));
	EXPECT_LISTED(1, self->page);
}

TEST_F(list, overmapped)
{
	ASSERT_EQ(self->map, mmap(self->map, self->size, PROT_READ,
				  MAP_SHARED | MAP_FIXED, self->dev.fd,
				  self->dev.bar_offset));
	EXPECT_LISTED(1, self->size);
	ASSERT_EQ(self->map, mmap(self->map, self->size, PROT_NONE,
				  MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED,
				  -1, 0));
	EXPECT_LISTED(0, 0);
}

TEST_F(list, fork_and_exit)
{
	struct reader_pool *first = reader_pool_create(1), *second = reader_pool_create(1);

	if (!fork())
		reader_pool_join(first, 0, self->map);
	if (!fork())
		reader_pool_join(second, 0, self->map);
	EXPECT_LISTED(3, 3 * self->size);

	/* The older child goes first, then the parent's mapping */
	reader_pool_dismiss(first);
	ASSERT_LT(0, wait(NULL));
	EXPECT_LISTED(2, 2 * self->size);
	ASSERT_EQ(0, munmap(self->map, self->size));
	EXPECT_LISTED(1, self->size);
	reader_pool_end(second);
	EXPECT_LISTED(0, 0);
}

TEST_F(list, killed)
{
	pid_t pid = fork();

	if (!pid) {
		munmap(self->map + self->page, self->page);
		for (;;)
			pause();
	}
	kill(pid, SIGKILL);
	ASSERT_EQ(pid, waitpid(pid, NULL, 0));
	EXPECT_LISTED(1, self->size);
}

/*
 * Fail each allocation of fork() in turn. Wherever the child comes to life all
 * the same, its mapping is taken away and comes back like any other, listed or
 * not. No two forks allocate quite the same, so the one that lists the mapping
 * may slip through: then start again.
 */
TEST_F(list, disables_unlisted_vma)
{
	unsigned int unlisted = 0, failed = 0, tries = 0;
	struct debugfs_mappings mappings;
	struct reader_pool *pool;
	bool injected;
	pid_t pid;
	int nth;

	if (!fail_nth_enable())
		SKIP(return, "the kernel cannot fail allocations");
	if (device_fill(&self->dev, self->map))
		SKIP(return, "BAR %u of %s does not keep what is written",
		     self->dev.bar, bdf);

	for (nth = 1; nth < 2000; nth++) {
		tries++;
		pool = reader_pool_create(1);
		fail_nth_arm(nth);
		pid = fork();
		if (!pid)
			reader_pool_join(pool, 0, self->map);
		injected = fail_nth_disarm();

		ASSERT_EQ(0, debugfs_read(&mappings, bdf));
		if (pid < 0) {
			EXPECT_EQ(ENOMEM, errno);
			EXPECT_EQ(1, mappings.listed);
			EXPECT_EQ(0, mappings.unlisted);
			failed++;
		} else {
			EXPECT_EQ(2, mappings.listed + mappings.unlisted);
		}
		if (mappings.unlisted) {
			unlisted++;
			ASSERT_EQ(0, decode_set(&self->dev, false, 2));
			reader_pool_step(pool);
			EXPECT_EQ(SIGBUS, pool->seen[0].sig)
				TH_LOG("an unlisted mapping read 0x%x from the disabled BAR",
				       pool->seen[0].value);
			ASSERT_EQ(0, decode_set(&self->dev, true, 2));
			reader_pool_step(pool);
			EXPECT_EQ(0, pool->seen[0].sig);
			EXPECT_EQ(device_word(0), pool->seen[0].value);
		}
		reader_pool_end(pool);
		EXPECT_LISTED(1, self->size);
		if (!injected && (unlisted || tries > 5000))
			break;
		if (!injected)
			nth = 0;
	}
	TH_LOG("%u allocations failed: %u ended fork(), %u left a mapping unlisted",
	       tries, failed, unlisted);
	EXPECT_NE(0, unlisted);
	EXPECT_NE(2000, nth);
}

int main(int argc, char **argv)
{
	device_arguments(&argc, argv, &bdf, 1);
	return test_harness_run(argc, argv);
}
