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
#include <sys/wait.h>
#include <unistd.h>

#include "../../kselftest_harness.h"
#include "crowd.h"
#include "device.h"

#define FAILSLAB "/sys/kernel/debug/failslab/"
#define FAIL_NTH "/proc/thread-self/fail-nth"

static const char *bdf;

/**
 * struct listing - What debugfs says of a device
 * @listed: number of VMAs on the list
 * @bytes: how much of the BAR they map together
 * @unlisted: number of VMAs that got no entry
 */
struct listing {
	unsigned int listed;
	size_t bytes;
	unsigned int unlisted;
};

FIXTURE(list)
{
	struct device dev;
	size_t page;
	size_t size;
	void *map;
};

static int read_listing(struct listing *listing)
{
	unsigned long long offset;
	unsigned long size, addr;
	char path[128], line[128];
	unsigned int bar;
	FILE *file;

	*listing = (struct listing){};
	snprintf(path, sizeof(path), "/sys/kernel/debug/vfio/%s/mappings", bdf);
	file = fopen(path, "r");
	if (!file)
		return -errno;
	while (fgets(line, sizeof(line), file)) {
		if (sscanf(line, "BAR %u offset %llx size %lx at %lx",
			   &bar, &offset, &size, &addr) == 4) {
			listing->listed++;
			listing->bytes += size;
		} else if (sscanf(line, "unlisted %u",
				  &listing->unlisted) != 1) {
			fclose(file);
			return -EINVAL;
		}
	}
	fclose(file);
	return 0;
}

#define EXPECT_LISTED(count, size) do {					\
	struct listing _listing;					\
	ASSERT_EQ(0, read_listing(&_listing));				\
	EXPECT_EQ(count, _listing.listed);				\
	EXPECT_EQ(size, _listing.bytes);				\
	EXPECT_EQ(0, _listing.unlisted);				\
} while (0)

FIXTURE_SETUP(list)
{
	struct listing listing;

	ASSERT_EQ(0, device_open(&self->dev, bdf, -1, -1));
	if (read_listing(&listing))
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
	struct crowd *first = crowd_create(1), *second = crowd_create(1);

	if (!fork())
		crowd_join(first, 0, self->map);
	if (!fork())
		crowd_join(second, 0, self->map);
	EXPECT_LISTED(3, 3 * self->size);

	/* The older child goes first, then the parent's mapping */
	crowd_dismiss(first);
	ASSERT_LT(0, wait(NULL));
	EXPECT_LISTED(2, 2 * self->size);
	ASSERT_EQ(0, munmap(self->map, self->size));
	EXPECT_LISTED(1, self->size);
	crowd_end(second);
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

/* Write a file of debugfs or proc; 0 or -errno */
static int put(const char *path, const char *value)
{
	int fd = open(path, O_WRONLY);
	ssize_t n;

	if (fd < 0)
		return -errno;
	n = write(fd, value, strlen(value));
	close(fd);
	return n < 0 ? -errno : 0;
}

static void arm(int nth)
{
	char text[16];

	snprintf(text, sizeof(text), "%d", nth);
	put(FAIL_NTH, text);
}

/* Did the failure that arm() asked for come to pass? Asks for none any more. */
static bool disarm(void)
{
	char text[16] = "";
	int fd = open(FAIL_NTH, O_RDWR);

	if (fd < 0)
		return false;
	if (read(fd, text, sizeof(text) - 1) > 0)
		pwrite(fd, "0", 1, 0);
	close(fd);
	return text[0] == '0';
}

/*
 * Fail each allocation of fork() in turn. Wherever the child comes to life all
 * the same, its mapping is taken away and comes back like any other, listed or
 * not.
 */
TEST_F_TIMEOUT(list, zap_unlisted, 300)
{
	unsigned int unlisted = 0, failed = 0;
	struct listing listing;
	struct crowd *crowd;
	bool injected;
	pid_t pid;
	int nth;

	if (put(FAILSLAB "ignore-gfp-wait", "0") || put(FAIL_NTH, "0"))
		SKIP(return, "the kernel has no failslab");
	put(FAILSLAB "verbose", "0");
	if (device_fill(&self->dev, self->map))
		SKIP(return, "BAR %u of %s does not keep what is written",
		     self->dev.bar, bdf);

	for (nth = 1; nth < 2000; nth++) {
		crowd = crowd_create(1);
		arm(nth);
		pid = fork();
		if (!pid)
			crowd_join(crowd, 0, self->map);
		injected = disarm();

		ASSERT_EQ(0, read_listing(&listing));
		if (pid < 0) {
			EXPECT_EQ(ENOMEM, errno);
			EXPECT_EQ(1, listing.listed);
			EXPECT_EQ(0, listing.unlisted);
			failed++;
		} else {
			EXPECT_EQ(2, listing.listed + listing.unlisted);
		}
		if (listing.unlisted) {
			unlisted++;
			ASSERT_EQ(0, decode_set(&self->dev, false, 2));
			crowd_step(crowd);
			EXPECT_EQ(SIGBUS, crowd->seen[0].sig)
				TH_LOG("an unlisted mapping read 0x%x from the disabled BAR",
				       crowd->seen[0].value);
			ASSERT_EQ(0, decode_set(&self->dev, true, 2));
			crowd_step(crowd);
			EXPECT_EQ(0, crowd->seen[0].sig);
			EXPECT_EQ(device_word(0), crowd->seen[0].value);
		}
		crowd_end(crowd);
		EXPECT_LISTED(1, self->size);
		if (!injected)
			break;
	}
	TH_LOG("%d allocations failed: %u ended fork(), %u left a mapping unlisted",
	       nth - 1, failed, unlisted);
	EXPECT_NE(0, unlisted);
	EXPECT_NE(2000, nth);
}

/* mmap() itself fails cleanly for want of an entry, or of anything else */
TEST_F_TIMEOUT(list, mmap_without_memory, 300)
{
	unsigned int failed = 0;
	bool injected;
	void *map;
	int nth;

	if (put(FAILSLAB "ignore-gfp-wait", "0") || put(FAIL_NTH, "0"))
		SKIP(return, "the kernel has no failslab");
	put(FAILSLAB "verbose", "0");

	for (nth = 1; nth < 200; nth++) {
		arm(nth);
		map = device_map(&self->dev, self->page, 0);
		injected = disarm();
		if (map == MAP_FAILED) {
			EXPECT_EQ(ENOMEM, errno);
			failed++;
		} else {
			EXPECT_LISTED(2, self->size + self->page);
			ASSERT_EQ(0, munmap(map, self->page));
		}
		EXPECT_LISTED(1, self->size);
		if (!injected)
			break;
	}
	TH_LOG("%d allocations failed, %u of them ended mmap()", nth - 1,
	       failed);
	EXPECT_NE(0, failed);
	EXPECT_NE(200, nth);
}

int main(int argc, char **argv)
{
	device_arguments(&argc, argv, &bdf, 1);
	return test_harness_run(argc, argv);
}
