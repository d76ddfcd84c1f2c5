/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * A crowd of processes that read a BAR in step
 *
 * Members may be forked by anyone. In each step every member reads the word at
 * its address once and notes what it got; crowd_step() returns when all have.
 */
#ifndef PCI_MMAP_CROWD_H
#define PCI_MMAP_CROWD_H

#include <stdint.h>

#define CROWD_MAX 8

/**
 * struct crowd - What the members share
 * @members: how many there are
 * @step: the current step; -1 sends the members home; atomic
 * @done: how many have done the current step; atomic
 * @seen: what each got: the signal or 0, and the value
 */
struct crowd {
	int members;
	int step;
	int done;
	struct {
		int sig;
		uint32_t value;
	} seen[CROWD_MAX];
};

struct crowd *crowd_create(int members);
/* Be member @id, and exit when sent home */
void crowd_join(struct crowd *crowd, int id, const void *addr);
/* Have every member read once */
void crowd_step(struct crowd *crowd);
/* Send the members home */
void crowd_dismiss(struct crowd *crowd);
/* Send the members home, wait for the children of the caller, free the crowd */
void crowd_end(struct crowd *crowd);

#endif /* PCI_MMAP_CROWD_H */
