// SPDX-License-Identifier: GPL-2.0-only
/*
 * What the benchmarks measure with
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <termios.h>
#include <unistd.h>

#include "measure.h"

/* So many touches tell as much as more would: all pages of 2 GiB */
#define MAX_TOUCHES 524288

#define NS_PER_S 1000000000ULL

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
	return time.tv_sec * NS_PER_S + time.tv_nsec;
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

size_t stride_of(size_t size)
{
	size_t page = getpagesize();

	return size / page > MAX_TOUCHES ? size / MAX_TOUCHES : page;
}

struct pass touch_stride(const void *map, size_t size, size_t stride,
			 clockid_t clock)
{
	struct pass pass;
	size_t offset;

	pass.faults = faults();
	pass.ns = clock_ns(clock);
	for (offset = 0; offset < size; offset += stride)
		__atomic_load_n((const uint32_t *)(map + offset),
				__ATOMIC_RELAXED);
	pass.ns = clock_ns(clock) - pass.ns;
	pass.faults = faults() - pass.faults;
	return pass;
}

struct pass touch(const void *map, size_t size, clockid_t clock)
{
	return touch_stride(map, size, stride_of(size), clock);
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
