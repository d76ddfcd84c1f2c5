// SPDX-License-Identifier: GPL-2.0-only
/*
 * Where mmap() places a BAR
 */
#define _GNU_SOURCE
#include <errno.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "../../kselftest_harness.h"
#include "access.h"
#include "device.h"

static const char *bdf;

FIXTURE(unmapped_area)
{
	struct device dev;
	size_t page;
	size_t size;
	uint64_t phys;
};

FIXTURE_SETUP(unmapped_area)
{
	ASSERT_EQ(0, device_open(&self->dev, bdf, -1, -1));
	self->page = getpagesize();
	self->size = self->dev.bar_size;
	self->phys = device_bar_address(&self->dev);
	ASSERT_NE(0, self->phys);
	if (self->size < 4 * LEAF)
		SKIP(return, "BAR %u of %s has less than 8 MiB",
		     self->dev.bar, bdf);
}

FIXTURE_TEARDOWN(unmapped_area)
{
	device_close(&self->dev);
}

/* The largest leaf that fits into a mapping */
static size_t largest_leaf(size_t size)
{
	return size >= 512 * LEAF ? 512 * LEAF : LEAF;
}

TEST_F(unmapped_area, aligns_whole_bar)
{
	void *map = device_map(&self->dev, self->size, 0);
	uint32_t value;

	ASSERT_NE(MAP_FAILED, map);
	EXPECT_EQ(self->phys % LEAF, (uintptr_t)map % LEAF);
	EXPECT_EQ(0, try_read(map + self->size - self->page, &value));
}

TEST_F(unmapped_area, aligns_windows)
{
	size_t offset, size;
	void *map;

	map = device_map(&self->dev, self->size - LEAF, LEAF);
	ASSERT_NE(MAP_FAILED, map);
	ASSERT_EQ((self->phys + LEAF) % largest_leaf(self->size - LEAF),
		  (uintptr_t)map % largest_leaf(self->size - LEAF));

	for (offset = 0; offset < 2 * LEAF; offset += 37 * self->page) {
		for (size = LEAF; size <= 2 * LEAF; size += 101 * self->page) {
			map = device_map(&self->dev, size, offset);
			ASSERT_NE(MAP_FAILED, map);
			ASSERT_EQ((self->phys + offset) % largest_leaf(size),
				  (uintptr_t)map % largest_leaf(size))
				TH_LOG("0x%zx of the BAR, 0x%zx bytes, is at %p",
				       offset, size, map);
			ASSERT_EQ(0, munmap(map, size));
		}
	}
}

TEST_F(unmapped_area, maps_last_page)
{
	uint32_t value;
	void *map;

	map = device_map(&self->dev, self->page, self->size - self->page);
	ASSERT_NE(MAP_FAILED, map);
	EXPECT_EQ(0, try_read(map, &value));
}

TEST_F(unmapped_area, honours_hint)
{
	void *room, *hint, *map;

	room = mmap(NULL, self->size + LEAF, PROT_NONE,
		    MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	ASSERT_NE(MAP_FAILED, room);
	hint = room + self->page;
	if (((uintptr_t)hint - self->phys) % LEAF == 0)
		hint += self->page;
	ASSERT_EQ(0, munmap(room, self->size + LEAF));

	map = mmap(hint, self->size, PROT_READ, MAP_SHARED, self->dev.fd,
		   self->dev.bar_offset);
	EXPECT_EQ(hint, map);

	/* It is taken now */
	map = mmap(hint, self->size, PROT_READ, MAP_SHARED, self->dev.fd,
		   self->dev.bar_offset);
	ASSERT_NE(MAP_FAILED, map);
	EXPECT_NE(hint, map);

	EXPECT_EQ(hint, mmap(hint, self->size, PROT_READ,
			     MAP_SHARED | MAP_FIXED, self->dev.fd,
			     self->dev.bar_offset));
	EXPECT_EQ(MAP_FAILED, mmap(hint, self->size, PROT_READ,
				   MAP_SHARED | MAP_FIXED_NOREPLACE,
				   self->dev.fd, self->dev.bar_offset));
	EXPECT_EQ(EEXIST, errno);
}

/* Take all addresses but @size bytes at @keep, and room for less than that */
static void fill_address_space(void *keep, size_t size)
{
	size_t piece;

	for (piece = 1UL << 46; piece >= size; piece /= 2) {
		while (mmap(NULL, piece, PROT_NONE, MAP_PRIVATE |
			    MAP_ANONYMOUS | MAP_NORESERVE, -1, 0) != MAP_FAILED)
			;
	}
	munmap(keep, size);
}

/* The only place left is misaligned: better than none */
TEST_F(unmapped_area, falls_back_to_misaligned)
{
	uint32_t value;
	void *room, *keep, *map;
	int status;
	pid_t pid;

	pid = fork();
	if (!pid) {
		room = mmap(NULL, self->size + LEAF, PROT_NONE,
			    MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
		keep = room + self->page;
		if (((uintptr_t)keep - self->phys) % LEAF == 0)
			keep += self->page;
		fill_address_space(keep, self->size);
		map = device_map(&self->dev, self->size, 0);
		if (map != keep) {
			TH_LOG("mapped at %p, not at %p: errno %d", map, keep,
			       errno);
			_exit(1);
		}
		_exit(try_read(map + self->size / 2, &value));
	}
	ASSERT_EQ(pid, waitpid(pid, &status, 0));
	EXPECT_TRUE(WIFEXITED(status));
	EXPECT_EQ(0, WEXITSTATUS(status));
}

#ifdef __x86_64__
/* mmap2() of the 32-bit ABI, which a process of either kind can call */
static long mmap2_32(size_t size, int fd, unsigned long pages)
{
	long ret;

	/* The compiler may keep something below the stack pointer */
	asm volatile("lea -128(%%rsp), %%rsp\n\t"
		     "push %%rbp\n\t"
		     "mov %[pages], %%ebp\n\t"
		     "int $0x80\n\t"
		     "pop %%rbp\n\t"
		     "lea 128(%%rsp), %%rsp"
		     : "=a" (ret)
		     : "a" (192), "b" (0L), "c" (size),
		       "d" (PROT_READ | PROT_WRITE), "S" (MAP_SHARED),
		       "D" (fd), [pages] "r" ((unsigned int)pages)
		     : "memory", "r8", "r9", "r10", "r11");
	return (int)ret;
}

TEST_F(unmapped_area, serves_32_bit_abi)
{
	unsigned long pages = self->dev.bar_offset / self->page;
	uint32_t value;
	long ret;

	if (access("/proc/sys/abi/vsyscall32", F_OK))
		SKIP(return, "the kernel has no 32-bit ABI");
	if (pages >> 32)
		SKIP(return, "region %u is out of reach of 32 bits",
		     self->dev.bar);
	ret = mmap2_32(self->size, self->dev.fd, pages);
	ASSERT_FALSE(ret < 0 && ret > -4096)
		TH_LOG("mmap2() returned %ld", ret);
	EXPECT_EQ(0, (ret & 0xffffffff) % self->page);
	EXPECT_EQ(0, try_read((void *)(ret & 0xffffffff), &value));
}
#endif

int main(int argc, char **argv)
{
	device_arguments(&argc, argv, &bdf, 1);
	return test_harness_run(argc, argv);
}
