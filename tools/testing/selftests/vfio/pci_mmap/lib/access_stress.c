// SPDX-License-Identifier: GPL-2.0-only
/*
 * Processes that access a BAR without a pause, and count what comes of it
 */
#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <linux/vfio.h>

#include "access.h"
#include "access_stress.h"

/* Where to look for a word that a device without memory never changes */
#define REGISTERS 64

/* What a page of ones keeps, and a device does not, and where in its page */
#define MARK 0x5afe0123
#define MARK_OFFSET 0xffc

/* Who gave ones */
enum who {
	NOBODY,		/* the device did not answer */
	PAGE_OF_ONES,	/* one that stands in for the device */
	SOMEBODY,	/* the one or the other, but things have changed since */
};

static int by_load(struct access_stress *stress, uint32_t *value)
{
	return try_read(stress->map + stress->offset, value);
}

static int by_store(struct access_stress *stress, uint32_t *value)
{
	return try_write(stress->map + stress->offset, *value);
}

static int by_read(struct access_stress *stress, uint32_t *value)
{
	return pread(stress->dev->fd, value, sizeof(*value), stress->at) < 0 ? -1 : 0;
}

static int by_write(struct access_stress *stress, uint32_t *value)
{
	return pwrite(stress->dev->fd, value, sizeof(*value), stress->at) < 0 ? -1 : 0;
}

/**
 * struct access - One way to access the word
 * @how: its name
 * @once: do it; 0, the signal that it raised, or -1 if the call failed
 * @maps: it goes through the mapping
 * @wakes: VFIO gets the device out of low power for it
 */
struct access {
	const char *how;
	int (*once)(struct access_stress *stress, uint32_t *value);
	bool maps;
	bool wakes;
};

/* What each of the threads of a process does in turn, for ever */
static const struct access job[ACCESS_STRESS_THREADS][2] = {
	{ { "load", by_load, true }, { "load", by_load, true } },
	{ { "store", by_store, true }, { "load after a store", by_load, true } },
	{ { "read()", by_read, false, true }, { "write()", by_write, false, true } },
};

/*
 * One at a time: vfio-pci turns the ROM on and off for each read(), and does not look who
 * else reads. And not all the time, as QEMU makes its memory map anew for that.
 */
static int by_read_alone(struct access_stress *stress, uint32_t *value)
{
	int ret;

	while (__atomic_exchange_n(&stress->reads, true, __ATOMIC_ACQUIRE))
		usleep(100);
	ret = by_read(stress, value);
	__atomic_store_n(&stress->reads, false, __ATOMIC_RELEASE);
	usleep(1000);
	return ret;
}

/* What each of them does to a region that can only be read, by calls */
static const struct access job_by_calls[2] = {
	{ "read()", by_read_alone, false, true },
	{ "read()", by_read_alone, false, true },
};

/*
 * Leave a mark in the last word of the page, where the devices have no register, and
 * see whether it stays. Memory of the device keeps it as well, but gives no ones.
 */
static bool keeps_mark(struct access_stress *stress, uint32_t *value)
{
	void *mark = stress->map + (stress->offset | MARK_OFFSET);

	*value = MARK;
	return !try_write(mark, MARK) && !try_read(mark, value) && *value == MARK;
}

/* What a load through the mapping that gave ones, or a read(), has met with */
static enum who who_gave_ones(struct access_stress *stress,
			      const struct access *access, bool lost)
{
	uint32_t value;

	if (!access->maps)
		return lost ? PAGE_OF_ONES : NOBODY;
	if (keeps_mark(stress, &value))
		return PAGE_OF_ONES;
	/* A zap that came in between has changed who is there */
	if (value != ALL_ONES || keeps_mark(stress, &value))
		return SOMEBODY;
	return NOBODY;
}

static void access_once(struct access_stress *stress,
			struct access_stress_count *count,
			const struct access *access)
{
	unsigned int window = __atomic_load_n(&stress->window, __ATOMIC_SEQ_CST);
	unsigned int excuse = __atomic_load_n(&stress->excuse, __ATOMIC_SEQ_CST);
	uint32_t value = stress->word;
	unsigned int lost = __atomic_load_n(&stress->lost, __ATOMIC_SEQ_CST);
	bool in_window, excused, is_lost;
	enum who who = NOBODY;
	int ret;

	if (window % 2 && stress->asleep && access->wakes) {
		usleep(100);
		return;
	}
	ret = access->once(stress, &value);
	in_window = window % 2 &&
		window == __atomic_load_n(&stress->window, __ATOMIC_SEQ_CST);
	excused = excuse % 2 ||
		excuse != __atomic_load_n(&stress->excuse, __ATOMIC_SEQ_CST);
	is_lost = lost % 2 ||
		lost != __atomic_load_n(&stress->lost, __ATOMIC_SEQ_CST);
	if (!ret && value == ALL_ONES && value != stress->word)
		who = who_gave_ones(stress, access, is_lost);

	__atomic_store_n(&count->accesses, count->accesses + 1,
			 __ATOMIC_RELAXED);
	if (ret > 0) {
		count->sigbus++;
	} else if (ret < 0) {
		count->errors++;
	} else if (value == stress->word && !in_window) {
		return;
	} else if (who == PAGE_OF_ONES) {
		count->ones++;
	} else if (who == SOMEBODY) {
		count->unknown++;
	} else if (excused) {
		count->before++;
	} else {
		count->stray++;
		if (__atomic_exchange_n(&stress->seen, true, __ATOMIC_SEQ_CST))
			return;
		stress->first.how = access->how;
		stress->first.value = value;
		stress->first.event = __atomic_load_n(&stress->event,
						      __ATOMIC_RELAXED);
		stress->first.in_window = in_window;
	}
}

struct thread {
	pthread_t id;
	struct access_stress *stress;
	struct access_stress_count *count;
	const struct access *job;
};

static void *work(void *arg)
{
	struct thread *thread = arg;

	while (!__atomic_load_n(&thread->stress->stop, __ATOMIC_RELAXED)) {
		access_once(thread->stress, thread->count, &thread->job[0]);
		access_once(thread->stress, thread->count, &thread->job[1]);
	}
	return NULL;
}

static void process(struct access_stress *stress, int id)
{
	struct thread threads[ACCESS_STRESS_THREADS];
	int i;

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	for (i = 0; i < ACCESS_STRESS_THREADS; i++) {
		threads[i].stress = stress;
		threads[i].count = &stress->count[id * ACCESS_STRESS_THREADS + i];
		threads[i].job = stress->map ? job[i] : job_by_calls;
		if (pthread_create(&threads[i].id, NULL, work, &threads[i]))
			_exit(1);
	}
	for (i = 0; i < ACCESS_STRESS_THREADS; i++)
		pthread_join(threads[i].id, NULL);
	_exit(0);
}

/* A word of memory; or else the first register that has something in it */
static int choose_word(struct access_stress *stress)
{
	off_t offset;

	if (!try_write(stress->map, device_word(0)) &&
	    !try_read(stress->map, &stress->word) &&
	    stress->word == device_word(0)) {
		stress->offset = 0;
		return 0;
	}
	for (offset = 0; offset < REGISTERS; offset += sizeof(uint32_t)) {
		if (try_read(stress->map + offset, &stress->word))
			return -EIO;
		if (stress->word && stress->word != -1U) {
			stress->offset = offset;
			return 0;
		}
	}
	return -ENXIO;
}

static bool all_began(struct access_stress *stress,
		      const struct access_stress_count *before)
{
	int i;

	for (i = 0; i < ACCESS_STRESS_ALL; i++)
		if (__atomic_load_n(&stress->count[i].accesses,
				    __ATOMIC_RELAXED) == before[i].accesses)
			return false;
	return true;
}

struct access_stress *access_stress_create(void)
{
	struct access_stress *stress = mmap(NULL, sizeof(*stress),
					    PROT_READ | PROT_WRITE,
					    MAP_SHARED | MAP_ANONYMOUS, -1, 0);

	if (stress == MAP_FAILED)
		abort();
	return stress;
}

static void start_processes(struct access_stress *stress)
{
	struct access_stress_count before[ACCESS_STRESS_ALL];
	pid_t pid;
	int i;

	stress->stop = false;
	for (i = 0; i < ACCESS_STRESS_ALL; i++)
		before[i] = stress->count[i];
	for (i = 0; i < ACCESS_STRESS_PROCESSES; i++) {
		pid = fork();
		if (!pid)
			process(stress, i);
		stress->pid[i] = pid;
	}
	while (!all_began(stress, before))
		usleep(100);
}

int access_stress_start(struct access_stress *stress, struct device *dev)
{
	int ret;

	stress->dev = dev;
	stress->map = device_map(dev, dev->bar_size, 0);
	if (stress->map == MAP_FAILED)
		return -errno;
	ret = choose_word(stress);
	if (ret)
		return ret;

	stress->at = dev->bar_offset + stress->offset;
	start_processes(stress);
	return 0;
}

int access_stress_start_calls(struct access_stress *stress, struct device *dev,
			      unsigned int region)
{
	struct vfio_region_info info = { .argsz = sizeof(info), .index = region };

	if (ioctl(dev->fd, VFIO_DEVICE_GET_REGION_INFO, &info))
		return -errno;
	stress->dev = dev;
	stress->map = NULL;
	stress->at = info.offset;
	if (by_read(stress, &stress->word))
		return -errno;
	if (stress->word == ALL_ONES)
		return -ENXIO;
	start_processes(stress);
	return 0;
}

int access_stress_stop(struct access_stress *stress)
{
	int i, status, ret = 0;

	__atomic_store_n(&stress->stop, true, __ATOMIC_SEQ_CST);
	for (i = 0; i < ACCESS_STRESS_PROCESSES; i++)
		if (waitpid(stress->pid[i], &status, 0) < 0 || status)
			ret = -ECHILD;
	if (stress->map)
		munmap(stress->map, stress->dev->bar_size);
	return ret;
}

void access_stress_more(struct access_stress *stress, unsigned long accesses)
{
	unsigned long start = access_stress_sum(stress).accesses;

	while (access_stress_sum(stress).accesses - start < accesses)
		usleep(100);
}

void access_stress_off(struct access_stress *stress)
{
	__atomic_add_fetch(&stress->window, 1, __ATOMIC_SEQ_CST);
}

void access_stress_on(struct access_stress *stress)
{
	__atomic_add_fetch(&stress->window, 1, __ATOMIC_SEQ_CST);
}

void access_stress_excuse(struct access_stress *stress)
{
	__atomic_add_fetch(&stress->excuse, 1, __ATOMIC_SEQ_CST);
}

void access_stress_blame(struct access_stress *stress)
{
	__atomic_add_fetch(&stress->excuse, 1, __ATOMIC_SEQ_CST);
}

void access_stress_lost(struct access_stress *stress)
{
	__atomic_add_fetch(&stress->lost, 1, __ATOMIC_SEQ_CST);
}

void access_stress_found(struct access_stress *stress)
{
	__atomic_add_fetch(&stress->lost, 1, __ATOMIC_SEQ_CST);
}

/* A load may find in a page of ones what a store has left there */
bool access_stress_answers(struct access_stress *stress)
{
	uint32_t value;

	return !by_read(stress, &value) && value == stress->word;
}

struct access_stress_count access_stress_sum(struct access_stress *stress)
{
	struct access_stress_count sum = {};
	int i;

	for (i = 0; i < ACCESS_STRESS_ALL; i++) {
		sum.accesses += __atomic_load_n(&stress->count[i].accesses,
						__ATOMIC_RELAXED);
		sum.stray += stress->count[i].stray;
		sum.before += stress->count[i].before;
		sum.sigbus += stress->count[i].sigbus;
		sum.errors += stress->count[i].errors;
		sum.ones += stress->count[i].ones;
		sum.unknown += stress->count[i].unknown;
	}
	return sum;
}
