/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Numbers that follow from a seed: the splitmix64 generator
 */
#ifndef PCI_MMAP_DRAW_H
#define PCI_MMAP_DRAW_H

#include <stdint.h>

static inline uint64_t draw(uint64_t *state)
{
	uint64_t z = *state += 0x9e3779b97f4a7c15;

	z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9;
	z = (z ^ (z >> 27)) * 0x94d049bb133111eb;
	return z ^ (z >> 31);
}

#endif /* PCI_MMAP_DRAW_H */
