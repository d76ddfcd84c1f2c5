// SPDX-License-Identifier: GPL-2.0-only
/*
 * Random DMA maps and unmaps, against a model of what the IOMMU must translate
 *
 * dma_random_test [-s SEED] [-n OPERATIONS] DEVICE EDU
 *
 * Maps pieces of memory, of the BAR in line and out of line, and of a BAR with memory
 * between, and unmaps them one by one, by ranges and all at once, with dirty tracking
 * and without. What is mapped must be what the model says: by the errno, by the size
 * that was unmapped, by the dirty bitmap, by what is accounted as locked memory, and by
 * where DMA of EDU goes. That takes EDU a tenth of a second, so one operation in a
 * hundred is DMA, to a page at the edge of what was mapped or unmapped, mostly, or to
 * one that is mapped before and not mapped any more after.
 *
 * The seed alone says what happens. It is printed, with the operation that failed.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/random.h>
#include <sys/resource.h>
#include <unistd.h>

#include <linux/vfio.h>

#include "harness.h"
#include "access.h"
#include "device.h"
#include "draw.h"
#include "edu.h"

#define OPERATIONS 3000
/* A page that DMA can always reach while it is mapped, and then the pages to map at */
#define MAILBOX_IOVA 0xf00000ULL
#define IOVA 0x1000000ULL
/* Where nobody else says so, the kernel has MSIs of arm64 go to a window from there on */
#ifdef __aarch64__
#define IOVA_END (128ULL << 20)
#else
#define IOVA_END EDU_REACH
#endif
#define IOVA_PAGES ((IOVA_END - IOVA) / 4096)
#define MEMORY_PAGES 1024
#define MAPS 512
/* Of a BAR that is larger, no more */
#define BAR_PAGES 16384
#define NOTHING ((struct place){ .arena = -1 })

/* What a page of an arena is */
enum kind { BAR, MEMORY, READ_ONLY, HOLE };

/* Where the pages to be mapped are */
enum { IN_LINE, OUT_OF_LINE, PLAIN_MEMORY, MIXED, ARENAS };

/**
 * struct arena - Addresses of pages that may be mapped for DMA
 * @addr: of the first
 * @pages: how many there are
 * @kind: what each is
 */
struct arena {
	void *addr;
	size_t pages;
	unsigned char *kind;
};

/**
 * struct place - A page of an arena
 * @arena: of which; -1 for none
 * @page: which
 */
struct place {
	int arena;
	size_t page;
};

/**
 * struct map - A DMA map that the model says there is
 * @iova: its first page, counted from IOVA
 * @n: how many pages
 * @from: what its first page maps
 */
struct map {
	size_t iova;
	size_t n;
	struct place from;
};

static const char *bdf[2];
static uint64_t seed;
static size_t operations = OPERATIONS;

FIXTURE(dma_random)
{
	struct device dev[2];
	void *edu;
	size_t page_size;
	struct arena arena[ARENAS];
	uint32_t *mailbox;
	bool v2;
	/* The model: maps in the order of their IOVAs, and what each page was last */
	struct map map[MAPS];
	size_t n;
	struct place last[IOVA_PAGES];
	bool tracked;
	long locked;
	uint64_t state;
};

FIXTURE_VARIANT(dma_random)
{
	bool v2;
};

FIXTURE_VARIANT_ADD(dma_random, v2)
{
	.v2 = true,
};

FIXTURE_VARIANT_ADD(dma_random, v1)
{
};

/* Pages of memory locked, as accounted to this process */
static long locked_pages(void)
{
	FILE *file = fopen("/proc/self/status", "r");
	long kib = -1;
	char line[256];

	while (file && fgets(line, sizeof(line), file) &&
	       sscanf(line, "VmLck: %ld", &kib) != 1)
		;
	if (file)
		fclose(file);
	return kib * 1024 / getpagesize();
}

static void *memory_at(void *addr, size_t size)
{
	return mmap(addr, size, PROT_READ | PROT_WRITE,
		    MAP_PRIVATE | MAP_ANONYMOUS | (addr ? MAP_FIXED : 0), -1, 0);
}

static int arena_init(struct arena *arena, void *addr, size_t pages, enum kind kind)
{
	arena->addr = addr;
	arena->pages = pages;
	arena->kind = malloc(pages);
	if (addr == MAP_FAILED || !arena->kind)
		return -ENOMEM;
	memset(arena->kind, kind, pages);
	return 0;
}

static uint32_t *word_at(struct arena *arena, struct place place)
{
	return arena[place.arena].addr + place.page * getpagesize();
}

/* Memory in pieces of one page and more between those of the BAR, and what cannot be mapped */
static int mix(struct arena *arena, uint64_t *state)
{
	size_t page_size = getpagesize(), page, n;
	enum kind kind;
	void *addr;

	for (page = 0; page < arena->pages; page += n) {
		addr = arena->addr + page * page_size;
		n = draw(state) % 2 ? 1000 : 8;
		n = 1 + draw(state) % n;
		if (n > arena->pages - page)
			n = arena->pages - page;
		kind = BAR;
		if (draw(state) % 2)
			kind = n > 100 || draw(state) % 4 ? MEMORY :
			       draw(state) % 2 ? READ_ONLY : HOLE;
		if (kind == MEMORY && n > 100)
			n = 100;
		if ((kind == MEMORY && memory_at(addr, n * page_size) == MAP_FAILED) ||
		    (kind == READ_ONLY && mprotect(addr, n * page_size, PROT_READ)) ||
		    (kind == HOLE && mmap(addr, n * page_size, PROT_NONE,
					  MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1,
					  0) == MAP_FAILED))
			return -errno;
		memset(arena->kind + page, kind, n);
	}
	return 0;
}

/* Each page of memory has a word of its own; those of the BAR have theirs */
static void mark_memory(struct arena *arena)
{
	struct place place;

	for (place.arena = 0; place.arena < ARENAS; place.arena++) {
		for (place.page = 0; place.page < arena[place.arena].pages; place.page++) {
			if (arena[place.arena].kind[place.page] == MEMORY)
				*word_at(arena, place) = 0x3e000000 |
					place.arena << 20 | place.page;
		}
	}
}

FIXTURE_SETUP(dma_random)
{
	const struct rlimit unlimited = { RLIM_INFINITY, RLIM_INFINITY };
	struct device *dev = self->dev;
	size_t pages, i;

	self->v2 = variant->v2;
	self->state = seed;
	if (setrlimit(RLIMIT_MEMLOCK, &unlimited))
		SKIP(return, "locks more memory than it may: be root");
	self->page_size = getpagesize();
	if (self->page_size != 4096)
		SKIP(return, "counts in pages of 4 KiB");
	ASSERT_EQ(0, variant->v2 ? device_open(&dev[0], bdf[0], -1, -1) :
				   device_open_v1(&dev[0], bdf[0]));
	ASSERT_LT(0, device_open_beside(dev, bdf[1]));
	pages = dev[0].bar_size / self->page_size;
	if (pages > BAR_PAGES)
		pages = BAR_PAGES;
	ASSERT_EQ(0, arena_init(&self->arena[IN_LINE],
				device_map(&dev[0], dev[0].bar_size, 0), pages, BAR));
	if (device_fill(&dev[0], self->arena[IN_LINE].addr))
		SKIP(return, "BAR %u of %s does not keep what is written", dev[0].bar,
		     bdf[0]);
	self->edu = edu_start(&dev[1]);
	if (!self->edu)
		SKIP(return, "%s is not QEMU's edu device", bdf[1]);
	ASSERT_EQ(0, arena_init(&self->arena[OUT_OF_LINE], device_map_misaligned(&dev[0]),
				pages, BAR));
	ASSERT_EQ(0, arena_init(&self->arena[PLAIN_MEMORY],
				memory_at(NULL, MEMORY_PAGES * self->page_size),
				MEMORY_PAGES, MEMORY));
	ASSERT_EQ(0, arena_init(&self->arena[MIXED], device_map(&dev[0], dev[0].bar_size, 0),
				pages, BAR));
	self->mailbox = memory_at(NULL, self->page_size);
	ASSERT_NE(MAP_FAILED, self->mailbox);
	ASSERT_EQ(0, mix(&self->arena[MIXED], &self->state));
	mark_memory(self->arena);
	for (i = 0; i < IOVA_PAGES; i++)
		self->last[i] = NOTHING;
	self->locked = locked_pages();
}

FIXTURE_TEARDOWN(dma_random)
{
	device_close(&self->dev[1]);
	device_close(&self->dev[0]);
}

/* A number of pages: one, few or many, and of leaves or about that */
static size_t draw_pages(uint64_t *state, size_t max)
{
	size_t n = 1UL << draw(state) % 15;

	switch (draw(state) % 4) {
	case 0:
		n += draw(state) % n;
		break;
	case 1:
		n++;
		break;
	case 2:
		n -= n > 1;
		break;
	}
	return n < max ? n : max;
}

/* The first map that ends above a page */
static size_t find_map(const struct map *map, size_t n, size_t iova)
{
	size_t i;

	for (i = 0; i < n && map[i].iova + map[i].n <= iova; i++)
		;
	return i;
}

static uint64_t iova_of(size_t page)
{
	return IOVA + page * 4096ULL;
}

/* What the model says of a map, and has of it from now on */
static int model_map(struct _test_data_dma_random *self, struct map new)
{
	size_t i = find_map(self->map, self->n, new.iova), page;
	struct arena *arena = &self->arena[new.from.arena];

	if (i < self->n && self->map[i].iova < new.iova + new.n)
		return -EEXIST;
	for (page = 0; page < new.n; page++) {
		if (arena->kind[new.from.page + page] >= READ_ONLY)
			return -EFAULT;
	}
	for (page = 0; page < new.n; page++) {
		self->last[new.iova + page] = (struct place){
			new.from.arena, new.from.page + page
		};
		self->locked += arena->kind[new.from.page + page] == MEMORY;
	}
	memmove(&self->map[i + 1], &self->map[i], (self->n - i) * sizeof(new));
	self->map[i] = new;
	self->n++;
	return 0;
}

static void model_remove(struct _test_data_dma_random *self, size_t i)
{
	struct map *map = &self->map[i];
	size_t page;

	for (page = 0; page < map->n; page++)
		self->locked -= self->arena[map->from.arena].kind[map->from.page + page] ==
				MEMORY;
	memmove(map, map + 1, (--self->n - i) * sizeof(*map));
}

/*
 * How many pages are unmapped, or a negative errno. Version 2 takes whole maps only.
 * Version 1 takes those whose first page is in the range, up to one that is not.
 */
static long model_unmap(struct _test_data_dma_random *self, size_t iova, size_t n, bool all,
			unsigned long *dirty)
{
	size_t i = find_map(self->map, self->n, iova), end = iova + n, page;
	struct map *last = &self->map[find_map(self->map, self->n, end - 1)];
	long unmapped = 0;

	if (self->v2 && !all) {
		if (i < self->n && self->map[i].iova < iova)
			return -EINVAL;
		if (last < &self->map[self->n] && last->iova < end &&
		    last->iova + last->n > end)
			return -EINVAL;
	}
	while (i < self->n && self->map[i].iova < end && self->map[i].iova >= iova) {
		for (page = 0; dirty && page < self->map[i].n; page++)
			dirty[(self->map[i].iova + page - iova) / 64] |=
				1UL << (self->map[i].iova + page - iova) % 64;
		unmapped += self->map[i].n;
		model_remove(self, i);
	}
	return unmapped;
}

static void step_map(struct __test_metadata *_metadata, struct _test_data_dma_random *self)
{
	struct map map = { .from.arena = draw(&self->state) % ARENAS };
	struct arena *arena = &self->arena[map.from.arena];
	int ret;

	map.n = draw_pages(&self->state, arena->pages);
	map.from.page = draw(&self->state) % (arena->pages - map.n + 1);
	map.iova = draw(&self->state) % (IOVA_PAGES - map.n + 1);
	/* So that the IOMMU has large leaves as well, if the pages are consecutive */
	if (draw(&self->state) % 2) {
		map.iova = (map.iova & ~511UL) | (map.from.page & 511);
		if (map.iova + map.n > IOVA_PAGES)
			return;
	}
	if (self->n == MAPS)
		return;
	ret = model_map(self, map);
	EXPECT_EQ(ret, dma_map(&self->dev[0], arena->addr + map.from.page * 4096, map.n * 4096,
			       iova_of(map.iova)))
		TH_LOG("map of %zu pages, page %zu of arena %d, at 0x%llx", map.n,
		       map.from.page, map.from.arena,
		       (unsigned long long)iova_of(map.iova));
}

static void step_unmap(struct __test_metadata *_metadata, struct _test_data_dma_random *self)
{
	static unsigned long dirty[IOVA_PAGES / 64 + 1], wanted[IOVA_PAGES / 64 + 1];
	struct {
		struct vfio_iommu_type1_dma_unmap unmap;
		struct vfio_bitmap bitmap;
	} arg = {
		.unmap.argsz = sizeof(arg.unmap),
		.bitmap = {
			.pgsize = 4096,
			.size = sizeof(dirty),
			.data = (void *)dirty,
		},
	};
	bool all = !(draw(&self->state) % 100), track = !all && !(draw(&self->state) % 4);
	size_t iova, n, i;
	long wants, got;

	iova = draw(&self->state) % IOVA_PAGES;
	n = draw_pages(&self->state, IOVA_PAGES - iova);
	i = find_map(self->map, self->n, iova);
	if (i < self->n && draw(&self->state) % 8) {
		/* From the first page of a map to the last one of it, or of another */
		size_t last = i + draw(&self->state) % 3;

		iova = self->map[i].iova;
		if (last >= self->n)
			last = self->n - 1;
		n = self->map[last].iova + self->map[last].n - iova;
		/* Or about so */
		if (!(draw(&self->state) % 8) && n > 1)
			n--;
	}
	if (all) {
		iova = 0;
		n = IOVA_PAGES;
		arg.unmap.flags = VFIO_DMA_UNMAP_FLAG_ALL;
	} else {
		arg.unmap.iova = iova_of(iova);
		arg.unmap.size = n * 4096;
	}
	if (track) {
		arg.unmap.argsz = sizeof(arg);
		arg.unmap.flags = VFIO_DMA_UNMAP_FLAG_GET_DIRTY_BITMAP;
		memset(dirty, 0, sizeof(dirty));
		memset(wanted, 0, sizeof(wanted));
	}
	wants = track && !self->tracked ? -EINVAL :
		model_unmap(self, iova, n, all, track && self->v2 ? wanted : NULL);
	got = ioctl(self->dev[0].container, VFIO_IOMMU_UNMAP_DMA, &arg) ? -errno :
	      arg.unmap.size / 4096;
	EXPECT_EQ(wants, got)
		TH_LOG("unmap of %zu pages at 0x%llx, flags 0x%x", n,
		       (unsigned long long)arg.unmap.iova, arg.unmap.flags);
	if (!track || !self->v2 || got < 0)
		return;
	EXPECT_EQ(0, memcmp(dirty, wanted, sizeof(dirty)))
		TH_LOG("dirty bitmap of %zu pages at 0x%llx", n,
		       (unsigned long long)arg.unmap.iova);
}

static void step_track(struct __test_metadata *_metadata, struct _test_data_dma_random *self)
{
	struct vfio_iommu_type1_dirty_bitmap dirty = {
		.argsz = sizeof(dirty),
		.flags = self->tracked ? VFIO_IOMMU_DIRTY_PAGES_FLAG_STOP :
					 VFIO_IOMMU_DIRTY_PAGES_FLAG_START,
	};

	/* Version 1 does not know it */
	EXPECT_EQ(self->v2 ? 0 : -EACCES,
		  ioctl(self->dev[0].container, VFIO_IOMMU_DIRTY_PAGES, &dirty) ? -errno : 0);
	self->tracked = self->v2 && !self->tracked;
}

/* A page at the edge of a map that is there, or was, or just any */
static size_t draw_probe(struct _test_data_dma_random *self)
{
	size_t iova = draw(&self->state) % IOVA_PAGES;
	struct map *map;

	if (!self->n || !(draw(&self->state) % 4))
		return iova;
	map = &self->map[draw(&self->state) % self->n];
	switch (draw(&self->state) % 5) {
	case 0:
		return map->iova;
	case 1:
		return map->iova + map->n - 1;
	case 2:
		return map->iova + draw(&self->state) % map->n;
	case 3:
		return map->iova + map->n < IOVA_PAGES ? map->iova + map->n : iova;
	default:
		return map->iova ? map->iova - 1 : iova;
	}
}

/* Have EDU read a word that is nowhere else; return 0 or a negative errno */
static int read_mailbox(struct _test_data_dma_random *self)
{
	int ret;

	*self->mailbox = 0xbad;
	ret = dma_map(&self->dev[0], self->mailbox, 4096, MAILBOX_IOVA);
	if (ret)
		return ret;
	ret = edu_read(self->edu, MAILBOX_IOVA, sizeof(*self->mailbox));
	return ret ?: dma_unmap(&self->dev[0], 4096, MAILBOX_IOVA);
}

/*
 * What is mapped is read and written where it is. What is not any more is not written
 * to, if @unmap by an unmap that comes between the two.
 */
static void step_dma(struct __test_metadata *_metadata, struct _test_data_dma_random *self,
		     bool unmap)
{
	size_t iova = draw_probe(self), i = find_map(self->map, self->n, iova);
	bool mapped = i < self->n && self->map[i].iova <= iova;
	struct place place = self->last[iova];
	uint32_t *word, value, wants = 0;

	if (place.arena < 0)
		return;
	word = word_at(self->arena, place);
	EXPECT_EQ(0, try_write(word + 2, 0));
	EXPECT_EQ(0, mapped ? edu_read(self->edu, iova_of(iova), sizeof(value)) :
			      read_mailbox(self));
	if (mapped && unmap) {
		struct map map = self->map[i];

		EXPECT_EQ(map.n, model_unmap(self, map.iova, map.n, false, NULL));
		EXPECT_EQ(0, dma_unmap(&self->dev[0], map.n * 4096, iova_of(map.iova)));
	} else if (mapped) {
		wants = *word;
	}
	EXPECT_EQ(0, edu_write(self->edu, iova_of(iova) + 8, sizeof(value)));
	EXPECT_EQ(0, try_read(word + 2, &value));
	EXPECT_EQ(wants, value)
		TH_LOG("DMA at 0x%llx, which %s page %zu of arena %d",
		       (unsigned long long)iova_of(iova), wants ? "maps" : "mapped",
		       place.page, place.arena);
}

TEST_F_TIMEOUT(dma_random, operations, 7200)
{
	struct vfio_iommu_type1_dma_unmap everything = {
		.argsz = sizeof(everything),
		.flags = VFIO_DMA_UNMAP_FLAG_ALL,
	};
	long locked = self->locked;
	size_t i;

	TH_LOG("seed 0x%llx", (unsigned long long)seed);
	for (i = 0; i < operations; i++) {
		uint64_t kind = draw(&self->state) % 200;

		if (kind < 2)
			step_dma(_metadata, self, kind < 1);
		else if (kind < 4)
			step_track(_metadata, self);
		else if (kind < 110)
			step_map(_metadata, self);
		else
			step_unmap(_metadata, self);
		EXPECT_EQ(self->locked, locked_pages());
		if (__test_passed(_metadata))
			continue;
		TH_LOG("replay: dma_random_test -s 0x%llx -n %zu %s %s",
		       (unsigned long long)seed, i + 1, bdf[0], bdf[1]);
		break;
	}
	EXPECT_EQ(0, ioctl(self->dev[0].container, VFIO_IOMMU_UNMAP_DMA, &everything));
	EXPECT_EQ(locked, locked_pages());
}

int main(int argc, char **argv)
{
	const char *text;

	device_arguments(&argc, argv, bdf, 2);
	if (getrandom(&seed, sizeof(seed), 0) != sizeof(seed))
		return KSFT_FAIL;
	text = take_option(&argc, argv, "-s");
	if (text)
		seed = strtoull(text, NULL, 0);
	text = take_option(&argc, argv, "-n");
	if (text)
		operations = strtoull(text, NULL, 0);
	return test_harness_run(argc, argv);
}
