// SPDX-License-Identifier: GPL-2.0-only
/*
 * Processes that access a BAR without a pause, and count what comes of it
 */
#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "hammer.h"

/* Where to look for a word that a device without memory never changes */
#define REGISTERS 64

static int by_load(struct hammer *hammer, uint32_t *value)
{
	return try_read(hammer->map + hammer->offset, value);
}

static int by_store(struct hammer *hammer, uint32_t *value)
{
	return try_write(hammer->map + hammer->offset, *value);
}

static int by_read(struct hammer *hammer, uint32_t *value)
{
	return pread(hammer->dev->fd, value, sizeof(*value),
		     hammer->dev->bar_offset + hammer->offset) < 0 ? -1 : 0;
}

static int by_write(struct hammer *hammer, uint32_t *value)
{
	return pwrite(hammer->dev->fd, value, sizeof(*value),
		      hammer->dev->bar_offset + hammer->offset) < 0 ? -1 : 0;
}

/**
 * struct access - One way to access the word
 * @how: its name
 * @once: do it; 0, the signal that it raised, or -1 if the call failed
 * @wakes: VFIO gets the device out of low power for it
 */
struct access {
	const char *how;
	int (*once)(struct hammer *hammer, uint32_t *value);
	bool wakes;
};

/* What each of the threads of a process does in turn, for ever */
static const struct access job[HAMMER_THREADS][2] = {
	{ { "load", by_load }, { "load", by_load } },
	{ { "store", by_store }, { "load after a store", by_load } },
	{ { "read()", by_read, true }, { "write()", by_write, true } },
};

static void access_once(struct hammer *hammer, struct hammer_count *count,
			const struct access *access)
{
	unsigned int window = __atomic_load_n(&hammer->window, __ATOMIC_SEQ_CST);
	unsigned int excuse = __atomic_load_n(&hammer->excuse, __ATOMIC_SEQ_CST);
	uint32_t value = hammer->word;
	bool in_window, excused;
	int ret;

	if (window % 2 && hammer->asleep && access->wakes) {
		usleep(100);
		return;
	}
	ret = access->once(hammer, &value);
	in_window = window % 2 &&
		window == __atomic_load_n(&hammer->window, __ATOMIC_SEQ_CST);
	excused = excuse % 2 ||
		excuse != __atomic_load_n(&hammer->excuse, __ATOMIC_SEQ_CST);

	__atomic_store_n(&count->accesses, count->accesses + 1,
			 __ATOMIC_RELAXED);
	if (ret > 0) {
		count->sigbus++;
	} else if (ret < 0) {
		count->errors++;
	} else if (value == hammer->word && !in_window) {
		return;
	} else if (excused) {
		count->before++;
	} else {
		count->leaks++;
		if (__atomic_exchange_n(&hammer->seen, true, __ATOMIC_SEQ_CST))
			return;
		hammer->leak.how = access->how;
		hammer->leak.value = value;
		hammer->leak.event = __atomic_load_n(&hammer->event,
						     __ATOMIC_RELAXED);
		hammer->leak.in_window = in_window;
	}
}

struct thread {
	pthread_t id;
	struct hammer *hammer;
	struct hammer_count *count;
	const struct access *job;
};

static void *work(void *arg)
{
	struct thread *thread = arg;

	while (!__atomic_load_n(&thread->hammer->stop, __ATOMIC_RELAXED)) {
		access_once(thread->hammer, thread->count, &thread->job[0]);
		access_once(thread->hammer, thread->count, &thread->job[1]);
	}
	return NULL;
}

static void process(struct hammer *hammer, int id)
{
	struct thread threads[HAMMER_THREADS];
	int i;

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	for (i = 0; i < HAMMER_THREADS; i++) {
		threads[i].hammer = hammer;
		threads[i].count = &hammer->count[id * HAMMER_THREADS + i];
		threads[i].job = job[i];
		if (pthread_create(&threads[i].id, NULL, work, &threads[i]))
			_exit(1);
	}
	for (i = 0; i < HAMMER_THREADS; i++)
		pthread_join(threads[i].id, NULL);
	_exit(0);
}

/* A word of memory; or else the first register that has something in it */
static int choose_word(struct hammer *hammer)
{
	off_t offset;

	if (!try_write(hammer->map, device_word(0)) &&
	    !try_read(hammer->map, &hammer->word) &&
	    hammer->word == device_word(0)) {
		hammer->offset = 0;
		return 0;
	}
	for (offset = 0; offset < REGISTERS; offset += sizeof(uint32_t)) {
		if (try_read(hammer->map + offset, &hammer->word))
			return -EIO;
		if (hammer->word && hammer->word != -1U) {
			hammer->offset = offset;
			return 0;
		}
	}
	return -ENXIO;
}

static bool all_began(struct hammer *hammer, const struct hammer_count *before)
{
	int i;

	for (i = 0; i < HAMMER_PROCESSES * HAMMER_THREADS; i++)
		if (__atomic_load_n(&hammer->count[i].accesses,
				    __ATOMIC_RELAXED) == before[i].accesses)
			return false;
	return true;
}

struct hammer *hammer_create(void)
{
	struct hammer *hammer = mmap(NULL, sizeof(*hammer),
				     PROT_READ | PROT_WRITE,
				     MAP_SHARED | MAP_ANONYMOUS, -1, 0);

	if (hammer == MAP_FAILED)
		abort();
	return hammer;
}

int hammer_start(struct hammer *hammer, struct device *dev)
{
	struct hammer_count before[HAMMER_PROCESSES * HAMMER_THREADS];
	pid_t pid;
	int i, ret;

	hammer->dev = dev;
	hammer->map = device_map(dev, dev->bar_size, 0);
	if (hammer->map == MAP_FAILED)
		return -errno;
	ret = choose_word(hammer);
	if (ret)
		return ret;

	hammer->stop = false;
	for (i = 0; i < HAMMER_PROCESSES * HAMMER_THREADS; i++)
		before[i] = hammer->count[i];
	for (i = 0; i < HAMMER_PROCESSES; i++) {
		pid = fork();
		if (!pid)
			process(hammer, i);
		hammer->pid[i] = pid;
	}
	while (!all_began(hammer, before))
		usleep(100);
	return 0;
}

int hammer_stop(struct hammer *hammer)
{
	int i, status, ret = 0;

	__atomic_store_n(&hammer->stop, true, __ATOMIC_SEQ_CST);
	for (i = 0; i < HAMMER_PROCESSES; i++)
		if (waitpid(hammer->pid[i], &status, 0) < 0 || status)
			ret = -ECHILD;
	munmap(hammer->map, hammer->dev->bar_size);
	return ret;
}

void hammer_more(struct hammer *hammer, unsigned long accesses)
{
	unsigned long start = hammer_sum(hammer).accesses;

	while (hammer_sum(hammer).accesses - start < accesses)
		usleep(100);
}

void hammer_off(struct hammer *hammer)
{
	__atomic_add_fetch(&hammer->window, 1, __ATOMIC_SEQ_CST);
}

void hammer_on(struct hammer *hammer)
{
	__atomic_add_fetch(&hammer->window, 1, __ATOMIC_SEQ_CST);
}

void hammer_excuse(struct hammer *hammer)
{
	__atomic_add_fetch(&hammer->excuse, 1, __ATOMIC_SEQ_CST);
}

void hammer_blame(struct hammer *hammer)
{
	__atomic_add_fetch(&hammer->excuse, 1, __ATOMIC_SEQ_CST);
}

bool hammer_answers(struct hammer *hammer)
{
	uint32_t value;

	return !by_load(hammer, &value) && value == hammer->word;
}

struct hammer_count hammer_sum(struct hammer *hammer)
{
	struct hammer_count sum = {};
	int i;

	for (i = 0; i < HAMMER_PROCESSES * HAMMER_THREADS; i++) {
		sum.accesses += __atomic_load_n(&hammer->count[i].accesses,
						__ATOMIC_RELAXED);
		sum.leaks += hammer->count[i].leaks;
		sum.before += hammer->count[i].before;
		sum.sigbus += hammer->count[i].sigbus;
		sum.errors += hammer->count[i].errors;
	}
	return sum;
}
