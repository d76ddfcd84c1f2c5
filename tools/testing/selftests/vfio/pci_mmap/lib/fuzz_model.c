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

/* How much to populate or to map for DMA at once where there are no leaves */
#define TABLE_PAGES 4096
/* What a DMA map may have where the kernel takes it page by page */
#define DMA_PAGES 1024

static size_t min(size_t a, size_t b)
{
	return a < b ? a : b;
}

static size_t max(size_t a, size_t b)
{
	return a > b ? a : b;
}

static size_t arena_pages(const struct fuzz_model *model)
{
	return ARENA_LEAVES * model->leaf;
}

static size_t float_pages(const struct fuzz_model *model)
{
	return FLOAT_LEAVES * model->leaf;
}

static size_t all_pages(const struct fuzz_model *model)
{
	return arena_pages(model) + FLOATS * float_pages(model);
}

int page_float(const struct fuzz_model *model, size_t page)
{
	return page < arena_pages(model) ? -1 :
	       (int)((page - arena_pages(model)) / float_pages(model));
}

size_t float_start(const struct fuzz_model *model, int id)
{
	return id < 0 ? 0 : arena_pages(model) + id * float_pages(model);
}

/* End of the arena or float that @page is in */
static size_t room_end(const struct fuzz_model *model, size_t page)
{
	return float_start(model, page_float(model, page) + 1);
}

static size_t vma_end(const struct vma *vma)
{
	return vma->page + vma->n;
}

/* The first VMA that ends after @page, or the end of the list */
static struct vma *vma_from(struct space *space, size_t page)
{
	struct vma *vma = space->vma;

	while (vma < space->vma + space->n && vma_end(vma) <= page)
		vma++;
	return vma;
}

/* The VMA that @page is in, or NULL */
static struct vma *vma_at(struct space *space, size_t page)
{
	struct vma *vma = vma_from(space, page);

	return vma < space->vma + space->n && vma->page <= page ? vma : NULL;
}

/* Before @at in the list. fuzz_model_step() sees to it that there is room. */
static void vma_insert(struct space *space, struct vma *at, struct vma vma)
{
	memmove(at + 1, at, (char *)(space->vma + space->n) - (char *)at);
	*at = vma;
	space->n++;
}

/* A VMA ends at @page, if there is one there */
static void vma_split(struct space *space, size_t page)
{
	struct vma *vma = vma_at(space, page);
	struct vma head;

	if (!vma || vma->page == page)
		return;
	head = *vma;
	head.n = page - vma->page;
	vma->page += head.n;
	vma->bar += head.n;
	vma->n -= head.n;
	vma_insert(space, vma, head);
}

static void clear_pages(struct space *space, size_t page, size_t n)
{
	struct vma *from, *to;

	vma_split(space, page);
	vma_split(space, page + n);
	from = vma_from(space, page);
	to = vma_from(space, page + n);
	memmove(from, to, (char *)(space->vma + space->n) - (char *)to);
	space->n -= to - from;
}

static void set_vma(struct space *space, struct vma vma)
{
	clear_pages(space, vma.page, vma.n);
	vma_insert(space, vma_from(space, vma.page), vma);
}

/* VMAs are split where something changes, and never merged again */
static void change_pages(struct space *space, size_t page, size_t n,
			 enum attribute attribute, unsigned char value)
{
	struct vma *vma = vma_at(space, page);
	size_t end = page + n;

	if (vma && vma->attribute[attribute] != value)
		vma_split(space, page);
	vma = vma_at(space, end - 1);
	if (vma && vma->attribute[attribute] != value)
		vma_split(space, end);

	for (vma = vma_from(space, page);
	     vma < space->vma + space->n && vma->page < end; vma++)
		vma->attribute[attribute] = value;
}

/* Mostly few pages; at times as many as a leaf has, or two, and one more or less */
static size_t draw_length(const struct fuzz_model *model, uint32_t draw)
{
	size_t n;

	switch (draw % 8) {
	case 0:
		n = 1 + draw / 64 % (2 * model->leaf);
		break;
	case 1:
		n = model->leaf;
		break;
	case 2:
		n = 2 * model->leaf;
		break;
	case 3:
		n = SMALL_LEAF;
		break;
	default:
		n = 1 + draw / 64 % 32;
	}
	switch (draw / 8 % 8) {
	case 0:
		return min(n + 1, 2 * model->leaf);
	case 1:
		return max(n - 1, 1);
	default:
		return n;
	}
}

/* Mostly one of few places, so that operations meet, or next to it */
static size_t draw_place(const struct fuzz_model *model, uint32_t draw,
			 size_t pages)
{
	size_t page = draw / 64 * (model->leaf / 4);

	switch (draw % 8) {
	case 0:
		page = draw / 64;
		break;
	case 1:
		page = draw / 64 * SMALL_LEAF;
		break;
	case 2:
		page += SMALL_LEAF;
		break;
	case 3:
		page += model->leaf - SMALL_LEAF;
		break;
	case 4:
		page = draw / 64 * model->leaf;
		break;
	}
	switch (draw / 8 % 8) {
	case 0:
		page++;
		break;
	case 1:
		page += model->leaf - 1;
		break;
	}
	return page % pages;
}

/* Change a place so that the largest leaves fit, or smaller ones, or only pages */
static size_t draw_aligned(const struct fuzz_model *model, uint32_t draw,
			   size_t place, size_t to, size_t pages)
{
	size_t unit, off = 0, page;

	switch (draw % 8) {
	case 0:
		return place;
	case 1:
		off = 1;
		unit = model->leaf;
		break;
	case 2:
	case 3:
		unit = SMALL_LEAF;
		break;
	default:
		unit = model->leaf;
	}
	page = place - place % unit + to % unit + off;
	return page < pages ? page : place;
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
static size_t run_length(const struct fuzz_model *model, struct space *space,
			 size_t page, size_t n, bool one_vma)
{
	size_t at = page, end = min(page + n, room_end(model, page));
	struct vma *vma;

	for (vma = vma_from(space, page);
	     vma < space->vma + space->n && vma->page <= at && at < end; vma++) {
		at = vma_end(vma);
		if (one_vma)
			break;
	}
	return min(at, end) - page;
}

/* Let @c be about pages that are mapped; false if there are none */
static bool draw_mapped(struct fuzz_model *model, const struct op *op,
			struct command *c, bool one_vma)
{
	struct space *space = &model->space[c->process];
	struct vma *vma;

	if (!space->n)
		return false;
	c->page = draw_place(model, op->where, all_pages(model));
	vma = vma_from(space, c->page);
	if (vma == space->vma + space->n) {
		vma = space->vma;
		c->page = vma->page;
	}
	c->page = max(c->page, vma->page);
	c->n = run_length(model, space, c->page,
			  draw_length(model, op->length), one_vma);
	return true;
}

/* Mostly the same, at times pages of the arena, whatever is there */
static bool draw_pages(struct fuzz_model *model, const struct op *op,
		       struct command *c)
{
	if (op->to % 8)
		return draw_mapped(model, op, c, false);

	c->page = draw_place(model, op->where, arena_pages(model));
	c->n = min(draw_length(model, op->length),
		   arena_pages(model) - c->page);
	return true;
}

/* Whether some of the range has no leaves: it must be short then, not to take long */
static bool needs_tables(struct space *space, size_t page, size_t n)
{
	struct vma *vma;

	for (vma = vma_from(space, page);
	     vma < space->vma + space->n && vma->page < page + n; vma++)
		if (vma->bar % SMALL_LEAF != vma->page % SMALL_LEAF ||
		    vma->attribute[HUGE] == MADV_NOHUGEPAGE)
			return true;
	return false;
}

/* Whether all of the range is mapped with @prot */
static bool permits(const struct fuzz_model *model, struct space *space,
		    size_t page, size_t n, int prot)
{
	struct vma *vma;

	if (run_length(model, space, page, n, false) < n)
		return false;
	for (vma = vma_from(space, page);
	     vma < space->vma + space->n && vma->page < page + n; vma++)
		if (!(vma->attribute[PROT] & prot))
			return false;
	return true;
}

/* The first sample at @bar or after */
static size_t sample_from(const struct fuzz_model *model, size_t bar)
{
	size_t from = 0, to = model->samples;

	while (from < to) {
		size_t middle = (from + to) / 2;

		if (model->sample[middle].page < bar)
			from = middle + 1;
		else
			to = middle;
	}
	return from;
}

/* The first word of a page of the BAR, or NULL if it is none of the sample */
static uint32_t *bar_word(struct fuzz_model *model, size_t bar)
{
	size_t i = sample_from(model, bar);

	return i < model->samples && model->sample[i].page == bar ?
	       &model->sample[i].word : NULL;
}

/* The page next to @page in its VMA that is of the sample; @page if there is none */
static size_t sampled_page(const struct fuzz_model *model,
			   const struct vma *vma, size_t page)
{
	size_t i = sample_from(model, vma->bar + page - vma->page);

	if (i < model->samples && model->sample[i].page < vma->bar + vma->n)
		return vma->page + model->sample[i].page - vma->bar;
	if (i && model->sample[i - 1].page >= vma->bar)
		return vma->page + model->sample[i - 1].page - vma->bar;
	return page;
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

/* What ones at a page of the BAR may have become */
static uint32_t written(const struct fuzz_model *model, size_t page)
{
	size_t i;

	for (i = 0; i < ARRAY_SIZE(model->written); i++)
		if (model->written[i].page == page)
			return model->written[i].value;
	return ALL_ONES;
}

static void keep_written(struct fuzz_model *model, size_t page, uint32_t value)
{
	size_t i = 0;

	while (i < ARRAY_SIZE(model->written) - 1 && model->written[i].page != page)
		i++;
	memmove(&model->written[1], &model->written[0], i * sizeof(model->written[0]));
	model->written[0].page = page;
	model->written[0].value = value;
}

static void forget_written(struct fuzz_model *model)
{
	size_t i;

	for (i = 0; i < ARRAY_SIZE(model->written); i++) {
		model->written[i].page = SIZE_MAX;
		model->written[i].value = ALL_ONES;
	}
}

static int step_access(struct fuzz_model *model, const struct op *op,
		       struct command *c, struct outcome *want)
{
	struct space *space = &model->space[c->process];
	struct vma *vma;
	uint32_t *word;
	int needed;
	size_t i, page;

	if (!model->ram)
		c->kind = READ;
	if (!draw_pages(model, op, c))
		return 0;
	vma = vma_at(space, c->page);
	if (vma)
		c->page = sampled_page(model, vma, c->page);
	c->n = c->kind == READ ? min(c->n, READ_PAGES) : 1;
	/* Beyond a float may be anything */
	if (page_float(model, c->page) < 0)
		c->n = min(c->n, arena_pages(model) - c->page);
	else
		c->n = run_length(model, space, c->page, c->n, false);
	c->choice = op->choice;
	needed = c->kind == READ ? PROT_READ : PROT_WRITE;

	for (i = 0; i < c->n; i++) {
		vma = vma_at(space, c->page + i);
		if (!vma || !(vma->attribute[PROT] & needed)) {
			want[i].error = SIGSEGV;
			continue;
		}
		if (answers(model)) {
			word = bar_word(model, vma->bar + c->page + i - vma->page);
			if (!word && c->kind == WRITE)
				return 0;
			if (!word)
				want[i].any = true;
			else if (c->kind == READ)
				want[i].value = *word;
			else
				*word = c->choice;
		} else if (!model->ones) {
			want[i].error = SIGBUS;
		} else if (c->kind == READ) {
			page = vma->bar + c->page + i - vma->page;
			want[i] = (struct outcome){
				.value = ALL_ONES, .other = written(model, page)
			};
		} else {
			page = vma->bar + c->page + i - vma->page;
			keep_written(model, page, c->choice);
		}
	}
	return c->n;
}

static int step_syscall_access(struct fuzz_model *model, const struct op *op,
			       struct command *c, struct outcome *want)
{
	uint32_t *word;
	size_t i = 0;

	/* The driver shields some registers from these, in page 0 none */
	if (model->ram)
		i = op->where % model->samples;
	else
		c->kind = PREAD;
	c->to = model->sample[i].page;
	word = &model->sample[i].word;
	c->choice = op->choice;

	if (!awake(model))
		want->error = -EIO;
	else if (c->kind == PREAD)
		want->value = *word;
	else
		*word = c->choice;
	return 1;
}

static int step_mmap(struct fuzz_model *model, const struct op *op,
		     struct command *c, struct outcome *want)
{
	struct space *space = &model->space[c->process];
	struct vma vma = {};

	c->to = draw_place(model, op->to, model->bar_pages);
	c->n = draw_length(model, op->length);
	c->choice = draw_prot(op->choice);
	if (op->choice / 8 % 2) {
		/* Whole leaves, to be cut later */
		c->to -= c->to % model->leaf;
		c->n = (1 + op->length % 2) * model->leaf;
	}
	if (c->kind == MMAP) {
		c->page = draw_place(model, op->where, arena_pages(model));
		if (op->choice / 16 % 2)
			c->page -= c->page % model->leaf;
		c->to = draw_aligned(model, op->choice / 32, c->to, c->page,
				     model->bar_pages);
		c->n = min(c->n, arena_pages(model) - c->page);
	} else {
		c->page = float_start(model, op->where % FLOATS);
		clear_pages(space, c->page, float_pages(model));
	}
	c->n = min(c->n, model->bar_pages - c->to);
	c->populate = op->choice / 256 % 8 == 0;

	vma.page = c->page;
	vma.n = c->n;
	vma.bar = c->to;
	vma.attribute[PROT] = c->choice;
	set_vma(space, vma);
	if (needs_tables(space, c->page, c->n) && c->n > TABLE_PAGES)
		c->populate = false;
	return 1;
}

static int step_mmap_refused(struct fuzz_model *model, const struct op *op,
			     struct command *c, struct outcome *want)
{
	c->choice = op->choice % MMAP_REFUSALS;
	want->error = -EINVAL;
	return 1;
}

/* The first page that goes away is read at once: there must be nothing left of it */
static int gone(struct outcome *want)
{
	want[1].error = SIGSEGV;
	return 2;
}

/* MUNMAP, and COVER, which maps other memory over it */
static int step_munmap(struct fuzz_model *model, const struct op *op,
		       struct command *c, struct outcome *want)
{
	if (!draw_pages(model, op, c))
		return 0;
	clear_pages(&model->space[c->process], c->page, c->n);
	return gone(want);
}

static int step_shrink(struct fuzz_model *model, const struct op *op,
		       struct command *c, struct outcome *want)
{
	if (!draw_mapped(model, op, c, true))
		return 0;
	c->new_n = min(c->n, draw_length(model, op->choice));
	if (c->new_n == c->n)
		return 1;
	clear_pages(&model->space[c->process], c->page + c->new_n,
		    c->n - c->new_n);
	return gone(want);
}

static int step_move(struct fuzz_model *model, const struct op *op,
		     struct command *c, struct outcome *want)
{
	struct space *space = &model->space[c->process];
	struct vma moved;

	if (!draw_mapped(model, op, c, true))
		return 0;
	moved = *vma_at(space, c->page);
	if (op->choice % 4 == 1) {
		/* All of it */
		c->page = moved.page;
		c->n = moved.n;
	}
	moved.bar += c->page - moved.page;
	c->to = draw_aligned(model, op->choice / 256,
			     draw_place(model, op->to, arena_pages(model)),
			     moved.bar, arena_pages(model));
	c->n = min(c->n, arena_pages(model) - c->to);
	c->new_n = op->choice % 4 ? c->n : 1 + op->choice / 4 % c->n;
	if (c->page + c->n > c->to && c->to + c->new_n > c->page) {
		want->error = -EINVAL;
		return 1;
	}

	clear_pages(space, c->page, c->n);
	moved.page = c->to;
	moved.n = c->new_n;
	set_vma(space, moved);
	return gone(want);
}

static int step_mremap_refused(struct fuzz_model *model, const struct op *op,
			       struct command *c, struct outcome *want)
{
	if (!draw_mapped(model, op, c, true))
		return 0;
	c->choice = op->choice % MREMAP_REFUSALS;
	c->n = c->choice == DUPLICATE ? 0 : 1;
	c->new_n = c->choice == GROW ? 1 + draw_length(model, op->length) : 1;
	want->error = c->choice == DONTUNMAP ? -EINVAL : -EFAULT;
	return 1;
}

static int step_mprotect(struct fuzz_model *model, const struct op *op,
			 struct command *c, struct outcome *want)
{
	struct space *space = &model->space[c->process];

	if (!draw_mapped(model, op, c, false))
		return 0;
	c->choice = draw_prot(op->choice);
	if (model->can_key)
		c->key = op->choice / 8 % KEYS;

	change_pages(space, c->page, c->n, PROT, c->choice);
	if (c->key != SAME_KEY)
		change_pages(space, c->page, c->n, KEY, c->key == OTHER_KEY);
	return 1;
}

static int step_madvise(struct fuzz_model *model, const struct op *op,
			struct command *c, struct outcome *want)
{
	static const struct {
		int advice;
		int error;
		enum attribute changes;
		unsigned char value;
	} advices[] = {
		{ MADV_DONTFORK, 0, DONTFORK, true },
		{ MADV_DONTFORK, 0, DONTFORK, true },
		{ MADV_DOFORK, -EINVAL, ATTRIBUTES },
		{ MADV_RANDOM, 0, READAHEAD, MADV_RANDOM },
		{ MADV_SEQUENTIAL, 0, READAHEAD, MADV_SEQUENTIAL },
		{ MADV_NORMAL, 0, READAHEAD, MADV_NORMAL },
		{ MADV_NORMAL, 0, READAHEAD, MADV_NORMAL },
		{ MADV_HUGEPAGE, 0, HUGE, MADV_HUGEPAGE },
		{ MADV_HUGEPAGE, 0, HUGE, MADV_HUGEPAGE },
		{ MADV_NOHUGEPAGE, 0, HUGE, MADV_NOHUGEPAGE },
		{ MADV_DONTDUMP, 0, ATTRIBUTES },
		{ MADV_DODUMP, -EINVAL, ATTRIBUTES },
		{ MADV_DONTNEED, -EINVAL, ATTRIBUTES },
		{ MADV_WILLNEED, 0, ATTRIBUTES },
		{ MADV_COLD, -EINVAL, ATTRIBUTES },
		{ MADV_POPULATE_READ, 0, ATTRIBUTES },
		{ MADV_POPULATE_READ, 0, ATTRIBUTES },
		{ MADV_POPULATE_WRITE, 0, ATTRIBUTES },
	};
	struct space *space = &model->space[c->process];
	size_t i;
	int needed;

	if (!draw_mapped(model, op, c, false))
		return 0;
	i = op->choice % ARRAY_SIZE(advices);
	c->choice = advices[i].advice;
	want->error = advices[i].error;
	if (advices[i].changes != ATTRIBUTES)
		change_pages(space, c->page, c->n, advices[i].changes,
			     advices[i].value);

	if (c->choice != MADV_POPULATE_READ && c->choice != MADV_POPULATE_WRITE)
		return 1;

	if (needs_tables(space, c->page, c->n))
		c->n = min(c->n, TABLE_PAGES);
	needed = c->choice == MADV_POPULATE_READ ? PROT_READ : PROT_WRITE;
	if (!model->can_populate || !answers(model) ||
	    !permits(model, space, c->page, c->n, needed))
		want->error = -EINVAL;
	return 1;
}

static int step_mbind(struct fuzz_model *model, const struct op *op,
		      struct command *c, struct outcome *want)
{
	if (!model->can_bind || !draw_mapped(model, op, c, false))
		return 0;
	c->choice = op->choice % 2;
	change_pages(&model->space[c->process], c->page, c->n, MEMPOLICY,
		     c->choice);
	return 1;
}

/* Nothing comes of it, neither good nor bad */
static int step_mlock(struct fuzz_model *model, const struct op *op,
		      struct command *c, struct outcome *want)
{
	c->choice = op->choice % 2;
	return draw_mapped(model, op, c, false);
}

static int step_clear_refs(struct fuzz_model *model, const struct op *op,
			   struct command *c, struct outcome *want)
{
	return model->can_clear;
}

static int step_fork(struct fuzz_model *model, const struct op *op,
		     struct command *c, struct outcome *want)
{
	struct space *space, *child;
	size_t i;

	for (c->to = 0; model->alive[c->to]; c->to++)
		if (c->to == PROCESSES - 1)
			return 0;

	space = &model->space[c->process];
	child = &model->space[c->to];
	child->n = 0;
	for (i = 0; i < space->n; i++)
		if (!space->vma[i].attribute[DONTFORK])
			child->vma[child->n++] = space->vma[i];
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
	if (!model->can_policy)
		return 0;
	c->choice = op->choice % 2;
	model->ones = c->choice;
	forget_written(model);
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
	struct space *space = &model->space[c->process];
	size_t i, slot = DMA_MAPS;

	if (!draw_pages(model, op, c))
		return 0;
	if (!model->can_populate)
		c->n = min(c->n, DMA_PAGES);
	else if (needs_tables(space, c->page, c->n))
		c->n = min(c->n, TABLE_PAGES);
	c->to = op->choice % IOVA_PAGES;
	if (!answers(model) ||
	    !permits(model, space, c->page, c->n, PROT_WRITE))
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
		c->n = draw_length(model, op->length);
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
	[COVER] = step_munmap,
	[SHRINK] = step_shrink,
	[MOVE] = step_move,
	[MREMAP_REFUSED] = step_mremap_refused,
	[MPROTECT] = step_mprotect,
	[MADVISE] = step_madvise,
	[MBIND] = step_mbind,
	[MLOCK] = step_mlock,
	[CLEAR_REFS] = step_clear_refs,
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

/* All pages of a small BAR, of a large one those where leaves meet, and some more */
static void draw_sample(struct fuzz_model *model)
{
	const size_t near[] = { 0, 1, 2, SMALL_LEAF - 1, SMALL_LEAF, SMALL_LEAF + 1 };
	/* Without larger leaves, there is an end of a small one at any quarter at most */
	size_t n = model->leaf == SMALL_LEAF ? 3 : ARRAY_SIZE(near);
	size_t quarter = model->leaf / 4;
	size_t page, i;

	if (model->bar_pages <= SAMPLES) {
		for (page = 0; page < model->bar_pages; page++)
			model->sample[model->samples++].page = page;
		return;
	}
	for (page = 0; page + quarter <= model->bar_pages; page += quarter) {
		for (i = 0; i < n; i++)
			model->sample[model->samples++].page = page + near[i];
		for (i = 1; i < 8; i++)
			model->sample[model->samples++].page =
				page + i * (quarter / 8) + page / quarter * i;
		for (i = n - 1; i; i--)
			model->sample[model->samples++].page =
				page + quarter - near[i];
	}
}

void fuzz_model_init(struct fuzz_model *model, size_t bar_pages)
{
	model->leaf = bar_pages < 2 * LARGE_LEAF ? SMALL_LEAF : LARGE_LEAF;
	model->bar_pages = min(bar_pages, BAR_LEAVES * model->leaf);
	model->decode = true;
	forget_written(model);
	model->alive[0] = true;
	draw_sample(model);
}

/* What an operation may add to the VMAs of a process: two cuts here, two there */
#define VMAS_ADDED 4

int fuzz_model_step(struct fuzz_model *model, const struct op *op,
		    struct command *command, struct outcome *want)
{
	int outcomes, process = op->who % PROCESSES;
	struct space *space;

	while (!model->alive[process])
		process = (process + 1) % PROCESSES;
	*command = (struct command){ .kind = op->kind, .process = process };
	memset(want, 0, READ_PAGES * sizeof(*want));

	space = &model->space[process];
	if (space->n + VMAS_ADDED > VMAS) {
		/* Make room */
		size_t page = space->vma[op->where % space->n].page;

		command->kind = MUNMAP;
		command->page = float_start(model, page_float(model, page));
		command->n = room_end(model, page) - command->page;
		clear_pages(space, command->page, command->n);
		return gone(want);
	}

	outcomes = steps[op->kind](model, op, command, want);
	if (answers(model))
		forget_written(model);
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
	static const char * const keys[] = {
		"", ", with a protection key", ", without a protection key"
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
			 "mmap pages %zu..%zu, BAR from page %zu, %s%s%s",
			 c->page, last, c->to, prot_name(c->choice),
			 c->kind == MMAP ? ", fixed" : "",
			 c->populate ? ", populated" : "");
		break;
	case MMAP_REFUSED:
		snprintf(text, size, "mmap, %s", refused_mmap[c->choice]);
		break;
	case MUNMAP:
		snprintf(text, size, "munmap pages %zu..%zu", c->page, last);
		break;
	case COVER:
		snprintf(text, size, "mmap pages %zu..%zu, anonymous, fixed",
			 c->page, last);
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
		snprintf(text, size, "mprotect pages %zu..%zu, %s%s", c->page,
			 last, prot_name(c->choice), keys[c->key]);
		break;
	case MADVISE:
		snprintf(text, size, "madvise pages %zu..%zu, advice %u",
			 c->page, last, c->choice);
		break;
	case MBIND:
		snprintf(text, size, "mbind pages %zu..%zu to %s", c->page,
			 last, c->choice ? "node 0" : "the default");
		break;
	case MLOCK:
		snprintf(text, size, "%s pages %zu..%zu",
			 c->choice ? "mlock" : "munlock", c->page, last);
		break;
	case CLEAR_REFS:
		snprintf(text, size, "clear the soft-dirty bits");
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
