/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Processes that access a BAR without a pause, and count what comes of it
 *
 * Two processes with three threads each: one loads, one stores and loads, one
 * uses read() and write() on the device. All of them are after one word, whose
 * value does not change: not by what they write, which is that value, nor by a
 * reset.
 *
 * An access that completes although the device does not answer is a leak. It is
 * known by its value, or because it began and ended in one window: between
 * hammer_off() and hammer_on().
 */
#ifndef PCI_MMAP_HAMMER_H
#define PCI_MMAP_HAMMER_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "device.h"

#define HAMMER_PROCESSES 2
#define HAMMER_THREADS 3

/**
 * struct hammer_count - What came of the accesses of one thread
 * @accesses: all of them
 * @leaks: those that completed while the device did not answer
 * @before: leaks that nobody could prevent: see hammer_excuse()
 * @sigbus: those that raised a signal
 * @errors: calls of read() and write() that failed
 */
struct hammer_count {
	unsigned long accesses;
	unsigned long leaks;
	unsigned long before;
	unsigned long sigbus;
	unsigned long errors;
};

/**
 * struct hammer - What the processes share
 * @dev: the device
 * @map: its BAR
 * @offset: where in the BAR the word is
 * @word: what it is
 * @pid: the processes
 * @stop: sends them home; atomic
 * @window: odd while the device is known not to answer; atomic
 * @asleep: in a window, read() and write() would wake the device: none is done
 * @excuse: odd while leaks count as @before; atomic
 * @event: number of the current event, for those who look at a leak; atomic
 * @count: one for each thread
 * @seen: somebody has filled in @leak; atomic
 * @leak: the first leak
 */
struct hammer {
	struct device *dev;
	void *map;
	off_t offset;
	uint32_t word;
	pid_t pid[HAMMER_PROCESSES];
	bool stop;
	unsigned int window;
	bool asleep;
	unsigned int excuse;
	unsigned int event;
	struct hammer_count count[HAMMER_PROCESSES * HAMMER_THREADS];
	bool seen;
	struct {
		const char *how;
		uint32_t value;
		unsigned int event;
		bool in_window;
	} leak;
};

struct hammer *hammer_create(void);
/* Map the BAR of @dev and start; return once every thread has had access */
int hammer_start(struct hammer *hammer, struct device *dev);
/* End the processes, unmap the BAR; -ECHILD if one of them had died before */
int hammer_stop(struct hammer *hammer);
/* Return when there have been @accesses more */
void hammer_more(struct hammer *hammer, unsigned long accesses);
/* Say that the device is off from now on; that it may be on from now on */
void hammer_off(struct hammer *hammer);
void hammer_on(struct hammer *hammer);
/* Say that from now on nobody can prevent a leak; that again somebody can */
void hammer_excuse(struct hammer *hammer);
void hammer_blame(struct hammer *hammer);
/* Does the device answer now? */
bool hammer_answers(struct hammer *hammer);
/* The sum over all threads */
struct hammer_count hammer_sum(struct hammer *hammer);

#endif /* PCI_MMAP_HAMMER_H */
