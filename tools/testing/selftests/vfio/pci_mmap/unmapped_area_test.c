// SPDX-License-Identifier: GPL-2.0-only
/*
 * Where mmap() places a BAR
 */
#define _GNU_SOURCE
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "harness.h"
#include "access.h"
#include "device.h"
#include "sysfs.h"

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

/* Where programs are without page tables for more, and others by default */
#ifdef __aarch64__
#define WINDOW (256UL << 40)
#else
#define WINDOW (128UL << 40)
#endif

/* How many faults it takes to touch the BAR, of which each leaf is touched */
static long faults(const void *map, size_t size)
{
	return touch_every(map, size, LEAF / 2);
}

TEST_F(unmapped_area, aligns_whole_bar)
{
	void *map = device_map(&self->dev, self->size, 0);

	ASSERT_NE(MAP_FAILED, map);
	EXPECT_EQ(self->phys % LEAF, (uintptr_t)map % LEAF);
	EXPECT_GT(WINDOW, (uintptr_t)map);
	EXPECT_GE(self->size / LEAF, faults(map, self->size));
}

TEST_F(unmapped_area, aligns_for_gib_leaves)
{
	void *map;

	if (largest_leaf(self->size) < GIB_LEAF)
		SKIP(return, "no leaf of 1 GiB: by size, or by CPU");
	map = device_map(&self->dev, self->size, 0);
	ASSERT_NE(MAP_FAILED, map);
	EXPECT_EQ(self->phys % GIB_LEAF, (uintptr_t)map % GIB_LEAF);
	/* Where the BAR does not start with a leaf, it may have some of 2 MiB */
	if (self->phys % GIB_LEAF == 0)
		EXPECT_GE(self->size / GIB_LEAF, faults(map, self->size));
}

/* A CPU without such leaves is none the worse for an address where they fit */
TEST_F(unmapped_area, maps_where_gib_leaves_fit)
{
	size_t leaf = largest_leaf(self->size);
	uintptr_t addr;
	long tables;
	void *room;

	if (self->size < GIB_LEAF)
		SKIP(return, "BAR %u of %s has less than 1 GiB", self->dev.bar,
		     bdf);
	room = mmap(NULL, self->size + GIB_LEAF, PROT_NONE,
		    MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	ASSERT_NE(MAP_FAILED, room);
	addr = (uintptr_t)room;
	addr += (self->phys - addr) & (GIB_LEAF - 1);
	tables = page_tables();
	ASSERT_EQ((void *)addr, mmap((void *)addr, self->size,
				     PROT_READ | PROT_WRITE,
				     MAP_SHARED | MAP_FIXED, self->dev.fd,
				     self->dev.bar_offset));
	EXPECT_GE(self->size / leaf, faults((void *)addr, self->size));
	/* A leaf of 1 GiB saves the table that smaller ones are in */
	if (leaf < GIB_LEAF)
		EXPECT_LE(tables + self->size / GIB_LEAF * self->page, page_tables());
	EXPECT_GE(0, faults((void *)addr, self->size));
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

/* What mmap() gives anonymous memory for that hint, which need not be free */
static void *where_memory_goes(void *hint, size_t size)
{
	void *map = mmap(hint, size, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS |
			 MAP_NORESERVE, -1, 0);

	if (map != MAP_FAILED)
		munmap(map, size);
	return map;
}

/* A hint that leads elsewhere leads to where it would lead any other mapping */
TEST_F(unmapped_area, places_like_memory_for_taken_hint)
{
	void *room, *hint, *elsewhere;
	size_t offset;

	room = mmap(NULL, self->size, PROT_NONE,
		    MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	ASSERT_NE(MAP_FAILED, room);
	for (offset = 0; offset < 4 * self->page; offset += self->page) {
		hint = room + offset;
		elsewhere = where_memory_goes(hint, self->size);
		ASSERT_NE(MAP_FAILED, elsewhere);
		EXPECT_EQ(elsewhere, mmap(hint, self->size, PROT_READ,
					  MAP_SHARED, self->dev.fd,
					  self->dev.bar_offset));
		ASSERT_EQ(0, munmap(elsewhere, self->size));
	}
}

/* Where page tables reach beyond what programs get by default, it asks for that */
TEST_F(unmapped_area, keeps_hint_beyond_window)
{
	void *hint = (void *)(WINDOW << 3), *room, *map, *elsewhere;

	room = mmap(hint, self->size, PROT_NONE,
		    MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (room != hint)
		SKIP(return, "the CPU has no page tables of five levels");

	/* Taken, then free */
	elsewhere = where_memory_goes(hint, self->size);
	map = mmap(hint, self->size, PROT_READ, MAP_SHARED, self->dev.fd,
		   self->dev.bar_offset);
	EXPECT_EQ(elsewhere, map);
	EXPECT_LE(WINDOW, (uintptr_t)map);
	ASSERT_EQ(0, munmap(room, self->size));
	map = mmap(hint, self->size, PROT_READ, MAP_SHARED, self->dev.fd,
		   self->dev.bar_offset);
	EXPECT_EQ(hint, map);
	EXPECT_LT(0, faults(map, self->size));
	EXPECT_EQ(0, faults(map, self->size));
}

/* Take all addresses but @room bytes at @keep, and some room for less than @size */
static void fill_address_space(void *keep, size_t room, size_t size)
{
	size_t piece;

	for (piece = 1UL << 46; piece >= size; piece /= 2) {
		while (mmap(NULL, piece, PROT_NONE, MAP_PRIVATE |
			    MAP_ANONYMOUS | MAP_NORESERVE, -1, 0) != MAP_FAILED)
			;
	}
	munmap(keep, room);
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
		fill_address_space(keep, self->size, self->size);
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

/* As is one where smaller leaves fit than there could be */
TEST_F(unmapped_area, falls_back_to_smaller_leaves)
{
	size_t room_size = self->size + LEAF;
	void *room, *keep, *map;
	int status;
	pid_t pid;

	pid = fork();
	if (!pid) {
		room = mmap(NULL, room_size + LEAF, PROT_NONE, MAP_PRIVATE |
			    MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
		keep = room + self->page;
		if (((uintptr_t)keep - self->phys) % LEAF == 0)
			keep += self->page;
		fill_address_space(keep, room_size, self->size);
		map = device_map(&self->dev, self->size, 0);
		if (map < keep || map + self->size > keep + room_size ||
		    (uintptr_t)map % LEAF != self->phys % LEAF) {
			TH_LOG("mapped at %p, with room at %p: errno %d", map,
			       keep, errno);
			_exit(1);
		}
		_exit(faults(map, self->size) < 0);
	}
	ASSERT_EQ(pid, waitpid(pid, &status, 0));
	EXPECT_TRUE(WIFEXITED(status));
	EXPECT_EQ(0, WEXITSTATUS(status));
}

/* The last search of mmap() that was traced: what for, and what was found */
static bool last_search(char *text, size_t size)
{
	FILE *file = fopen("/sys/kernel/tracing/trace", "r");
	char line[512], *start;

	*text = 0;
	while (file && fgets(line, sizeof(line), file)) {
		start = strstr(line, "vm_unmapped_area: ");
		if (start)
			snprintf(text, size, "%.*s",
				 (int)(strstr(start, " lo=") - start), start);
	}
	if (file)
		fclose(file);
	return *text;
}

#define SEARCHES "/sys/kernel/tracing/events/mmap/vm_unmapped_area/enable"

/*
 * Whoever has the device file, but not yet an IOMMU for the device, is told nothing of
 * it. mmap() fails, but not before it has found an address: that which it finds for any
 * file that nobody places, as a socket is.
 */
TEST_F(unmapped_area, places_unbound_cdev_like_other_files)
{
	int other = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	char file[512], cdev[512];
	int fd = cdev_open(bdf);
	int error;
	void *map;

	if (fd < 0)
		SKIP(return, "no character device of %s", bdf);
	if (self->size < GIB_LEAF)
		SKIP(return, "a BAR of less than 1 GiB is placed like any file anyway");
	if (file_write(SEARCHES, "1"))
		SKIP(return, "no trace of where mmap() looks");

	/* The buffers of the first look stay with libc */
	last_search(cdev, sizeof(cdev));
	ASSERT_EQ(MAP_FAILED, mmap(NULL, self->size, PROT_READ, MAP_SHARED, other, 0));
	EXPECT_TRUE(last_search(file, sizeof(file)));
	map = mmap(NULL, self->size, PROT_READ, MAP_SHARED, fd,
		   self->dev.bar_offset);
	error = errno;
	EXPECT_TRUE(last_search(cdev, sizeof(cdev)));
	file_write(SEARCHES, "0");
	EXPECT_EQ(MAP_FAILED, map);
	EXPECT_EQ(EINVAL, error);
	EXPECT_STREQ(file, cdev);
	close(other);
	close(fd);
}

#ifdef __x86_64__
/*
 * mmap2() of the 32-bit ABI, which a process of either kind can call: of a file if
 * there is one, or of memory that nobody needs
 */
static long mmap2_32(size_t size, int fd, unsigned long pages)
{
	int flags = fd < 0 ? MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE :
			     MAP_SHARED;
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
		       "d" (fd < 0 ? PROT_NONE : PROT_READ | PROT_WRITE), "S" (flags),
		       "D" (fd), [pages] "r" ((unsigned int)pages)
		     : "memory", "r8", "r9", "r10", "r11");
	return (int)ret;
}

static bool failed_32(long ret)
{
	return ret < 0 && ret > -4096;
}

static void *addr_32(long ret)
{
	return (void *)(ret & 0xffffffff);
}

FIXTURE(abi32)
{
	struct device dev;
	size_t size;
	unsigned long pages;	/* where the BAR is in the device file */
};

FIXTURE_SETUP(abi32)
{
	if (access("/proc/sys/abi/vsyscall32", F_OK))
		SKIP(return, "the kernel has no 32-bit ABI");
	ASSERT_EQ(0, device_open(&self->dev, bdf, -1, -1));
	/* Of a larger BAR as much as there is room for */
	self->size = self->dev.bar_size < 2 * GIB_LEAF ? self->dev.bar_size :
		     2 * GIB_LEAF;
	self->pages = self->dev.bar_offset / getpagesize();
	if (self->pages >> 32)
		SKIP(return, "region %u is out of reach of 32 bits",
		     self->dev.bar);
}

FIXTURE_TEARDOWN(abi32)
{
	device_close(&self->dev);
}

/* Room is short there: a BAR takes no more of it than memory does */
TEST_F(abi32, places_like_memory)
{
	long memory, ret;
	uint32_t value;

	memory = mmap2_32(self->size, -1, 0);
	ASSERT_FALSE(failed_32(memory)) TH_LOG("mmap2() returned %ld", memory);
	ASSERT_EQ(0, munmap(addr_32(memory), self->size));
	ret = mmap2_32(self->size, self->dev.fd, self->pages);
	ASSERT_FALSE(failed_32(ret)) TH_LOG("mmap2() returned %ld", ret);
	EXPECT_EQ(addr_32(memory), addr_32(ret));
	EXPECT_EQ(0, try_read(addr_32(ret) + self->size / 2, &value));
	EXPECT_LT(-1, faults(addr_32(ret), self->size));
}

/* Where all is taken but what the BAR needs, and that is misaligned */
TEST_F(abi32, finds_last_room)
{
	size_t page = getpagesize(), piece;
	long room, ret;
	void *keep;

	room = mmap2_32(self->size + 2 * page, -1, 0);
	ASSERT_FALSE(failed_32(room)) TH_LOG("mmap2() returned %ld", room);
	for (piece = 2 * GIB_LEAF; piece >= self->size; piece /= 2) {
		while (!failed_32(mmap2_32(piece, -1, 0)))
			;
	}
	keep = addr_32(room) + page;
	ASSERT_EQ(0, munmap(keep, self->size));
	ret = mmap2_32(self->size, self->dev.fd, self->pages);
	ASSERT_FALSE(failed_32(ret)) TH_LOG("mmap2() returned %ld", ret);
	EXPECT_EQ(keep, addr_32(ret));
	EXPECT_LT(-1, faults(keep, self->size));
}
#endif

int main(int argc, char **argv)
{
	device_arguments(&argc, argv, &bdf, 1);
	return test_harness_run(argc, argv);
}
