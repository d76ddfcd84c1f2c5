// SPDX-License-Identifier: GPL-2.0-only
/*
 * Many threads read and write while another turns decode off and on
 */
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "harness.h"
#include "access.h"
#include "device.h"
#include "sysfs.h"

#define READERS 6
#define TOGGLES 1000

static const char *bdf;

FIXTURE(race)
{
	struct device dev;
	void *map;
};

FIXTURE_SETUP(race)
{
	ASSERT_EQ(0, device_open(&self->dev, bdf, -1, -1));
	self->map = device_map(&self->dev, self->dev.bar_size, 0);
	ASSERT_NE(MAP_FAILED, self->map);
	if (device_fill(&self->dev, self->map))
		SKIP(return, "BAR %u of %s does not keep what is written",
		     self->dev.bar, bdf);
}

FIXTURE_TEARDOWN(race)
{
	device_close(&self->dev);
}

/* One thread: reads its page, and writes back what belongs there */
struct reader {
	pthread_t thread;
	void *map;
	off_t offset;
	const bool *stop;
	unsigned long data;	/* reads that gave the data */
	unsigned long bus;	/* accesses that raised SIGBUS */
	unsigned long stray;	/* reads that gave anything else */
	uint32_t first;		/* the first of those */
};

static void *read_loop(void *arg)
{
	struct reader *reader = arg;
	void *addr = reader->map + reader->offset;
	uint32_t value;

	while (!__atomic_load_n(reader->stop, __ATOMIC_RELAXED)) {
		if (try_read(addr, &value)) {
			reader->bus++;
			continue;
		}
		if (value == device_word(reader->offset))
			reader->data++;
		else if (!reader->stray++)
			reader->first = value;
		if (try_write(addr, device_word(reader->offset)))
			reader->bus++;
	}
	return NULL;
}

/**
 * struct readers - Threads that read all over a mapping
 * @reader: one each
 * @stop: sends them home; atomic
 */
struct readers {
	struct reader reader[READERS];
	bool stop;
};

static void readers_start(struct readers *readers, void *map, size_t size)
{
	int i;

	*readers = (struct readers){};
	for (i = 0; i < READERS; i++) {
		struct reader *reader = &readers->reader[i];

		reader->map = map;
		reader->offset = size / READERS * i & -getpagesize();
		reader->stop = &readers->stop;
		if (pthread_create(&reader->thread, NULL, read_loop, reader))
			abort();
	}
}

static void readers_end(struct __test_metadata *_metadata,
			struct readers *readers)
{
	unsigned long data = 0, bus = 0;
	int i;

	__atomic_store_n(&readers->stop, true, __ATOMIC_RELAXED);
	for (i = 0; i < READERS; i++) {
		struct reader *reader = &readers->reader[i];

		pthread_join(reader->thread, NULL);
		EXPECT_EQ(0, reader->stray)
			TH_LOG("thread %d reached the disabled BAR, first with 0x%x",
			       i, reader->first);
		EXPECT_DATA(reader->offset, reader->map + reader->offset);
		data += reader->data;
		bus += reader->bus;
	}
	TH_LOG("%lu reads with data, %lu accesses with SIGBUS", data, bus);
	EXPECT_NE(0, data);
	EXPECT_NE(0, bus);
}

static void toggle(struct __test_metadata *_metadata, struct device *dev)
{
	EXPECT_EQ(0, decode_set(dev, false, 2));
	sched_yield();
	EXPECT_EQ(0, decode_set(dev, true, 2));
	sched_yield();
}

TEST_F(race, disabled_under_readers)
{
	struct readers readers;
	int i;

	readers_start(&readers, self->map, self->dev.bar_size);
	for (i = 0; i < TOGGLES; i++)
		toggle(_metadata, &self->dev);
	readers_end(_metadata, &readers);
}

#define EVENTS "/sys/kernel/tracing/events/vfio_pci_mmap/enable"

/* Has a line with that text been traced? */
static bool traced(const char *text)
{
	FILE *file = fopen("/sys/kernel/tracing/trace", "r");
	bool found = false;
	char line[256];

	while (file && !found && fgets(line, sizeof(line), file))
		found = strstr(line, text);
	if (file)
		fclose(file);
	return found;
}

/*
 * Threads that fault at once in a range of one huge leaf, which keeps turning
 * from a VMA that can have it into pieces that cannot, and back
 */
TEST_F(race, disabled_as_leaves_change)
{
	size_t leaf = LEAF, page = getpagesize();
	struct readers readers;
	void *room, *map;
	bool traces;
	int i;

	if (self->dev.bar_size < leaf)
		SKIP(return, "BAR %u of %s is smaller than a huge leaf",
		     self->dev.bar, bdf);
	room = mmap(NULL, 2 * leaf, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1,
		    0);
	ASSERT_NE(MAP_FAILED, room);
	map = (void *)(((uintptr_t)room + leaf - 1) & -leaf);

	traces = !file_write(EVENTS, "1");
	ASSERT_EQ(map, mmap(map, leaf, PROT_READ | PROT_WRITE,
			    MAP_SHARED | MAP_FIXED, self->dev.fd,
			    self->dev.bar_offset));
	readers_start(&readers, map, leaf - page);
	for (i = 0; i < TOGGLES / 4; i++) {
		toggle(_metadata, &self->dev);
		/* The last page is not for the readers */
		ASSERT_EQ(0, mprotect(map + leaf - page, page, PROT_READ));
		toggle(_metadata, &self->dev);
		ASSERT_EQ(map, mmap(map, leaf, PROT_READ | PROT_WRITE,
				    MAP_SHARED | MAP_FIXED, self->dev.fd,
				    self->dev.bar_offset));
	}
	readers_end(_metadata, &readers);
	if (traces) {
		EXPECT_TRUE(traced("order 9 result 0x100"));
		EXPECT_TRUE(traced("order 0 result 0x100"));
		EXPECT_TRUE(traced("vfio_pci_mmap_zap:"));
		file_write(EVENTS, "0");
	}
}

int main(int argc, char **argv)
{
	device_arguments(&argc, argv, &bdf, 1);
	return test_harness_run(argc, argv);
}
