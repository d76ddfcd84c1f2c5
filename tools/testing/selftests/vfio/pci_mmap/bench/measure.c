// SPDX-License-Identifier: GPL-2.0-only
/*
 * What the benchmarks measure with
 */
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <termios.h>
#include <unistd.h>

#include "debugfs.h"
#include "measure.h"

/* So many touches tell as much as more would: all pages of 2 GiB */
#define MAX_TOUCHES 524288

#define MS 1000000ULL
/* Populating that takes longer does not end */
#define PATIENCE (5000 * MS)

void fail(const char *what, int error)
{
	fprintf(stderr, "mapping_bench: %s%s%s\n", what, error ? ": " : "",
		error ? strerror(-error) : "");
	exit(1);
}

uint64_t clock_ns(clockid_t clock)
{
	struct timespec time;

	clock_gettime(clock, &time);
	return time.tv_sec * 1000 * MS + time.tv_nsec;
}

uint64_t now(void)
{
	return clock_ns(CLOCK_MONOTONIC);
}

static unsigned long faults(void)
{
	struct rusage usage;

	getrusage(RUSAGE_SELF, &usage);
	return usage.ru_minflt;
}

size_t touch_stride(size_t size)
{
	size_t page = getpagesize();

	return size / page > MAX_TOUCHES ? size / MAX_TOUCHES : page;
}

struct pass touch(const void *map, size_t size, clockid_t clock)
{
	size_t stride = touch_stride(size), offset;
	struct pass pass;

	pass.faults = faults();
	pass.ns = clock_ns(clock);
	for (offset = 0; offset < size; offset += stride)
		__atomic_load_n((const uint32_t *)(map + offset),
				__ATOMIC_RELAXED);
	pass.ns = clock_ns(clock) - pass.ns;
	pass.faults = faults() - pass.faults;
	return pass;
}

bool wait_populated(struct device *dev)
{
	struct sched_param param, idle = {};
	int policy = sched_getscheduler(0);
	static bool hopeless;
	uint64_t give_up = now() + PATIENCE;
	struct debugfs_mappings mappings;
	bool populated = false;

	/* Looking takes time: let it be time that populating does not need */
	sched_getparam(0, &param);
	sched_setscheduler(0, SCHED_IDLE, &idle);
	while (!populated && !hopeless) {
		if (debugfs_read(&mappings, dev->bdf))
			break;
		populated = mappings.populated == mappings.listed;
		usleep(50);
		if (!populated && now() > give_up) {
			fprintf(stderr, "mapping_bench: not populated in 5 s, waiting no more\n");
			hopeless = true;
		}
	}
	sched_setscheduler(0, policy, &param);
	return populated;
}

void settle(void)
{
	fflush(stdout);
	tcdrain(STDOUT_FILENO);
	usleep(50000);
}

uint64_t decode_timed(struct device *dev, bool on)
{
	uint64_t began = now();
	int ret = decode_set(dev, on, 2);

	if (ret)
		fail("PCI_COMMAND", ret);
	return now() - began;
}

void figure(size_t size, const char *how, const char *what, double value,
	    const char *unit)
{
	printf("csv %zu,%s,%s,%.*f,%s\n", size, how, what,
	       strcmp(unit, "ratio") ? 0 : 3, value, unit);
	settle();
}
