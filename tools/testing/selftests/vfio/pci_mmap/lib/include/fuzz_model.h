/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * A model of a device whose BAR several processes map: what each operation on it
 * must give
 *
 * An operation is nothing but numbers. Which process, which pages, which mapping
 * they mean depends on what there is when it comes, so any part of a sequence of
 * operations is a sequence, too. fuzz_model_step() makes a command of the numbers.
 *
 * Addresses do not show, but for how they are aligned. A process has pages that
 * are numbered: first those of an arena, where it maps at fixed addresses, then
 * room for mappings that the kernel finds a place for. The arena is aligned to the
 * largest leaf that the BAR has room for. So a mapping in it has leaves of that size
 * where its pages are congruent to those of the BAR, and smaller ones elsewhere:
 * the numbers are drawn so that there are some of each, and that what is cut, moved
 * and read is often near the border of a leaf.
 *
 * The BAR may be large. What a process maps is kept as a list of its VMAs, and what
 * the BAR holds for a sample of its pages.
 */
#ifndef PCI_MMAP_FUZZ_MODEL_H
#define PCI_MMAP_FUZZ_MODEL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "device.h"

/* Leaves of page tables, in pages */
#define SMALL_LEAF (LEAF / getpagesize())
#define LARGE_LEAF (GIB_LEAF / getpagesize())

#define PROCESSES 6
/* How large things are, in leaves of the larger size that the BAR has room for */
#define ARENA_LEAVES 4
#define FLOATS 2
#define FLOAT_LEAVES 2
#define BAR_LEAVES 8
#define VMAS 192
/* Pages of the BAR of which the model keeps what they hold: all of a small one */
#define SAMPLES (BAR_LEAVES * 512)
#define DMA_MAPS 8
#define IOVA_PAGES 256
#define READ_PAGES 16

enum kind {
	READ, WRITE, PREAD, PWRITE,
	MMAP, MMAP_ANYWHERE, MMAP_REFUSED, MUNMAP, COVER,
	SHRINK, MOVE, MREMAP_REFUSED, MPROTECT, MADVISE, MBIND, MLOCK,
	CLEAR_REFS,
	FORK, EXIT,
	DECODE, POWER, RESET, LOW_POWER, POLICY,
	DMA_MAP, DMA_UNMAP,
	KINDS
};

/* What MMAP_REFUSED, MREMAP_REFUSED and RESET have to choose from */
enum { PRIVATE, PAST_THE_END, OTHER_REGION, MMAP_REFUSALS };
enum { GROW, DUPLICATE, DONTUNMAP, MREMAP_REFUSALS };
enum { BY_VFIO, BY_FLR, BY_SYSFS, RESETS };
/* Which protection key MPROTECT sets */
enum { SAME_KEY, OTHER_KEY, NO_KEY, KEYS };

/**
 * struct op - What was drawn for an operation
 * @kind: what to do; all else says what with, once there is something
 */
struct op {
	enum kind kind;
	uint32_t who, where, length, to, choice;
};

/**
 * struct command - An operation, as a process is to perform it
 * @kind: what to do
 * @process: who does it
 * @page: page of the process where it starts
 * @n: pages it covers; for DECODE, bytes
 * @to: page moved to, of the BAR or of IOVA space; for FORK, the child
 * @new_n: pages that are left
 * @choice: protection, advice, value, on (or D0), policy, or which variant
 * @key: for MPROTECT, which protection key
 * @populate: with MAP_POPULATE
 */
struct command {
	enum kind kind;
	int process;
	size_t page, n, to, new_n;
	uint32_t choice;
	int key;
	bool populate;
};

/**
 * struct outcome - What came of it
 * @error: 0, a negative errno, or the signal that was raised
 * @value: what was read
 * @other: what may be read instead, if not 0
 * @any: whatever it is
 */
struct outcome {
	int error;
	uint32_t value;
	uint32_t other;
	bool any;
};

/* What makes a VMA one of its own: the kernel splits it where one of them changes */
enum attribute { PROT, KEY, DONTFORK, READAHEAD, HUGE, MEMPOLICY, ATTRIBUTES };

/**
 * struct vma - What a process has mapped
 * @page: where it starts
 * @n: how many pages it has
 * @bar: page of the BAR that it starts with
 * @attribute: what it is like; a protection as in mmap(), or 0 for the default
 */
struct vma {
	size_t page, n, bar;
	unsigned char attribute[ATTRIBUTES];
};

/**
 * struct space - All that a process has mapped
 * @n: how many VMAs
 * @vma: in the order of their pages, which do not overlap
 */
struct space {
	size_t n;
	struct vma vma[VMAS];
};

/**
 * struct fuzz_model - The device, and who maps what of it
 * @bar_pages: how much of the BAR the model covers
 * @leaf: pages of the larger leaf that it has room for
 * @ram: the BAR keeps what is written to it
 * @can_sleep: the device has power management
 * @can_reset: by which means the device can be reset
 * @can_policy: user space may choose what a disabled BAR gives
 * @can_populate: MADV_POPULATE_READ maps a BAR
 * @can_bind: there is mbind()
 * @can_key: there are protection keys
 * @can_clear: there is /proc/self/clear_refs
 * @decode: memory decode is on
 * @d3hot: the device is in D3hot
 * @low_power: user space asked for low power
 * @ones: user space asked for all ones where there would be SIGBUS
 * @written: what was last written to pages of the BAR then, the latest first, which may
 *	or may not be read back there. The driver has ones for a few pages at a time
 * @samples: how many pages of the BAR are known
 * @sample: which, in their order, and the first word of each
 * @dma: DMA maps, in pages of IOVA space
 * @alive: which processes there are
 * @space: what each of them has mapped
 */
struct fuzz_model {
	size_t bar_pages;
	size_t leaf;
	bool ram;
	bool can_sleep;
	bool can_reset[RESETS];
	bool can_policy;
	bool can_populate;
	bool can_bind;
	bool can_key;
	bool can_clear;
	bool decode;
	bool d3hot;
	bool low_power;
	bool ones;
	struct {
		size_t page;
		uint32_t value;
	} written[8];
	size_t samples;
	struct {
		size_t page;
		uint32_t word;
	} sample[SAMPLES];
	struct {
		size_t iova, n;
	} dma[DMA_MAPS];
	bool alive[PROCESSES];
	struct space space[PROCESSES];
};

/*
 * One process, which has nothing mapped, and a device that answers, with a BAR of so
 * many pages. What is in the sample, and what the device and the kernel can do, is
 * for the caller to say.
 */
void fuzz_model_init(struct fuzz_model *model, size_t bar_pages);
/*
 * Take @op into the model. Returns how many outcomes @command must have, which
 * are in @want, or 0 if @op means nothing in this state.
 */
int fuzz_model_step(struct fuzz_model *model, const struct op *op,
		    struct command *command, struct outcome *want);
/* The float that @page is in, or -1 for the arena, and the first page of that */
int page_float(const struct fuzz_model *model, size_t page);
size_t float_start(const struct fuzz_model *model, int id);
/* @command in words */
void command_print(const struct command *command, char *text, size_t size);

#endif /* PCI_MMAP_FUZZ_MODEL_H */
