// SPDX-License-Identifier: GPL-2.0-only
/*
 * A pool of processes that read a BAR in step
 */
#include <signal.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "access.h"
#include "device.h"
#include "reader_pool.h"

struct reader_pool *reader_pool_create(int members)
{
	struct reader_pool *pool = mmap(NULL, sizeof(*pool), PROT_READ | PROT_WRITE,
					MAP_SHARED | MAP_ANONYMOUS, -1, 0);

	if (pool == MAP_FAILED)
		abort();
	/* Members that children fork are to be waited for as well */
	prctl(PR_SET_CHILD_SUBREAPER, 1);
	pool->members = members;
	return pool;
}

static int load(int *value)
{
	return __atomic_load_n(value, __ATOMIC_SEQ_CST);
}

static void store(int *value, int new_value)
{
	__atomic_store_n(value, new_value, __ATOMIC_SEQ_CST);
}

void reader_pool_join(struct reader_pool *pool, int id, const void *addr)
{
	int step = 0;

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	for (;;) {
		while (load(&pool->step) == step)
			usleep(100);
		step = load(&pool->step);
		if (step < 0)
			_exit(0);
		pool->seen[id].sig = try_read(addr, &pool->seen[id].value);
		__atomic_add_fetch(&pool->done, 1, __ATOMIC_SEQ_CST);
	}
}

void reader_pool_step(struct reader_pool *pool)
{
	store(&pool->done, 0);
	store(&pool->step, pool->step + 1);
	while (load(&pool->done) < pool->members)
		usleep(100);
}

void reader_pool_dismiss(struct reader_pool *pool)
{
	store(&pool->step, -1);
}

void reader_pool_end(struct reader_pool *pool)
{
	reader_pool_dismiss(pool);
	while (wait(NULL) > 0)
		;
	munmap(pool, sizeof(*pool));
}
