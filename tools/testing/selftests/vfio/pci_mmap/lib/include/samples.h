/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Pages all over a mapping of a BAR, and what an access to each has to give
 *
 * The BAR is mapped where leaves of one size fit and no larger ones, on any kernel:
 * the address is congruent to the physical one modulo 1 GiB; modulo 2 MiB but not
 * 1 GiB; or off by a page. That the leaves have that size is checked by what the
 * first accesses cost, in page faults and in page tables.
 *
 * Sampled are the first and the last pages of leaves, and those next to them. A test
 * does something to part of the mapping, says by samples_expect() or samples_moved()
 * what must have become of it, and has samples_wrong() look at all of them.
 */
#ifndef PCI_MMAP_SAMPLES_H
#define PCI_MMAP_SAMPLES_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#include "device.h"

/* How much of a large BAR is mapped */
#define SAMPLES_SIZE (3 * GIB_LEAF)
#define SAMPLES_MAX 64
/* Seconds after which an access that has not ended is repeated for ever */
#define SAMPLES_ENDLESS 10

/**
 * enum sample_kind - What is at the address of a sample
 * @SAMPLE_BAR: the BAR, to be read and written
 * @SAMPLE_READ_ONLY: the BAR, to be read
 * @SAMPLE_NOTHING: nothing that this process may access
 * @SAMPLE_ZERO: memory that has not been written to
 */
enum sample_kind { SAMPLE_BAR, SAMPLE_READ_ONLY, SAMPLE_NOTHING, SAMPLE_ZERO };

/**
 * struct sample - A page
 * @kind: what must be there
 * @offset: which page of the BAR it is, or was
 * @addr: where it is mapped, or was
 */
struct sample {
	enum sample_kind kind;
	off_t offset;
	void *addr;
};

/**
 * struct samples - A mapping of the first part of a BAR
 * @dev: the device
 * @leaf: size of the leaves
 * @size: size of the mapping
 * @map: where it is
 * @n: number of samples
 * @sample: the samples; what has moved has two
 * @rooms: number of reservations of address space
 * @room: the reservations, which samples_unmap() takes back
 * @text: why there is nothing to test, or what was wrong
 */
struct samples {
	struct device *dev;
	size_t leaf;
	size_t size;
	void *map;
	int n;
	struct sample sample[SAMPLES_MAX];
	int rooms;
	struct {
		void *addr;
		size_t size;
	} room[2];
	char text[128];
};

/**
 * struct samples_child - A process that inherited the samples
 * @pid: the process
 * @ask: pipe to it
 * @tell: pipe from it
 */
struct samples_child {
	pid_t pid;
	int ask;
	int tell;
};

/*
 * Map the BAR by leaves of @leaf and fill the samples. Returns 0 or a negative errno:
 * -EOPNOTSUPP if device, CPU or kernel do not have what it takes, with the reason in
 * @text.
 */
int samples_create(struct samples *samples, struct device *dev, size_t leaf);
/* Map it anew, by the same leaves, and touch each sample; 0 or a negative errno */
int samples_map(struct samples *samples);
void samples_unmap(struct samples *samples);
/* Touch each sample: 0, or the first signal */
int samples_touch(const struct samples *samples);
/*
 * Reserve address space where leaves of at most @leaf fit for @size bytes at @offset
 * of the BAR. At most one such place until samples_unmap(). NULL if there is none.
 */
void *samples_reserve(struct samples *samples, off_t offset, size_t size, size_t leaf);

/* Say that @kind is mapped now in place of part of the BAR */
void samples_expect(struct samples *samples, off_t offset, size_t size,
		    enum sample_kind kind);
/* Say that part of the BAR has moved to @addr */
void samples_moved(struct samples *samples, off_t offset, size_t size, void *addr);

/*
 * Read and write at each sample while decode is @on or off. What is written to the
 * BAR has to reach the device, and the BAR is left as it was. Returns NULL, or the
 * first thing that was wrong, which is in @text.
 */
const char *samples_wrong(struct samples *samples, bool on);

/* Fork a process that does the same, for what is sampled now; 0 or a negative errno */
int samples_fork(struct samples *samples, struct samples_child *child);
/* What samples_wrong() finds in there */
const char *samples_wrong_in_child(struct samples *samples,
				   const struct samples_child *child, bool on);
void samples_end_child(struct samples_child *child);

/* For tests: all samples have to be as they must */
#define EXPECT_SAMPLES(samples, on) do {				\
	const char *_wrong = samples_wrong(samples, on);		\
									\
	EXPECT_EQ(NULL, _wrong)						\
		TH_LOG("%s", _wrong);					\
} while (0)

#endif /* PCI_MMAP_SAMPLES_H */
