// SPDX-License-Identifier: GPL-2.0-only
/*
 * Decode off and on under several processes that map the BAR, by leaves of each
 * size, and while they fork
 */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "harness.h"
#include "access.h"
#include "device.h"
#include "reader_pool.h"
#include "samples.h"
#include "sysfs.h"

/* test_modules/fork_delay.c */
#define FORK_DELAY "/sys/module/fork_delay/parameters/"

/* Forks that race with a zap, and leaves that each of them has to copy */
#define RACES 100
#define RACE_LEAVES 256

static const char *bdf;

FIXTURE(fork)
{
	struct device dev;
	struct samples samples;
	void *map;
};

FIXTURE_VARIANT(fork)
{
	enum level level;
};

FIXTURE_VARIANT_ADD(fork, leaf_4k) { .level = PTE };
FIXTURE_VARIANT_ADD(fork, leaf_2m) { .level = PMD };
FIXTURE_VARIANT_ADD(fork, leaf_1g) { .level = PUD };

FIXTURE_SETUP(fork)
{
	int ret;

	ASSERT_EQ(0, device_open(&self->dev, bdf, -1, -1));
	ret = samples_create(&self->samples, &self->dev, leaf_size(variant->level));
	if (ret == -EOPNOTSUPP)
		SKIP(return, "%s", self->samples.text);
	ASSERT_EQ(0, ret)
		TH_LOG("%s", self->samples.text);
	self->map = self->samples.map;
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
	ASSERT_EQ(0, munmap(self->map, self->samples.size));
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
	ASSERT_EQ(0, munmap(self->map, self->samples.size));
	EXPECT_ALL_DATA(late);
	reader_pool_end(late);
}

/**
 * struct race - A process that forks, its child, and the test, which disables the BAR
 * @map: the leaves
 * @leaf: their size
 * @leaves: how many of them
 * @pid: the process that forks
 * @go: the round; -1 is the last one; atomic
 * @forked: the round in which the process has forked; atomic
 * @look: the round in which the BAR is disabled, and the child may look; atomic
 * @looked: the round in which the child has looked; atomic
 * @reads: how many leaves the child could read, and the last of them
 * @offset: where in the BAR that is
 * @value: what it gave
 */
struct race {
	void *map;
	size_t leaf;
	int leaves;
	pid_t pid;
	int go, forked, look, looked;
	int reads;
	off_t offset;
	uint32_t value;
};

static void reach(int *step, int round)
{
	__atomic_store_n(step, round, __ATOMIC_SEQ_CST);
}

static int step(int *step)
{
	return __atomic_load_n(step, __ATOMIC_SEQ_CST);
}

static void look(struct race *race, int round)
{
	int i;

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	while (step(&race->look) != round)
		usleep(100);
	race->reads = 0;
	for (i = 0; i < race->leaves; i++) {
		if (try_read(race->map + i * race->leaf, &race->value))
			continue;
		race->reads++;
		race->offset = i * race->leaf;
	}
	reach(&race->looked, round);
	_exit(0);
}

static void fork_in_each_round(struct race *race)
{
	uint32_t value;
	int round, i;

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	for (round = 1;; round++) {
		for (i = 0; i < race->leaves; i++)
			try_read(race->map + i * race->leaf, &value);
		reach(&race->forked, 1 - round);
		while (step(&race->go) != round)
			if (step(&race->go) < 0)
				_exit(0);
		if (!fork())
			look(race, round);
		reach(&race->forked, round);
		while (wait(NULL) > 0)
			;
	}
}

static struct race *race_start(struct samples *samples)
{
	struct race *race = mmap(NULL, sizeof(*race), PROT_READ | PROT_WRITE,
				 MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	pid_t pid;

	if (race == MAP_FAILED)
		abort();
	race->map = samples->map;
	race->leaf = samples->leaf;
	race->leaves = samples->size / samples->leaf;
	if (race->leaves > RACE_LEAVES)
		race->leaves = RACE_LEAVES;
	race->forked = 1;
	pid = fork();
	if (!pid)
		fork_in_each_round(race);
	race->pid = pid;
	return race;
}

/* Wait until the process is about to fork in @round */
static void race_ready(struct race *race, int round)
{
	while (step(&race->forked) != 1 - round)
		usleep(100);
}

/* Have the child look; how many leaves could it read? */
static int race_look(struct race *race, int round)
{
	while (step(&race->forked) != round)
		usleep(100);
	reach(&race->look, round);
	while (step(&race->looked) != round)
		usleep(100);
	return race->reads;
}

static void race_end(struct race *race)
{
	reach(&race->go, -1);
	waitpid(race->pid, NULL, 0);
	munmap(race, sizeof(*race));
}

/* A fork() and a zap at any moment of each other: no entry may be left in the child */
TEST_F(fork, disabled_as_it_forks)
{
	struct race *race = race_start(&self->samples);
	int round, i, reads = 0;

	for (round = 1; round <= RACES && !reads; round++) {
		race_ready(race, round);
		reach(&race->go, round);
		for (i = 0; i < round * 10; i++)
			step(&race->go);
		ASSERT_EQ(0, decode_set(&self->dev, false, 2));
		reads = race_look(race, round);
		ASSERT_EQ(0, decode_set(&self->dev, true, 2));
	}
	EXPECT_EQ(0, reads)
		TH_LOG("the child of round %d read 0x%x at 0x%llx of the disabled BAR",
		       round - 1, race->value, (long long)race->offset);
	race_end(race);
}

static int held(void)
{
	FILE *file = fopen(FORK_DELAY "held", "r");
	int n = -1;

	if (file && fscanf(file, "%d", &n) != 1)
		n = -1;
	if (file)
		fclose(file);
	return n;
}

/* The zap comes just before fork() takes the locks to copy a leaf: it must read it then */
TEST_F(fork, disabled_before_leaf_is_copied)
{
	struct race *race;
	char pid[16];
	int before, i;

	if (held() < 0)
		SKIP(return, "the module fork_delay is not there");
	if (variant->level == PTE)
		SKIP(return, "the module fork_delay holds no copy of pages");

	race = race_start(&self->samples);
	race_ready(race, 1);
	before = held();
	snprintf(pid, sizeof(pid), "%d", race->pid);
	ASSERT_EQ(0, file_write(FORK_DELAY "hold", pid));
	reach(&race->go, 1);
	for (i = 0; i < PATIENCE * 1000 && held() == before && step(&race->forked) != 1; i++)
		usleep(1000);
	EXPECT_NE(before, held())
		TH_LOG("fork() copied no leaf");
	ASSERT_EQ(0, decode_set(&self->dev, false, 2));
	ASSERT_EQ(0, file_write(FORK_DELAY "hold", "0"));
	EXPECT_EQ(0, race_look(race, 1))
		TH_LOG("the child read 0x%x at 0x%llx of the disabled BAR",
		       race->value, (long long)race->offset);
	ASSERT_EQ(0, decode_set(&self->dev, true, 2));
	race_end(race);
}

int main(int argc, char **argv)
{
	device_arguments(&argc, argv, &bdf, 1);
	return test_harness_run(argc, argv);
}
