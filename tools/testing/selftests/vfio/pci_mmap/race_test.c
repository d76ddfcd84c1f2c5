// SPDX-License-Identifier: GPL-2.0-only
/*
 * Many threads read and write while another turns decode off and on
 *
 * Tests named zap_* fail on a kernel that leaves mappings in place.
 */
#include <pthread.h>
#include <signal.h>
#include <sys/mman.h>
#include <unistd.h>

#include "../../kselftest_harness.h"
#include "device.h"

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
	unsigned long leaked;	/* reads that gave anything else */
	uint32_t leak;		/* the first of those */
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
		else if (!reader->leaked++)
			reader->leak = value;
		if (try_write(addr, device_word(reader->offset)))
			reader->bus++;
	}
	return NULL;
}

TEST_F_TIMEOUT(race, zap_under_readers, 300)
{
	struct reader reader[READERS] = {};
	unsigned long data = 0, bus = 0;
	bool stop = false;
	int i;

	for (i = 0; i < READERS; i++) {
		reader[i].map = self->map;
		reader[i].offset = self->dev.bar_size / READERS * i &
				   -getpagesize();
		reader[i].stop = &stop;
		ASSERT_EQ(0, pthread_create(&reader[i].thread, NULL, read_loop,
					    &reader[i]));
	}
	for (i = 0; i < TOGGLES; i++) {
		EXPECT_EQ(0, decode_set(&self->dev, false, 2));
		sched_yield();
		EXPECT_EQ(0, decode_set(&self->dev, true, 2));
		sched_yield();
	}
	__atomic_store_n(&stop, true, __ATOMIC_RELAXED);
	for (i = 0; i < READERS; i++) {
		pthread_join(reader[i].thread, NULL);
		EXPECT_EQ(0, reader[i].leaked)
			TH_LOG("thread %d reached the disabled BAR, first with 0x%x",
			       i, reader[i].leak);
		EXPECT_DATA(reader[i].offset, self->map + reader[i].offset);
		data += reader[i].data;
		bus += reader[i].bus;
	}
	TH_LOG("%d toggles, %lu reads with data, %lu accesses with SIGBUS",
	       TOGGLES, data, bus);
	EXPECT_NE(0, data);
	EXPECT_NE(0, bus);
}

int main(int argc, char **argv)
{
	device_arguments(&argc, argv, &bdf, 1);
	return test_harness_run(argc, argv);
}
