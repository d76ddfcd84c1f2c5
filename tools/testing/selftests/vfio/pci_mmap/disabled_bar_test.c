// SPDX-License-Identifier: GPL-2.0-only
/*
 * A device that answers as hardware does while its BAR is off: by a page of ones
 *
 * The first device needs a BAR that keeps what is written, the second power
 * management.
 */
#include <errno.h>
#include <glob.h>
#include <limits.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/sysinfo.h>
#include <sys/wait.h>
#include <unistd.h>

#include <linux/vfio.h>

#include "harness.h"
#include "access.h"
#include "debugfs.h"
#include "device.h"
#include "sysfs.h"

#define SIGBUS_POLICY VFIO_DEVICE_DISABLED_BAR_SIGBUS
#define ONES_POLICY VFIO_DEVICE_DISABLED_BAR_ONES
#define IOVA 0x100000000ULL

static const char *bdf[2];

FIXTURE(disabled_bar)
{
	struct device dev;
	size_t page;
	off_t far;
	void *map;
};

FIXTURE_SETUP(disabled_bar)
{
	ASSERT_EQ(0, device_open(&self->dev, bdf[0], -1, -1));
	self->page = getpagesize();
	self->far = self->dev.bar_size - self->page;
	self->map = device_map(&self->dev, self->dev.bar_size, 0);
	ASSERT_NE(MAP_FAILED, self->map);
	if (device_fill(&self->dev, self->map))
		SKIP(return, "BAR %u of %s does not keep what is written",
		     self->dev.bar, bdf[0]);
}

FIXTURE_TEARDOWN(disabled_bar)
{
	file_write(PARAMETER, "sigbus");
	device_close(&self->dev);
}

TEST_F(disabled_bar, reads_ones)
{
	ASSERT_EQ(0, policy_set(&self->dev, ONES_POLICY));
	ASSERT_EQ(0, decode_set(&self->dev, false, 2));
	EXPECT_ONES(self->map);
	EXPECT_ONES(self->map + self->page - 4);
	EXPECT_ONES(self->map + self->far);
	ASSERT_EQ(0, decode_set(&self->dev, true, 2));
	EXPECT_DATA(0, self->map);
	EXPECT_DATA(self->far, self->map + self->far);
}

/* Writes go nowhere, and what may be read after them is gone the next time */
TEST_F(disabled_bar, drops_writes)
{
	int i;

	ASSERT_EQ(0, policy_set(&self->dev, ONES_POLICY));
	for (i = 0; i < 3; i++) {
		ASSERT_EQ(0, decode_set(&self->dev, false, 2));
		EXPECT_ONES(self->map);
		EXPECT_ONES(self->map + self->far);
		EXPECT_EQ(0, try_write(self->map, 0));
		EXPECT_EQ(0, try_write(self->map + self->far, 0));
		ASSERT_EQ(0, decode_set(&self->dev, true, 2));
		EXPECT_DATA(0, self->map);
		EXPECT_DATA(self->far, self->map + self->far);
	}
}

TEST_F(disabled_bar, new_mapping_reads_ones)
{
	void *map;

	ASSERT_EQ(0, policy_set(&self->dev, ONES_POLICY));
	ASSERT_EQ(0, decode_set(&self->dev, false, 2));
	map = device_map(&self->dev, self->page, 0);
	ASSERT_NE(MAP_FAILED, map);
	EXPECT_ONES(map);
	ASSERT_EQ(0, decode_set(&self->dev, true, 2));
	EXPECT_DATA(0, map);
}

TEST_F(disabled_bar, read_only_mapping_reads_ones)
{
	uint32_t value;
	void *map = mmap(NULL, self->page, PROT_READ, MAP_SHARED, self->dev.fd,
			 self->dev.bar_offset);

	ASSERT_NE(MAP_FAILED, map);
	ASSERT_EQ(0, policy_set(&self->dev, ONES_POLICY));
	ASSERT_EQ(0, decode_set(&self->dev, false, 2));
	EXPECT_ONES(map);
	EXPECT_EQ(SIGSEGV, try_write(map, 0));
	EXPECT_EQ(0, try_read(map, &value));
	EXPECT_EQ(ALL_ONES, value);
	ASSERT_EQ(0, decode_set(&self->dev, true, 2));
	EXPECT_DATA(0, map);
}

/* Wherever the page of ones got to, it goes when the device is back */
TEST_F(disabled_bar, restored_after_fork_mremap_split)
{
	size_t page = self->page;
	void *room = mmap(NULL, 3 * page, PROT_NONE,
			  MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	int on[2], status;
	char byte;
	pid_t pid;

	ASSERT_EQ(0, pipe(on));
	ASSERT_EQ(0, policy_set(&self->dev, ONES_POLICY));
	ASSERT_EQ(0, decode_set(&self->dev, false, 2));
	EXPECT_ONES(self->map);
	EXPECT_ONES(self->map + page);
	EXPECT_ONES(self->map + 4 * page);
	ASSERT_EQ(room + page, mremap(self->map, page, page,
				      MREMAP_MAYMOVE | MREMAP_FIXED,
				      room + page));
	ASSERT_EQ(0, mprotect(self->map + page, page, PROT_READ));
	ASSERT_EQ(0, munmap(self->map + 2 * page, page));

	pid = fork();
	if (!pid) {
		close(on[1]);
		EXPECT_EQ(1, read(on[0], &byte, 1));
		EXPECT_DATA(0, room + page);
		EXPECT_DATA(page, self->map + page);
		EXPECT_DATA(4 * page, self->map + 4 * page);
		_exit(_metadata->exit_code);
	}
	ASSERT_EQ(0, decode_set(&self->dev, true, 2));
	EXPECT_EQ(1, write(on[1], "", 1));
	EXPECT_DATA(0, room + page);
	EXPECT_DATA(page, self->map + page);
	EXPECT_DATA(4 * page, self->map + 4 * page);
	EXPECT_EQ(pid, waitpid(pid, &status, 0));
	EXPECT_EQ(0, status);
}

/* The policy may change at any time, and counts from then on */
TEST_F(disabled_bar, policy_changes_while_disabled)
{
	EXPECT_EQ(SIGBUS_POLICY, policy_get(&self->dev));
	ASSERT_EQ(0, decode_set(&self->dev, false, 2));
	EXPECT_SIGBUS(self->map);
	ASSERT_EQ(0, policy_set(&self->dev, ONES_POLICY));
	EXPECT_EQ(ONES_POLICY, policy_get(&self->dev));
	EXPECT_ONES(self->map);
	EXPECT_EQ(0, try_write(self->map, 0));
	ASSERT_EQ(0, policy_set(&self->dev, ONES_POLICY));
	EXPECT_ONES(self->map);
	ASSERT_EQ(0, policy_set(&self->dev, SIGBUS_POLICY));
	EXPECT_EQ(SIGBUS_POLICY, policy_get(&self->dev));
	EXPECT_SIGBUS(self->map);
	ASSERT_EQ(0, decode_set(&self->dev, true, 2));
	EXPECT_DATA(0, self->map);
}

/* read() and write() tell of a BAR that is off, whatever the policy */
TEST_F(disabled_bar, region_io_is_eio)
{
	uint32_t value = 0;

	ASSERT_EQ(0, policy_set(&self->dev, ONES_POLICY));
	ASSERT_EQ(0, decode_set(&self->dev, false, 2));
	EXPECT_EQ(-1, pread(self->dev.fd, &value, 4, self->dev.bar_offset));
	EXPECT_EQ(EIO, errno);
	EXPECT_EQ(-1, pwrite(self->dev.fd, &value, 4, self->dev.bar_offset));
	EXPECT_EQ(EIO, errno);
}

/* Fresh pages, of this device alone, come and go under those who use them */
#define USERS 4
#define TOGGLES 1000

struct user {
	pthread_t thread;
	uint32_t *word;
	uint32_t data;
	bool *stop;
	unsigned long n_data, n_ones, n_wrong, n_signals;
	uint32_t wrong;
};

static void *use(void *arg)
{
	struct user *user = arg;
	uint32_t value;

	while (!__atomic_load_n(user->stop, __ATOMIC_RELAXED)) {
		if (try_read(user->word, &value))
			user->n_signals++;
		else if (value == user->data)
			user->n_data++;
		else if (value == ALL_ONES)
			user->n_ones++;
		else if (!user->n_wrong++)
			user->wrong = value;
		/* The device keeps it, and it tells nothing of a page of ones */
		if (try_write(user->word + 1, ALL_ONES))
			user->n_signals++;
	}
	return NULL;
}

TEST_F(disabled_bar, toggles_under_load)
{
	unsigned long data = 0, ones = 0;
	struct user user[USERS] = {};
	bool stop = false;
	int i;

	ASSERT_EQ(0, policy_set(&self->dev, ONES_POLICY));
	for (i = 0; i < USERS; i++) {
		off_t offset = self->dev.bar_size / USERS * i;

		user[i].word = self->map + offset;
		user[i].data = device_word(offset);
		user[i].stop = &stop;
		ASSERT_EQ(0, pthread_create(&user[i].thread, NULL, use,
					    &user[i]));
	}
	for (i = 0; i < TOGGLES && !_metadata->exit_code; i++) {
		ASSERT_EQ(0, decode_set(&self->dev, false, 2));
		EXPECT_ONES(self->map);
		ASSERT_EQ(0, decode_set(&self->dev, true, 2));
		/* No page of ones outlives the write that turns the device on */
		EXPECT_DATA(0, self->map);
		EXPECT_DATA(self->far, self->map + self->far);
	}
	__atomic_store_n(&stop, true, __ATOMIC_RELAXED);
	for (i = 0; i < USERS; i++) {
		pthread_join(user[i].thread, NULL);
		EXPECT_EQ(0, user[i].n_signals);
		EXPECT_EQ(0, user[i].n_wrong)
			TH_LOG("thread %d, first: 0x%x", i, user[i].wrong);
		data += user[i].n_data;
		ones += user[i].n_ones;
	}
	TH_LOG("%lu reads with data, %lu with ones", data, ones);
	EXPECT_NE(0, data);
	EXPECT_NE(0, ones);
}

/* One page a device, whatever is mapped of it, and no other device has it */
TEST_F(disabled_bar, page_is_of_one_device)
{
	struct device other;
	uint32_t word = 0x0123;
	void *map;
	size_t i;

	ASSERT_EQ(0, device_open(&other, bdf[1], self->dev.container, -1));
	map = device_map(&other, self->page, 0);
	ASSERT_NE(MAP_FAILED, map);
	ASSERT_EQ(0, policy_set(&self->dev, ONES_POLICY));
	ASSERT_EQ(0, policy_set(&other, ONES_POLICY));
	ASSERT_EQ(0, decode_set(&self->dev, false, 2));
	ASSERT_EQ(0, decode_set(&other, false, 2));

	ASSERT_EQ(0, try_write(self->map, word));
	for (i = 0; i < self->page; i += 4)
		EXPECT_ONES(map + i);

	/* The other one is turned on: this one stays as it is */
	ASSERT_EQ(0, decode_set(&other, true, 2));
	word = 0;
	ASSERT_EQ(0, try_read(self->map, &word));
	EXPECT_EQ(0x0123, word);
	device_close(&other);
}

/* A driver that rings doorbells must still find ones where the status was */
TEST_F(disabled_bar, page_is_of_one_page_of_bar)
{
	size_t page, other, pages = 64;
	uint32_t value;

	if (self->dev.bar_size < 2 * self->page)
		SKIP(return, "the BAR has one page");
	if (pages > self->dev.bar_size / self->page)
		pages = self->dev.bar_size / self->page;
	ASSERT_EQ(0, policy_set(&self->dev, ONES_POLICY));
	ASSERT_EQ(0, decode_set(&self->dev, false, 2));
	for (page = 0; page < pages; page++) {
		ASSERT_EQ(0, try_write(self->map + page * self->page, page));
		for (other = 0; other < pages; other++) {
			if (other == page)
				continue;
			ASSERT_EQ(0, try_read(self->map + other * self->page, &value));
			/* What was written there, or ones: nothing of another page */
			if (value != other)
				ASSERT_EQ(-1U, value);
		}
	}
}

/* Who opens the device next finds nothing of what was written */
TEST_F(disabled_bar, next_opener_reads_ones)
{
	uint32_t *map = self->map;
	size_t i;

	ASSERT_EQ(0, policy_set(&self->dev, ONES_POLICY));
	ASSERT_EQ(0, decode_set(&self->dev, false, 2));
	ASSERT_EQ(0, try_write(map, 0));
	memset(map, 0x5e, self->page);
	ASSERT_EQ(0, munmap(map, self->dev.bar_size));
	device_close(&self->dev);

	ASSERT_EQ(0, device_open(&self->dev, bdf[0], -1, -1));
	EXPECT_EQ(SIGBUS_POLICY, policy_get(&self->dev));
	ASSERT_EQ(0, policy_set(&self->dev, ONES_POLICY));
	ASSERT_EQ(0, decode_set(&self->dev, false, 2));
	map = device_map(&self->dev, self->page, 0);
	ASSERT_NE(MAP_FAILED, map);
	for (i = 0; i < self->page / 4; i++)
		ASSERT_EQ(ALL_ONES, map[i])
			TH_LOG("word %zu", i);
}

/* A mapping holds the device open, and so the page */
TEST_F(disabled_bar, page_outlives_opener)
{
	int closed[2], status;
	char byte;
	pid_t pid;

	ASSERT_EQ(0, pipe(closed));
	ASSERT_EQ(0, policy_set(&self->dev, ONES_POLICY));
	ASSERT_EQ(0, decode_set(&self->dev, false, 2));
	EXPECT_EQ(0, try_write(self->map, 0x0123));
	pid = fork();
	if (!pid) {
		uint32_t value = 0;

		close(closed[1]);
		device_close(&self->dev);
		EXPECT_EQ(1, read(closed[0], &byte, 1));
		EXPECT_EQ(0, try_read(self->map, &value));
		EXPECT_EQ(0x0123, value);
		_exit(_metadata->exit_code);
	}
	munmap(self->map, self->dev.bar_size);
	device_close(&self->dev);
	EXPECT_EQ(1, write(closed[1], "", 1));
	EXPECT_EQ(pid, waitpid(pid, &status, 0));
	EXPECT_EQ(0, status);
}

TEST_F(disabled_bar, refuses_type1_map)
{
	ASSERT_EQ(0, policy_set(&self->dev, ONES_POLICY));
	ASSERT_EQ(0, decode_set(&self->dev, false, 2));
	/* Not mapped yet, one page, all */
	EXPECT_EQ(-EFAULT, dma_map(&self->dev, self->map, self->page, IOVA));
	EXPECT_ONES(self->map);
	EXPECT_EQ(-EFAULT, dma_map(&self->dev, self->map, self->page, IOVA));
	EXPECT_NE(-1, touch_pages(self->map, self->dev.bar_size));
	EXPECT_EQ(-EFAULT, dma_map(&self->dev, self->map, self->dev.bar_size,
				   IOVA));
	/* What begins with memory that can be mapped, and goes on with the page */
	ASSERT_EQ(self->map, mmap(self->map, self->page, PROT_READ | PROT_WRITE,
				  MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1,
				  0));
	EXPECT_EQ(-EFAULT, dma_map(&self->dev, self->map, 2 * self->page,
				   IOVA));
	ASSERT_EQ(0, decode_set(&self->dev, true, 2));
	EXPECT_EQ(0, dma_map(&self->dev, self->map, 2 * self->page, IOVA));
	EXPECT_EQ(0, dma_unmap(&self->dev, 2 * self->page, IOVA));
}

/* The word that a file holds, or "" */
static const char *contents(const char *path)
{
	static char value[16];
	FILE *file = fopen(path, "r");

	if (!file || fscanf(file, "%15s", value) != 1)
		*value = 0;
	if (file)
		fclose(file);
	return value;
}

/* The attribute of the VFIO device, by its path */
static const char *attribute(void)
{
	static char path[PATH_MAX];
	glob_t found;

	snprintf(path, sizeof(path),
		 "/sys/bus/pci/devices/%s/vfio-dev/vfio*/disabled_bar", bdf[0]);
	if (glob(path, 0, NULL, &found))
		return "";
	snprintf(path, sizeof(path), "%s", found.gl_pathv[0]);
	globfree(&found);
	return path;
}

static int open_and_map_again(struct device *dev, void **map)
{
	int ret;

	munmap(*map, dev->bar_size);
	device_close(dev);
	ret = device_open(dev, bdf[0], -1, -1);
	if (!ret)
		*map = device_map(dev, dev->bar_size, 0);
	return ret;
}

/* The administrator's choice is for who opens the device later */
TEST_F(disabled_bar, attribute_is_default)
{
	struct debugfs_mappings mappings;

	EXPECT_STREQ("sigbus", contents(attribute()));
	EXPECT_EQ(0, file_write(attribute(), "ones"));
	EXPECT_STREQ("ones", contents(attribute()));
	EXPECT_EQ(SIGBUS_POLICY, policy_get(&self->dev));

	ASSERT_EQ(0, open_and_map_again(&self->dev, &self->map));
	EXPECT_EQ(ONES_POLICY, policy_get(&self->dev));
	ASSERT_EQ(0, decode_set(&self->dev, false, 2));
	EXPECT_ONES(self->map);
	ASSERT_EQ(0, debugfs_read(&mappings, bdf[0]));
	EXPECT_EQ(0, strcmp("ones", mappings.policy));

	/* Who knows of it may choose otherwise */
	ASSERT_EQ(0, policy_set(&self->dev, SIGBUS_POLICY));
	EXPECT_SIGBUS(self->map);
	ASSERT_EQ(0, debugfs_read(&mappings, bdf[0]));
	EXPECT_EQ(0, strcmp("sigbus", mappings.policy));

	EXPECT_EQ(-EINVAL, file_write(attribute(), "zeroes"));
	EXPECT_EQ(-EINVAL, file_write(attribute(), "\n"));
	EXPECT_STREQ("ones", contents(attribute()));
	EXPECT_EQ(0, file_write(attribute(), "sigbus\n"));
}

/* The parameter is for devices that are bound later */
TEST_F(disabled_bar, parameter_is_default_of_attribute)
{
	int uevents = uevent_open();

	ASSERT_LE(0, uevents);
	munmap(self->map, self->dev.bar_size);
	device_close(&self->dev);

	EXPECT_STREQ("sigbus", contents(PARAMETER));
	EXPECT_EQ(-EINVAL, file_write(PARAMETER, "zeroes"));
	EXPECT_EQ(0, file_write(PARAMETER, "ones"));
	EXPECT_STREQ("ones", contents(PARAMETER));
	EXPECT_STREQ("sigbus", contents(attribute()));
	ASSERT_EQ(0, sysfs_write(bdf[0], "driver/unbind", bdf[0]));
	ASSERT_EQ(0, vfio_bind(bdf[0], uevents));
	EXPECT_STREQ("ones", contents(attribute()));
	EXPECT_EQ(0, file_write(PARAMETER, "sigbus"));
	EXPECT_EQ(0, file_write(attribute(), "sigbus"));

	close(uevents);
	ASSERT_EQ(0, device_open(&self->dev, bdf[0], -1, -1));
	EXPECT_EQ(SIGBUS_POLICY, policy_get(&self->dev));
}

/* Or as many as the environment has in ROUNDS */
#define ROUNDS 1000

static long free_pages(void)
{
	struct sysinfo info;

	return sysinfo(&info) ? -1 : info.freeram * info.mem_unit / getpagesize();
}

/* KASAN keeps what is freed for a while */
static void shrink_slabs(void)
{
	glob_t files;
	size_t i;

	if (glob("/sys/kernel/slab/*/shrink", 0, NULL, &files))
		return;
	for (i = 0; i < files.gl_pathc; i++)
		file_write(files.gl_pathv[i], "1");
	globfree(&files);
}

/* What goes on beside it may take some pages once, but not each time */
TEST_F(disabled_bar, rounds_leave_nothing)
{
	const char *wanted = getenv("ROUNDS");
	int i, tries = 3, rounds = wanted ? atoi(wanted) : ROUNDS;
	long before = 0, after;

	munmap(self->map, self->dev.bar_size);
	do {
		for (i = -100; i < rounds; i++) {
			/* Not before all that is allocated once has been */
			if (!i) {
				shrink_slabs();
				before = free_pages();
			}
			close(self->dev.fd);
			self->dev.fd = ioctl(self->dev.group, VFIO_GROUP_GET_DEVICE_FD,
					     bdf[0]);
			ASSERT_LE(0, self->dev.fd);
			ASSERT_EQ(0, policy_set(&self->dev, ONES_POLICY));
			self->map = device_map(&self->dev, self->page, 0);
			ASSERT_NE(MAP_FAILED, self->map);
			ASSERT_EQ(0, decode_set(&self->dev, false, 2));
			EXPECT_ONES(self->map);
			ASSERT_EQ(0, munmap(self->map, self->page));
			if (_metadata->exit_code)
				break;
		}
		shrink_slabs();
		after = free_pages();
		TH_LOG("%ld pages free before %d rounds, %ld after", before, rounds,
		       after);
	} while (before - after >= rounds / 5 && --tries);
	EXPECT_LT(before - after, rounds / 5);
}

FIXTURE(asleep)
{
	struct device dev;
	uint32_t awake;
	void *map;
};

FIXTURE_VARIANT(asleep)
{
	bool low_power;
};

FIXTURE_VARIANT_ADD(asleep, d3hot) { .low_power = false };
FIXTURE_VARIANT_ADD(asleep, low_power) { .low_power = true };

FIXTURE_SETUP(asleep)
{
	ASSERT_EQ(0, device_open(&self->dev, bdf[1], -1, -1));
	self->map = device_map(&self->dev, getpagesize(), 0);
	ASSERT_NE(MAP_FAILED, self->map);
	ASSERT_EQ(0, try_read(self->map, &self->awake));
	ASSERT_NE(ALL_ONES, self->awake);
}

FIXTURE_TEARDOWN(asleep)
{
	device_close(&self->dev);
}

static int sleep_set(struct device *dev, bool low_power, bool asleep)
{
	return low_power ? low_power_set(dev, asleep) :
			   power_set(dev, asleep ? 3 : 0);
}

TEST_F(asleep, reads_ones)
{
	uint32_t value;
	int i;

	ASSERT_EQ(0, policy_set(&self->dev, ONES_POLICY));
	for (i = 0; i < 5; i++) {
		ASSERT_EQ(0, sleep_set(&self->dev, variant->low_power, true));
		EXPECT_ONES(self->map);
		EXPECT_EQ(0, try_write(self->map, 0));
		ASSERT_EQ(0, sleep_set(&self->dev, variant->low_power, false));
		EXPECT_EQ(0, try_read(self->map, &value));
		EXPECT_EQ(self->awake, value);
	}
}

/* The PCI core wakes a device that it resets */
TEST_F(asleep, reads_ones_after_reset_by_others)
{
	uint32_t value;

	ASSERT_EQ(0, policy_set(&self->dev, ONES_POLICY));
	ASSERT_EQ(0, sleep_set(&self->dev, variant->low_power, true));
	EXPECT_ONES(self->map);
	ASSERT_EQ(0, try_write(self->map, 0x1234));
	ASSERT_EQ(0, sysfs_write(bdf[1], "reset", "1"));
	if (variant->low_power)
		ASSERT_EQ(0, sleep_set(&self->dev, true, false));
	EXPECT_EQ(0, try_read(self->map, &value));
	EXPECT_EQ(self->awake, value);
	ASSERT_EQ(0, decode_set(&self->dev, false, 2));
	EXPECT_ONES(self->map);
	ASSERT_EQ(0, decode_set(&self->dev, true, 2));
}

/* A reset takes the device to D0; decode stays as it was */
TEST_F(asleep, restored_after_reset)
{
	uint32_t value;

	ASSERT_EQ(0, policy_set(&self->dev, ONES_POLICY));
	ASSERT_EQ(0, power_set(&self->dev, 3));
	EXPECT_ONES(self->map);
	ASSERT_EQ(0, try_write(self->map, 0));
	ASSERT_EQ(0, ioctl(self->dev.fd, VFIO_DEVICE_RESET));
	EXPECT_EQ(0, try_read(self->map, &value));
	EXPECT_EQ(self->awake, value);

	ASSERT_EQ(0, decode_set(&self->dev, false, 2));
	EXPECT_ONES(self->map);
	ASSERT_EQ(0, sysfs_write(bdf[1], "reset", "1"));
	EXPECT_ONES(self->map);
	ASSERT_EQ(0, decode_set(&self->dev, true, 2));
	EXPECT_EQ(0, try_read(self->map, &value));
	EXPECT_EQ(self->awake, value);
}

int main(int argc, char **argv)
{
	device_arguments(&argc, argv, bdf, 2);
	return test_harness_run(argc, argv);
}
