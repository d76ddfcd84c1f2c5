// SPDX-License-Identifier: GPL-2.0-only
/*
 * Decode off and on under several processes that map the BAR
 *
 * Tests named zap_* fail on a kernel that leaves mappings in place.
 */
#include <signal.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "../../kselftest_harness.h"
#include "crowd.h"
#include "device.h"

static const char *bdf;

FIXTURE(process)
{
	struct device dev;
	size_t page;
	void *map;
};

FIXTURE_SETUP(process)
{
	ASSERT_EQ(0, device_open(&self->dev, bdf, -1, -1));
	self->page = getpagesize();
	self->map = device_map(&self->dev, self->dev.bar_size, 0);
	ASSERT_NE(MAP_FAILED, self->map);
	if (device_fill(&self->dev, self->map))
		SKIP(return, "BAR %u of %s does not keep what is written",
		     self->dev.bar, bdf);
}

FIXTURE_TEARDOWN(process)
{
	device_close(&self->dev);
}

#define EXPECT_ALL_SIGBUS(who) do {					\
	struct crowd *_crowd = who;					\
	int _id;							\
									\
	crowd_step(_crowd);						\
	for (_id = 0; _id < _crowd->members; _id++)			\
		EXPECT_EQ(SIGBUS, _crowd->seen[_id].sig)		\
			TH_LOG("member %d read 0x%x from the disabled BAR", \
			       _id, _crowd->seen[_id].value);		\
} while (0)

#define EXPECT_ALL_DATA(who) do {					\
	struct crowd *_crowd = who;					\
	int _id;							\
									\
	crowd_step(_crowd);						\
	for (_id = 0; _id < _crowd->members; _id++) {			\
		EXPECT_EQ(0, _crowd->seen[_id].sig)			\
			TH_LOG("member %d got a signal", _id);		\
		EXPECT_EQ(device_word(0), _crowd->seen[_id].value)	\
			TH_LOG("in member %d", _id);			\
	}								\
} while (0)

/* Children, one of which forks again and one of which maps for itself */
static struct crowd *fork_crowd(struct device *dev, void *map)
{
	struct crowd *crowd = crowd_create(4);
	int id;

	for (id = 0; id < 3; id++) {
		if (fork())
			continue;
		if (id == 1 && !fork())
			crowd_join(crowd, 3, map);
		if (id == 2)
			map = device_map(dev, getpagesize(), 0);
		crowd_join(crowd, id, map);
	}
	return crowd;
}

TEST_F(process, zap_forked)
{
	struct crowd *crowd = fork_crowd(&self->dev, self->map);

	EXPECT_ALL_DATA(crowd);
	ASSERT_EQ(0, decode_set(&self->dev, false, 2));
	EXPECT_SIGBUS(self->map);
	EXPECT_ALL_SIGBUS(crowd);
	ASSERT_EQ(0, decode_set(&self->dev, true, 2));
	EXPECT_DATA(0, self->map);
	EXPECT_ALL_DATA(crowd);
	crowd_end(crowd);
}

TEST_F(process, zap_forked_while_off)
{
	struct crowd *crowd;

	ASSERT_EQ(0, decode_set(&self->dev, false, 2));
	crowd = fork_crowd(&self->dev, self->map);
	EXPECT_ALL_SIGBUS(crowd);
	ASSERT_EQ(0, decode_set(&self->dev, true, 2));
	EXPECT_ALL_DATA(crowd);
	crowd_end(crowd);
}

/* The children keep the mapping, and the device, when the parent lets go */
TEST_F(process, zap_outlives_parent_mapping)
{
	struct crowd *crowd = fork_crowd(&self->dev, self->map);

	EXPECT_ALL_DATA(crowd);
	ASSERT_EQ(0, munmap(self->map, self->dev.bar_size));
	ASSERT_EQ(0, decode_set(&self->dev, false, 2));
	EXPECT_ALL_SIGBUS(crowd);
	ASSERT_EQ(0, decode_set(&self->dev, true, 2));
	EXPECT_ALL_DATA(crowd);
	crowd_end(crowd);
}

/* Processes that exit in any order leave the mapping of the others alone */
TEST_F(process, exit_order)
{
	struct crowd *early, *late = crowd_create(1);
	pid_t pid = fork();

	if (!pid)
		crowd_join(late, 0, self->map);

	early = fork_crowd(&self->dev, self->map);
	EXPECT_ALL_DATA(early);
	crowd_dismiss(early);
	while (waitpid(-1, NULL, WNOHANG) >= 0 && early->members--)
		usleep(1000);

	EXPECT_ALL_DATA(late);
	ASSERT_EQ(0, munmap(self->map, self->dev.bar_size));
	EXPECT_ALL_DATA(late);
	crowd_end(late);
}

int main(int argc, char **argv)
{
	device_arguments(&argc, argv, &bdf, 1);
	return test_harness_run(argc, argv);
}
