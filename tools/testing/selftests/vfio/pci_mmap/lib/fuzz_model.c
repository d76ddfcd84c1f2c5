// SPDX-License-Identifier: GPL-2.0-only
/*
 * A model of a device whose BAR several processes map: what each operation on it
 * must give
 */
#define _GNU_SOURCE
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>

#include "../../../kselftest.h"
#include "access.h"
#include "device.h"
#include "fuzz_model.h"

static size_t min(size_t a, size_t b)
{
	return a < b ? a : b;
}

int page_float(size_t page)
{
	return page < ARENA_PAGES ? -1 : (int)(page - ARENA_PAGES) / FLOAT_PAGES;
}

/* End of the arena or float that @page is in */
static size_t room_end(size_t page)
{
	return ARENA_PAGES + (page_float(page) + 1) * FLOAT_PAGES;
}

/* A VMA ends at @page */
static void cut(struct page *table, size_t page)
{
	if (page < PAGES)
		table[page].first = true;
}

static void set_pages(struct page *table, size_t page, size_t n, int bar,
		      int prot)
{
	size_t i;

	for (i = 0; i < n; i++)
		table[page + i] = (struct page){ .bar = bar + i, .prot = prot };
	cut(table, page);
	cut(table, page + n);
}

static void clear_pages(struct page *table, size_t page, size_t n)
{
	size_t i;

	for (i = 0; i < n; i++)
		table[page + i] = (struct page){ .bar = -1 };
	cut(table, page + n);
}

/* Mostly few pages; at times as many as a large leaf has, or two */
static size_t draw_length(uint32_t draw)
{
	switch (draw % 8) {
	case 0:
		return 1 + draw / 8 % BAR_PAGES;
	case 1:
		return 512;
	case 2:
		return 1024;
	default:
		return 1 + draw / 8 % 32;
	}
}

/* Mostly one of few places, so that operations meet */
static size_t draw_place(uint32_t draw, size_t pages)
{
	switch (draw % 4) {
	case 0:
		return draw / 4 % pages;
	case 1:
		return draw / 4 * 512 % pages;
	default:
		return draw / 4 * 128 % pages;
	}
}

static uint32_t draw_prot(uint32_t draw)
{
	static const uint32_t prots[] = {
		PROT_READ | PROT_WRITE, PROT_READ | PROT_WRITE,
		PROT_READ | PROT_WRITE, PROT_READ, PROT_NONE
	};

	return prots[draw % ARRAY_SIZE(prots)];
}

/* How many of @n pages are mapped, without a hole or, if so asked, a seam */
static size_t run_length(const struct page *table, size_t page, size_t n,
			 bool one_vma)
{
	size_t end = min(page + n, room_end(page));
	size_t i;

	for (i = page; i < end && table[i].bar >= 0; i++)
		if (one_vma && i > page && table[i].first)
			break;
	return i - page;
}

/* Let @c be about pages that are mapped; false if there are none */
static bool draw_mapped(const struct page *table, const struct op *op,
			struct command *c, bool one_vma)
{
	size_t i;

	c->page = draw_place(op->where, PAGES);
	for (i = 0; table[c->page].bar < 0; i++) {
		if (i == PAGES)
			return false;
		c->page = (c->page + 1) % PAGES;
	}
	c->n = run_length(table, c->page, draw_length(op->length), one_vma);
	return true;
}

/* Mostly the same, at times pages of the arena, whatever is there */
static bool draw_pages(const struct page *table, const struct op *op,
		       struct command *c)
{
	if (op->to % 8)
		return draw_mapped(table, op, c, false);

	c->page = draw_place(op->where, ARENA_PAGES);
	c->n = min(draw_length(op->length), ARENA_PAGES - c->page);
	return true;
}

/* Whether read() and write() reach the device: they wake it if need be */
static bool awake(const struct fuzz_model *model)
{
	return model->decode && !model->d3hot;
}

static bool answers(const struct fuzz_model *model)
{
	return awake(model) && !model->low_power;
}

static int step_access(struct fuzz_model *model, const struct op *op,
		       struct command *c, struct outcome *want)
{
	const struct page *table = model->page[c->process];
	int needed;
	size_t i;

	if (!model->ram)
		c->kind = READ;
	if (!draw_pages(table, op, c))
		return 0;
	c->n = c->kind == READ ? min(c->n, READ_PAGES) : 1;
	c->choice = op->choice;
	needed = c->kind == READ ? PROT_READ : PROT_WRITE;

	for (i = 0; i < c->n; i++) {
		const struct page *page = &table[c->page + i];

		if (page->bar < 0 || !(page->prot & needed))
			want[i].error = SIGSEGV;
		else if (answers(model) && c->kind == READ)
			want[i].value = model->word[page->bar];
		else if (answers(model))
			model->word[page->bar] = c->choice;
		else if (!model->ones)
			want[i].error = SIGBUS;
		else if (c->kind == READ)
			want[i] = (struct outcome){ .value = ALL_ONES,
						    .other = model->written };
		else
			model->written = c->choice;
	}
	return c->n;
}

static int step_syscall_access(struct fuzz_model *model, const struct op *op,
			       struct command *c, struct outcome *want)
{
	/* The driver shields some registers from these, in page 0 none */
	if (model->ram)
		c->to = op->where % model->bar_pages;
	else
		c->kind = PREAD;
	c->choice = op->choice;

	if (!awake(model))
		want->error = -EIO;
	else if (c->kind == PREAD)
		want->value = model->word[c->to];
	else
		model->word[c->to] = c->choice;
	return 1;
}

static int step_mmap(struct fuzz_model *model, const struct op *op,
		     struct command *c, struct outcome *want)
{
	struct page *table = model->page[c->process];

	c->to = draw_place(op->to, model->bar_pages);
	c->n = min(draw_length(op->length), model->bar_pages - c->to);
	c->choice = draw_prot(op->choice);
	if (c->kind == MMAP) {
		c->page = draw_place(op->where, ARENA_PAGES);
		c->n = min(c->n, ARENA_PAGES - c->page);
	} else {
		c->page = ARENA_PAGES + op->where % FLOATS * FLOAT_PAGES;
		clear_pages(table, c->page, FLOAT_PAGES);
	}
	set_pages(table, c->page, c->n, c->to, c->choice);
	return 1;
}

static int step_mmap_refused(struct fuzz_model *model, const struct op *op,
			     struct command *c, struct outcome *want)
{
	c->choice = op->choice % MMAP_REFUSALS;
	want->error = -EINVAL;
	return 1;
}

static int step_munmap(struct fuzz_model *model, const struct op *op,
		       struct command *c, struct outcome *want)
{
	struct page *table = model->page[c->process];

	if (!draw_pages(table, op, c))
		return 0;
	clear_pages(table, c->page, c->n);
	return 1;
}

static int step_shrink(struct fuzz_model *model, const struct op *op,
		       struct command *c, struct outcome *want)
{
	struct page *table = model->page[c->process];

	if (!draw_mapped(table, op, c, true))
		return 0;
	c->new_n = 1 + op->choice % c->n;
	clear_pages(table, c->page + c->new_n, c->n - c->new_n);
	return 1;
}

static int step_move(struct fuzz_model *model, const struct op *op,
		     struct command *c, struct outcome *want)
{
	struct page *table = model->page[c->process];
	struct page moved[BAR_PAGES];

	if (!draw_mapped(table, op, c, true))
		return 0;
	c->to = draw_place(op->to, ARENA_PAGES);
	c->n = min(c->n, ARENA_PAGES - c->to);
	c->new_n = op->choice % 4 ? c->n : 1 + op->choice / 4 % c->n;
	if (c->page + c->n > c->to && c->to + c->new_n > c->page) {
		want->error = -EINVAL;
		return 1;
	}

	memcpy(moved, table + c->page, sizeof(*moved) * c->new_n);
	clear_pages(table, c->page, c->n);
	memcpy(table + c->to, moved, sizeof(*moved) * c->new_n);
	cut(table, c->to);
	cut(table, c->to + c->new_n);
	return 1;
}

static int step_mremap_refused(struct fuzz_model *model, const struct op *op,
			       struct command *c, struct outcome *want)
{
	if (!draw_mapped(model->page[c->process], op, c, true))
		return 0;
	c->choice = op->choice % MREMAP_REFUSALS;
	c->n = c->choice == DUPLICATE ? 0 : 1;
	c->new_n = c->choice == GROW ? 1 + draw_length(op->length) : 1;
	want->error = c->choice == DONTUNMAP ? -EINVAL : -EFAULT;
	return 1;
}

/* VMAs are split where something changes, and never merged again */
static int step_mprotect(struct fuzz_model *model, const struct op *op,
			 struct command *c, struct outcome *want)
{
	struct page *table = model->page[c->process];
	size_t i, end;

	if (!draw_mapped(table, op, c, false))
		return 0;
	c->choice = draw_prot(op->choice);

	end = c->page + c->n;
	if (table[c->page].prot != c->choice)
		cut(table, c->page);
	if (table[end - 1].prot != c->choice)
		cut(table, end);
	for (i = c->page; i < end; i++)
		table[i].prot = c->choice;
	return 1;
}

static int step_madvise(struct fuzz_model *model, const struct op *op,
			struct command *c, struct outcome *want)
{
	static const struct {
		int advice;
		int error;
	} advices[] = {
		{ MADV_DONTFORK, 0 },
		{ MADV_DOFORK, -EINVAL },
		{ MADV_DONTNEED, -EINVAL },
		{ MADV_WILLNEED, 0 },
		{ MADV_COLD, -EINVAL },
		{ MADV_POPULATE_READ, -EINVAL },
	};
	struct page *table = model->page[c->process];
	size_t i, end;

	if (!draw_mapped(table, op, c, false))
		return 0;
	i = op->choice % ARRAY_SIZE(advices);
	c->choice = advices[i].advice;
	want->error = advices[i].error;
	if (c->choice != MADV_DONTFORK)
		return 1;

	end = c->page + c->n;
	if (!table[c->page].dontfork)
		cut(table, c->page);
	if (!table[end - 1].dontfork)
		cut(table, end);
	for (i = c->page; i < end; i++)
		table[i].dontfork = true;
	return 1;
}

static int step_fork(struct fuzz_model *model, const struct op *op,
		     struct command *c, struct outcome *want)
{
	struct page *child;
	size_t i;

	for (c->to = 0; model->alive[c->to]; c->to++)
		if (c->to == PROCESSES - 1)
			return 0;

	child = model->page[c->to];
	memcpy(child, model->page[c->process], sizeof(model->page[0]));
	for (i = 0; i < PAGES; i++)
		if (child[i].dontfork)
			clear_pages(child, i, 1);
	model->alive[c->to] = true;
	return 1;
}

static int step_exit(struct fuzz_model *model, const struct op *op,
		     struct command *c, struct outcome *want)
{
	int i, n = 0;

	for (i = 0; i < PROCESSES; i++)
		n += model->alive[i];
	if (n == 1)
		return 0;
	model->alive[c->process] = false;
	return 1;
}

static int step_decode(struct fuzz_model *model, const struct op *op,
		       struct command *c, struct outcome *want)
{
	c->choice = op->choice % 4 != 0;
	c->n = 1 << op->length % 3;
	model->decode = c->choice;
	return 1;
}

/*
 * In low power the kernel takes the device to D0 behind the user's back, sooner
 * or later: do not mix it with D3hot.
 */
static int step_power(struct fuzz_model *model, const struct op *op,
		      struct command *c, struct outcome *want)
{
	if (!model->can_sleep || model->low_power)
		return 0;
	c->choice = op->choice % 4 != 0;
	model->d3hot = !c->choice;
	return 1;
}

static int step_low_power(struct fuzz_model *model, const struct op *op,
			  struct command *c, struct outcome *want)
{
	if (model->d3hot)
		return 0;
	c->choice = op->choice % 4 != 0;
	if (!c->choice && model->low_power)
		want->error = -EINVAL;
	model->low_power = !c->choice;
	return 1;
}

static int step_policy(struct fuzz_model *model, const struct op *op,
		       struct command *c, struct outcome *want)
{
	c->choice = op->choice % 2;
	model->ones = c->choice;
	model->written = ALL_ONES;
	return 1;
}

/* Leaves decode and low power as they were */
static int step_reset(struct fuzz_model *model, const struct op *op,
		      struct command *c, struct outcome *want)
{
	c->choice = op->choice % RESETS;
	if (!model->can_reset[c->choice])
		return 0;
	model->d3hot = false;
	return 1;
}

static int step_dma_map(struct fuzz_model *model, const struct op *op,
			struct command *c, struct outcome *want)
{
	const struct page *table = model->page[c->process];
	size_t i, slot = DMA_MAPS;

	if (!draw_pages(table, op, c))
		return 0;
	c->to = op->choice % IOVA_PAGES;
	for (i = 0; i < c->n; i++)
		if (table[c->page + i].bar < 0 ||
		    !(table[c->page + i].prot & PROT_WRITE))
			want->error = -EFAULT;
	if (!answers(model))
		want->error = -EFAULT;

	for (i = 0; i < DMA_MAPS; i++) {
		if (!model->dma[i].n)
			slot = i;
		else if (model->dma[i].iova < c->to + c->n &&
			 c->to < model->dma[i].iova + model->dma[i].n)
			want->error = -EEXIST;
	}
	if (want->error)
		return 1;
	if (slot == DMA_MAPS)
		return 0;
	model->dma[slot].iova = c->to;
	model->dma[slot].n = c->n;
	return 1;
}

/* Whole maps only, any number of them */
static int step_dma_unmap(struct fuzz_model *model, const struct op *op,
			  struct command *c, struct outcome *want)
{
	bool covered[DMA_MAPS] = {};
	size_t i;

	i = op->where % DMA_MAPS;
	if (op->choice % 4 && model->dma[i].n) {
		c->to = model->dma[i].iova;
		c->n = model->dma[i].n;
	} else {
		c->to = op->to % IOVA_PAGES;
		c->n = draw_length(op->length);
	}

	for (i = 0; i < DMA_MAPS; i++) {
		size_t first = model->dma[i].iova;
		size_t end = first + model->dma[i].n;

		if (end <= c->to || c->to + c->n <= first)
			continue;
		covered[i] = true;
		if (first < c->to || c->to + c->n < end)
			want->error = -EINVAL;
	}
	for (i = 0; i < DMA_MAPS && !want->error; i++)
		if (covered[i])
			model->dma[i].n = 0;
	return 1;
}

static int (* const steps[])(struct fuzz_model *model, const struct op *op,
			     struct command *c, struct outcome *want) = {
	[READ] = step_access,
	[WRITE] = step_access,
	[PREAD] = step_syscall_access,
	[PWRITE] = step_syscall_access,
	[MMAP] = step_mmap,
	[MMAP_ANYWHERE] = step_mmap,
	[MMAP_REFUSED] = step_mmap_refused,
	[MUNMAP] = step_munmap,
	[SHRINK] = step_shrink,
	[MOVE] = step_move,
	[MREMAP_REFUSED] = step_mremap_refused,
	[MPROTECT] = step_mprotect,
	[MADVISE] = step_madvise,
	[FORK] = step_fork,
	[EXIT] = step_exit,
	[DECODE] = step_decode,
	[POWER] = step_power,
	[RESET] = step_reset,
	[LOW_POWER] = step_low_power,
	[POLICY] = step_policy,
	[DMA_MAP] = step_dma_map,
	[DMA_UNMAP] = step_dma_unmap,
};

void fuzz_model_init(struct fuzz_model *model)
{
	model->decode = true;
	model->written = ALL_ONES;
	model->alive[0] = true;
	clear_pages(model->page[0], 0, PAGES);
}

int fuzz_model_step(struct fuzz_model *model, const struct op *op,
		    struct command *command, struct outcome *want)
{
	int outcomes, process = op->who % PROCESSES;

	while (!model->alive[process])
		process = (process + 1) % PROCESSES;
	*command = (struct command){ .kind = op->kind, .process = process };
	memset(want, 0, READ_PAGES * sizeof(*want));
	outcomes = steps[op->kind](model, op, command, want);
	if (answers(model))
		model->written = ALL_ONES;
	return outcomes;
}

static const char *prot_name(uint32_t prot)
{
	return prot == PROT_NONE ? "none" : prot == PROT_READ ? "read" :
					    "read-write";
}

void command_print(const struct command *c, char *text, size_t size)
{
	static const char * const refused_mmap[] = {
		"private", "past the end", "of another region"
	};
	static const char * const refused_mremap[] = {
		"to grow", "to duplicate", "to copy with MREMAP_DONTUNMAP"
	};
	static const char * const resets[] = {
		"VFIO_DEVICE_RESET", "function-level reset", "reset from sysfs"
	};
	size_t used, last = c->page + c->n - 1;

	used = snprintf(text, size, "process %d: ", c->process);
	text += used;
	size -= used;
	switch (c->kind) {
	case READ:
		snprintf(text, size, "read pages %zu..%zu", c->page, last);
		break;
	case WRITE:
		snprintf(text, size, "write 0x%x to page %zu", c->choice,
			 c->page);
		break;
	case PREAD:
		snprintf(text, size, "pread() page %zu of the BAR", c->to);
		break;
	case PWRITE:
		snprintf(text, size, "pwrite() 0x%x to page %zu of the BAR",
			 c->choice, c->to);
		break;
	case MMAP:
	case MMAP_ANYWHERE:
		snprintf(text, size,
			 "mmap pages %zu..%zu, BAR from page %zu, %s%s",
			 c->page, last, c->to, prot_name(c->choice),
			 c->kind == MMAP ? ", fixed" : "");
		break;
	case MMAP_REFUSED:
		snprintf(text, size, "mmap, %s", refused_mmap[c->choice]);
		break;
	case MUNMAP:
		snprintf(text, size, "munmap pages %zu..%zu", c->page, last);
		break;
	case SHRINK:
		snprintf(text, size, "mremap pages %zu..%zu, %zu stay", c->page,
			 last, c->new_n);
		break;
	case MOVE:
		snprintf(text, size, "mremap pages %zu..%zu to %zu..%zu",
			 c->page, last, c->to, c->to + c->new_n - 1);
		break;
	case MREMAP_REFUSED:
		snprintf(text, size, "mremap page %zu %s", c->page,
			 refused_mremap[c->choice]);
		break;
	case MPROTECT:
		snprintf(text, size, "mprotect pages %zu..%zu, %s", c->page,
			 last, prot_name(c->choice));
		break;
	case MADVISE:
		snprintf(text, size, "madvise pages %zu..%zu, advice %u",
			 c->page, last, c->choice);
		break;
	case FORK:
		snprintf(text, size, "fork process %zu", c->to);
		break;
	case EXIT:
		snprintf(text, size, "exit");
		break;
	case DECODE:
		snprintf(text, size, "decode %s by a write of %zu bytes",
			 c->choice ? "on" : "off", c->n);
		break;
	case POWER:
		snprintf(text, size, "power state %s",
			 c->choice ? "D0" : "D3hot");
		break;
	case RESET:
		snprintf(text, size, "%s", resets[c->choice]);
		break;
	case LOW_POWER:
		snprintf(text, size, "low power %s",
			 c->choice ? "exit" : "entry");
		break;
	case POLICY:
		snprintf(text, size, "a disabled BAR gives %s",
			 c->choice ? "ones" : "SIGBUS");
		break;
	case DMA_MAP:
		snprintf(text, size, "DMA map pages %zu..%zu at IOVA page %zu",
			 c->page, last, c->to);
		break;
	case DMA_UNMAP:
		snprintf(text, size, "DMA unmap IOVA pages %zu..%zu", c->to,
			 c->to + c->n - 1);
		break;
	case KINDS:
		break;
	}
}
