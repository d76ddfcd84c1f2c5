/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What the benchmarks measure with
 */
#ifndef PCI_MMAP_MEASURE_H
#define PCI_MMAP_MEASURE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <time.h>

#include "device.h"

/**
 * struct pass - What it took to touch a mapping
 * @ns: time
 * @faults: page faults
 */
struct pass {
	uint64_t ns;
	unsigned long faults;
};

/* Nanoseconds of @clock, or of CLOCK_MONOTONIC */
uint64_t clock_ns(clockid_t clock);
uint64_t now(void);

/* Read one word every @stride bytes, timed by @clock */
struct pass touch_stride(const void *map, size_t size, size_t stride,
			 clockid_t clock);
/* A stride: a page, or more where touching every page would take long */
size_t stride_of(size_t size);
/* Read one word at each such stride, timed by @clock */
struct pass touch(const void *map, size_t size, clockid_t clock);

/* Turn memory decode on or off; give the nanoseconds that it took */
uint64_t decode_timed(struct device *dev, bool on);

/*
 * Let the kernel finish what it has put off, such as freeing page tables, and the
 * interrupts of a serial port, so that they are not part of what comes next.
 */
void settle(void);

/* One figure: a line for scripts/bench.sh */
void figure(size_t size, const char *how, const char *what, double value,
	    const char *unit);

/* End with one line about @what, and about @error if it is a negative errno */
void fail(const char *what, int error);

/* How a device fares that is mapped by up to a hundred processes: see many_vmas.c */
void many_vmas(struct device *dev);

#endif /* PCI_MMAP_MEASURE_H */
