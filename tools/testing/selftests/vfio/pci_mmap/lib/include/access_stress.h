/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Processes that access a BAR without a pause, and count what comes of it
 *
 * Two processes with three threads each: one loads, one stores and loads, one
 * uses read() and write() on the device. All of them are after one word, whose
 * value does not change: not by what they write, which is that value, nor by a
 * reset.
 *
 * An access that completes although the device does not answer is a stray one.
 * It is known by its value, or because it began and ended in one window: between
 * access_stress_off() and access_stress_on(). While the device is lost, vfio-pci has
 * a page of ones answer for it, which is no stray access: it keeps what is written to
 * it, which a device that does not answer cannot.
 */
#ifndef PCI_MMAP_ACCESS_STRESS_H
#define PCI_MMAP_ACCESS_STRESS_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "device.h"

#define ACCESS_STRESS_PROCESSES 2
/* In each of them */
#define ACCESS_STRESS_THREADS 3
#define ACCESS_STRESS_ALL (ACCESS_STRESS_PROCESSES * ACCESS_STRESS_THREADS)

/**
 * struct access_stress_count - What came of the accesses of one thread
 * @accesses: all of them
 * @stray: those that completed while the device did not answer
 * @before: stray ones that nobody could prevent: see access_stress_excuse()
 * @sigbus: those that raised a signal
 * @errors: calls of read() and write() that failed
 * @ones: those that a page of ones answered, or read() in its stead
 * @unknown: those that gave ones, by who was gone when that was looked into
 */
struct access_stress_count {
	unsigned long accesses;
	unsigned long stray;
	unsigned long before;
	unsigned long sigbus;
	unsigned long errors;
	unsigned long ones;
	unsigned long unknown;
};

/**
 * struct access_stress - What the processes share
 * @dev: the device
 * @map: its BAR, or NULL for a region that is read by calls alone
 * @offset: where in the BAR the word is
 * @at: where it is for read() and write()
 * @word: what it is
 * @reads: one of those who read one at a time does so; atomic
 * @pid: the processes
 * @stop: sends them home; atomic
 * @window: odd while the device is known not to answer; atomic
 * @asleep: in a window, read() and write() would wake the device: none is done
 * @excuse: odd while stray ones count as @before; atomic
 * @lost: odd while ones from read() are for the lost device; atomic
 * @event: number of the current event, for those who look at @first; atomic
 * @count: one for each thread
 * @seen: somebody has filled in @first; atomic
 * @first: the first stray access
 */
struct access_stress {
	struct device *dev;
	void *map;
	off_t offset;
	off_t at;
	uint32_t word;
	bool reads;
	pid_t pid[ACCESS_STRESS_PROCESSES];
	bool stop;
	unsigned int window;
	bool asleep;
	unsigned int excuse;
	unsigned int lost;
	unsigned int event;
	struct access_stress_count count[ACCESS_STRESS_ALL];
	bool seen;
	struct {
		const char *how;
		uint32_t value;
		unsigned int event;
		bool in_window;
	} first;
};

struct access_stress *access_stress_create(void);
/* Map the BAR of @dev and start; return once every thread has had access */
int access_stress_start(struct access_stress *stress, struct device *dev);
/* The same for a region that is read by calls alone, as the ROM is */
int access_stress_start_calls(struct access_stress *stress, struct device *dev,
			      unsigned int region);
/* End the processes, unmap the BAR; -ECHILD if one of them had died before */
int access_stress_stop(struct access_stress *stress);
/* Return when there have been @accesses more */
void access_stress_more(struct access_stress *stress, unsigned long accesses);
/* Say that the device is off from now on; that it may be on from now on */
void access_stress_off(struct access_stress *stress);
void access_stress_on(struct access_stress *stress);
/* Say that from now on nobody can prevent a stray access; that again somebody can */
void access_stress_excuse(struct access_stress *stress);
void access_stress_blame(struct access_stress *stress);
/* Say that the device may be lost from now on; that it is there from now on */
void access_stress_lost(struct access_stress *stress);
void access_stress_found(struct access_stress *stress);
/* Does the device answer now? */
bool access_stress_answers(struct access_stress *stress);
/* The sum over all threads */
struct access_stress_count access_stress_sum(struct access_stress *stress);

#endif /* PCI_MMAP_ACCESS_STRESS_H */
