/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * A pool of processes that read a BAR in step
 *
 * Its members may be forked by anyone. In each step every member reads the word at
 * its address once and notes what it got; reader_pool_step() returns when all have.
 */
#ifndef PCI_MMAP_READER_POOL_H
#define PCI_MMAP_READER_POOL_H

#include <stdint.h>

#define READER_POOL_MAX 8

/**
 * struct reader_pool - What the members share
 * @members: how many there are
 * @step: the current step; -1 sends the members home; atomic
 * @done: how many have done the current step; atomic
 * @seen: what each got: the signal or 0, and the value
 */
struct reader_pool {
	int members;
	int step;
	int done;
	struct {
		int sig;
		uint32_t value;
	} seen[READER_POOL_MAX];
};

struct reader_pool *reader_pool_create(int members);
/* Be member @id, and exit when sent home */
void reader_pool_join(struct reader_pool *pool, int id, const void *addr);
/* Have every member read once */
void reader_pool_step(struct reader_pool *pool);
/* Send the members home */
void reader_pool_dismiss(struct reader_pool *pool);
/* Send the members home, wait for the children of the caller, free the pool */
void reader_pool_end(struct reader_pool *pool);

#endif /* PCI_MMAP_READER_POOL_H */
