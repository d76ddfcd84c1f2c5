/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * A model of a device whose BAR several processes map: what each operation on it
 * must give
 *
 * An operation is nothing but numbers. Which process, which pages, which mapping
 * they mean depends on what there is when it comes, so any part of a sequence of
 * operations is a sequence, too. fuzz_model_step() makes a command of the numbers.
 *
 * Addresses do not show. A process has pages 0 to PAGES - 1: first an arena,
 * where it maps at fixed addresses, then room for mappings that the kernel finds
 * a place for.
 */
#ifndef PCI_MMAP_FUZZ_MODEL_H
#define PCI_MMAP_FUZZ_MODEL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define PROCESSES 6
#define ARENA_PAGES 2048
#define FLOATS 2
#define FLOAT_PAGES 1024
#define PAGES (ARENA_PAGES + FLOATS * FLOAT_PAGES)
#define BAR_PAGES 1024
#define DMA_MAPS 8
#define IOVA_PAGES 256
#define READ_PAGES 16

enum kind {
	READ, WRITE, PREAD, PWRITE,
	MMAP, MMAP_ANYWHERE, MMAP_REFUSED, MUNMAP,
	SHRINK, MOVE, MREMAP_REFUSED, MPROTECT, MADVISE,
	FORK, EXIT,
	DECODE, POWER, RESET, LOW_POWER, POLICY,
	DMA_MAP, DMA_UNMAP,
	KINDS
};

/* What MMAP_REFUSED, MREMAP_REFUSED and RESET have to choose from */
enum { PRIVATE, PAST_THE_END, OTHER_REGION, MMAP_REFUSALS };
enum { GROW, DUPLICATE, DONTUNMAP, MREMAP_REFUSALS };
enum { BY_VFIO, BY_FLR, BY_SYSFS, RESETS };

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
 */
struct command {
	enum kind kind;
	int process;
	size_t page, n, to, new_n;
	uint32_t choice;
};

/**
 * struct outcome - What came of it
 * @error: 0, a negative errno, or the signal that was raised
 * @value: what was read
 * @other: what may be read instead, if not 0
 */
struct outcome {
	int error;
	uint32_t value;
	uint32_t other;
};

/**
 * struct page - What a process has at one of its pages
 * @bar: the page of the BAR, or -1
 * @prot: as in mmap()
 * @first: if something is mapped here, a VMA starts with it
 * @dontfork: a child does not get it
 */
struct page {
	short bar;
	unsigned char prot;
	bool first;
	bool dontfork;
};

/**
 * struct fuzz_model - The device, and who maps what of it
 * @bar_pages: how much of the BAR the model covers
 * @ram: the BAR keeps what is written to it
 * @can_sleep: the device has power management
 * @can_reset: by which means the device can be reset
 * @decode: memory decode is on
 * @d3hot: the device is in D3hot
 * @low_power: user space asked for low power
 * @ones: user space asked for all ones where there would be SIGBUS
 * @written: what was last written there, which may or may not be read back
 * @word: first word of each page of the BAR
 * @dma: DMA maps, in pages of IOVA space
 * @alive: which processes there are
 * @page: what each of them has mapped
 */
struct fuzz_model {
	size_t bar_pages;
	bool ram;
	bool can_sleep;
	bool can_reset[RESETS];
	bool decode;
	bool d3hot;
	bool low_power;
	bool ones;
	uint32_t written;
	uint32_t word[BAR_PAGES];
	struct {
		size_t iova, n;
	} dma[DMA_MAPS];
	bool alive[PROCESSES];
	struct page page[PROCESSES][PAGES];
};

/* One process, which has nothing mapped, and a device that answers */
void fuzz_model_init(struct fuzz_model *model);
/*
 * Take @op into the model. Returns how many outcomes @command must have, which
 * are in @want, or 0 if @op means nothing in this state.
 */
int fuzz_model_step(struct fuzz_model *model, const struct op *op,
		    struct command *command, struct outcome *want);
/* The float that @page is in, or -1 for the arena */
int page_float(size_t page);
/* @command in words */
void command_print(const struct command *command, char *text, size_t size);

#endif /* PCI_MMAP_FUZZ_MODEL_H */
