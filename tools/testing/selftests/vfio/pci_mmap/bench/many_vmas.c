// SPDX-License-Identifier: GPL-2.0-only
/*
 * What up to 1,000 VMAs cost that map one device, in up to 100 processes
 *
 * Each process maps windows of its own. All of them sleep but when they are
 * told to touch their windows; this process turns the device off and on. It has
 * real-time priority: what delays it is a lock that is held, not a CPU in use.
 */
#include <errno.h>
#include <sched.h>
#include <semaphore.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "measure.h"

#define WINDOW 65536UL
#define MAX_VMAS 1000
#define MAX_PROCESSES 100

/* Zaps to find the worst of */
#define TOGGLES 20

/**
 * struct pool - What the processes share
 * @dev: the device
 * @vmas: how many windows they map together
 * @processes: how many they are
 * @leaving: whether they are to leave; atomic
 * @pending: how many have yet to touch their windows; atomic
 * @done: posted by the last of them
 * @member: of each: when to go, and what touching took
 */
struct pool {
	struct device *dev;
	int vmas;
	int processes;
	bool leaving;
	int pending;
	sem_t done;
	struct {
		sem_t go;
		struct pass pass;
	} member[MAX_PROCESSES];
};

static void become_member(struct pool *pool, int id)
{
	int windows = pool->vmas / pool->processes, i;
	void *map[MAX_VMAS];
	struct pass pass;

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	for (i = 0; i < windows; i++) {
		map[i] = device_map(pool->dev, WINDOW,
				    (id * windows + i) * WINDOW);
		if (map[i] == MAP_FAILED)
			fail("mmap", -errno);
	}
	for (;;) {
		while (sem_wait(&pool->member[id].go))
			;
		if (__atomic_load_n(&pool->leaving, __ATOMIC_SEQ_CST))
			_exit(0);

		pool->member[id].pass = (struct pass){};
		for (i = 0; i < windows; i++) {
			pass = touch(map[i], WINDOW, CLOCK_PROCESS_CPUTIME_ID);
			pool->member[id].pass.ns += pass.ns;
			pool->member[id].pass.faults += pass.faults;
		}
		if (!__atomic_sub_fetch(&pool->pending, 1, __ATOMIC_SEQ_CST))
			sem_post(&pool->done);
	}
}

static void member_died(int sig)
{
	static const char text[] = "mapping_bench: a process died\n";

	_exit(write(STDERR_FILENO, text, sizeof(text) - 1) ? 1 : 2);
}

static struct pool *gather(struct device *dev, int vmas)
{
	struct pool *pool = mmap(NULL, sizeof(*pool), PROT_READ | PROT_WRITE,
				 MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	pid_t pid;
	int i;

	if (pool == MAP_FAILED)
		fail("mmap", -errno);
	pool->dev = dev;
	pool->vmas = vmas;
	pool->processes = vmas < MAX_PROCESSES ? vmas : MAX_PROCESSES;
	sem_init(&pool->done, 1, 0);
	signal(SIGCHLD, member_died);
	for (i = 0; i < pool->processes; i++) {
		sem_init(&pool->member[i].go, 1, 0);
		pid = fork();
		if (pid < 0)
			fail("fork", -errno);
		if (!pid)
			become_member(pool, i);
	}
	return pool;
}

static void tell(struct pool *pool)
{
	int i;

	for (i = 0; i < pool->processes; i++)
		sem_post(&pool->member[i].go);
}

/* Have all touch their windows; give what that took them together */
static struct pass touch_all(struct pool *pool)
{
	struct pass sum = {};
	int i;

	__atomic_store_n(&pool->pending, pool->processes, __ATOMIC_SEQ_CST);
	tell(pool);
	while (sem_wait(&pool->done))
		;
	for (i = 0; i < pool->processes; i++) {
		sum.ns += pool->member[i].pass.ns;
		sum.faults += pool->member[i].pass.faults;
	}
	return sum;
}

static void disperse(struct pool *pool)
{
	signal(SIGCHLD, SIG_DFL);
	__atomic_store_n(&pool->leaving, true, __ATOMIC_SEQ_CST);
	tell(pool);
	while (wait(NULL) > 0)
		;
	munmap(pool, sizeof(*pool));
	settle();
}

/**
 * struct span - The shortest and the longest of some times
 * @best: the shortest
 * @worst: the longest
 */
struct span {
	uint64_t best;
	uint64_t worst;
};

static void span_add(struct span *span, uint64_t ns)
{
	if (!span->best || ns < span->best)
		span->best = ns;
	if (ns > span->worst)
		span->worst = ns;
}

/* Turn the device off, for how long that takes, and on */
static uint64_t toggle(struct device *dev)
{
	uint64_t ns = decode_timed(dev, false);

	decode_timed(dev, true);
	return ns;
}

static void measure(struct device *dev, int vmas)
{
	struct pool *pool = gather(dev, vmas);
	struct span zap = {};
	struct pass pass;
	uint64_t began;
	char how[32];
	int i;

	snprintf(how, sizeof(how), "%d VMA%s", vmas, vmas > 1 ? "s" : "");
	/* What is written to for the first time after a fork is copied first */
	touch_all(pool);
	toggle(dev);

	for (i = 0; i < TOGGLES; i++) {
		touch_all(pool);
		span_add(&zap, toggle(dev));
	}
	figure(WINDOW, how, "zap", zap.best, "ns");
	figure(WINDOW, how, "worst_zap", zap.worst, "ns");

	began = now();
	pass = touch_all(pool);
	figure(WINDOW, how, "refault_step", now() - began, "ns");
	figure(WINDOW, how, "refault_touch", pass.ns, "ns");
	figure(WINDOW, how, "refault_faults", pass.faults, "faults");
	disperse(pool);
}

void many_vmas(struct device *dev)
{
	struct sched_param param = { .sched_priority = 1 };
	int vmas;

	if (dev->bar_size < MAX_VMAS * WINDOW)
		fail("the BAR is too small for 1000 windows of 64 KiB", 0);
	if (sched_setscheduler(0, SCHED_FIFO | SCHED_RESET_ON_FORK, &param))
		fail("SCHED_FIFO", -errno);

	for (vmas = 1; vmas <= MAX_VMAS; vmas *= 10)
		measure(dev, vmas);
}
