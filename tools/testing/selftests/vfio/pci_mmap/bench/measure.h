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

/* From one touch to the next: a page, or more where touching all would take long */
size_t touch_stride(size_t size);
/* Read one word at each stride, timed by @clock */
struct pass touch(const void *map, size_t size, clockid_t clock);

/*
 * Wait until the kernel has populated all that maps the device. Returns false at
 * once if it is one that does not do so.
 */
bool wait_populated(struct device *dev);

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
void many_vmas(struct device *dev, unsigned int seed, unsigned int toggles);

#endif /* PCI_MMAP_MEASURE_H */
