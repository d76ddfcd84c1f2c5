// SPDX-License-Identifier: GPL-2.0-only
/*
 * Decode off and on under several processes that map the BAR
 */
#include <signal.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "../../kselftest_harness.h"
#include "access.h"
#include "device.h"
#include "reader_pool.h"

static const char *bdf;

FIXTURE(fork)
{
	struct device dev;
	size_t page;
	void *map;
};

FIXTURE_SETUP(fork)
{
	ASSERT_EQ(0, device_open(&self->dev, bdf, -1, -1));
	self->page = getpagesize();
	self->map = device_map(&self->dev, self->dev.bar_size, 0);
	ASSERT_NE(MAP_FAILED, self->map);
	if (device_fill(&self->dev, self->map))
		SKIP(return, "BAR %u of %s does not keep what is written",
		     self->dev.bar, bdf);
}

FIXTURE_TEARDOWN(fork)
{
	device_close(&self->dev);
}

#define EXPECT_ALL_SIGBUS(who) do {					\
	struct reader_pool *_pool = who;					\
	int _id;							\
									\
	reader_pool_step(_pool);						\
	for (_id = 0; _id < _pool->members; _id++)			\
		EXPECT_EQ(SIGBUS, _pool->seen[_id].sig)		\
			TH_LOG("member %d read 0x%x from the disabled BAR", \
			       _id, _pool->seen[_id].value);		\
} while (0)

#define EXPECT_ALL_DATA(who) do {					\
	struct reader_pool *_pool = who;					\
	int _id;							\
									\
	reader_pool_step(_pool);						\
	for (_id = 0; _id < _pool->members; _id++) {			\
		EXPECT_EQ(0, _pool->seen[_id].sig)			\
			TH_LOG("member %d got a signal", _id);		\
		EXPECT_EQ(device_word(0), _pool->seen[_id].value)	\
			TH_LOG("in member %d", _id);			\
	}								\
} while (0)

/* Children, one of which forks again and one of which maps for itself */
static struct reader_pool *fork_pool(struct device *dev, void *map)
{
	struct reader_pool *pool = reader_pool_create(4);
	int id;

	for (id = 0; id < 3; id++) {
		if (fork())
			continue;
		if (id == 1 && !fork())
			reader_pool_join(pool, 3, map);
		if (id == 2)
			map = device_map(dev, getpagesize(), 0);
		reader_pool_join(pool, id, map);
	}
	return pool;
}

TEST_F(fork, disabled_in_children)
{
	struct reader_pool *pool = fork_pool(&self->dev, self->map);

	EXPECT_ALL_DATA(pool);
	ASSERT_EQ(0, decode_set(&self->dev, false, 2));
	EXPECT_SIGBUS(self->map);
	EXPECT_ALL_SIGBUS(pool);
	ASSERT_EQ(0, decode_set(&self->dev, true, 2));
	EXPECT_DATA(0, self->map);
	EXPECT_ALL_DATA(pool);
	reader_pool_end(pool);
}

TEST_F(fork, forked_while_disabled)
{
	struct reader_pool *pool;

	ASSERT_EQ(0, decode_set(&self->dev, false, 2));
	pool = fork_pool(&self->dev, self->map);
	EXPECT_ALL_SIGBUS(pool);
	ASSERT_EQ(0, decode_set(&self->dev, true, 2));
	EXPECT_ALL_DATA(pool);
	reader_pool_end(pool);
}

/* The children keep the mapping, and the device, when the parent lets go */
TEST_F(fork, disabled_after_parent_unmaps)
{
	struct reader_pool *pool = fork_pool(&self->dev, self->map);

	EXPECT_ALL_DATA(pool);
	ASSERT_EQ(0, munmap(self->map, self->dev.bar_size));
	ASSERT_EQ(0, decode_set(&self->dev, false, 2));
	EXPECT_ALL_SIGBUS(pool);
	ASSERT_EQ(0, decode_set(&self->dev, true, 2));
	EXPECT_ALL_DATA(pool);
	reader_pool_end(pool);
}

/* Processes that exit in any order leave the mapping of the others alone */
TEST_F(fork, survives_exit_of_others)
{
	struct reader_pool *early, *late = reader_pool_create(1);
	pid_t pid = fork();

	if (!pid)
		reader_pool_join(late, 0, self->map);

	early = fork_pool(&self->dev, self->map);
	EXPECT_ALL_DATA(early);
	reader_pool_dismiss(early);
	while (waitpid(-1, NULL, WNOHANG) >= 0 && early->members--)
		usleep(1000);

	EXPECT_ALL_DATA(late);
	ASSERT_EQ(0, munmap(self->map, self->dev.bar_size));
	EXPECT_ALL_DATA(late);
	reader_pool_end(late);
}

int main(int argc, char **argv)
{
	device_arguments(&argc, argv, &bdf, 1);
	return test_harness_run(argc, argv);
}
