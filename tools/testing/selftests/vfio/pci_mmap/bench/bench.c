// SPDX-License-Identifier: GPL-2.0-only
/*
 * What it costs to map a BAR, to use it, to turn it off and to give it back:
 * mapping_bench BDF. What many mappings of one device cost: mapping_bench -m BDF
 *
 * Prints lines 'csv SIZE,HOW,WHAT,VALUE,UNIT' for scripts/bench.sh. Times mean
 * something where nothing else runs, and repeat where QEMU counts instructions:
 * MACHINE=bench of scripts/vm.sh.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "access.h"
#include "device.h"
#include "measure.h"

#define KIB 1024UL
#define GIB (KIB * KIB * KIB)

#define PAGE (4 * KIB)
#define WINDOW (64 * KIB)
/* Up to here, all that costs something for each page is measured */
#define MAX_PAGEWISE (2 * GIB)

/* Well above the windows of the IOMMU for interrupts */
#define IOVA (1024 * GIB)

/* Of what can be repeated, the best of so many: no interrupt comes each time */
#define REPEAT 3
#define TOGGLES 1000
/* How many pages a program touches that uses few of them */
#define SPARSE 16
/* mmap() and munmap(): as often, or for so long */
#define ROUNDS 2000
#define ROUNDS_NS 50000000

/**
 * struct run - What is measured
 * @dev: the device
 * @phys: physical address of its BAR
 * @how: name of the way in which it is mapped
 * @addr: where it is to be mapped, or NULL if the kernel is to say
 */
struct run {
	struct device *dev;
	uint64_t phys;
	const char *how;
	void *addr;
};

/* A free address that is @off from one congruent to the BAR modulo 1 GiB */
static void *find_address(struct run *run, size_t off)
{
	size_t size = run->dev->bar_size + 3 * GIB;
	void *hole = mmap(NULL, size, PROT_NONE,
			  MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	uintptr_t addr;

	if (hole == MAP_FAILED)
		fail("no room in the address space", -errno);
	munmap(hole, size);
	addr = ((uintptr_t)hole + GIB - 1) & ~(GIB - 1);
	return (void *)(addr + run->phys % GIB + off);
}

static void *map_flags(struct run *run, size_t size, int flags)
{
	void *addr = mmap(run->addr, size, PROT_READ | PROT_WRITE,
			  MAP_SHARED | flags |
			  (run->addr ? MAP_FIXED_NOREPLACE : 0),
			  run->dev->fd, run->dev->bar_offset);

	if (addr == MAP_FAILED)
		fail("mmap", -errno);
	return addr;
}

static void *map(struct run *run, size_t size)
{
	return map_flags(run, size, 0);
}

static void unmap(void *addr, size_t size)
{
	munmap(addr, size);
	settle();
}

static void say(struct run *run, const char *what, double value,
		const char *unit)
{
	figure(run->dev->bar_size, run->how, what, value, unit);
}

static void say_pass(struct run *run, const char *name, struct pass pass)
{
	char what[64];

	snprintf(what, sizeof(what), "%sfaults", name);
	say(run, what, pass.faults, "faults");
	snprintf(what, sizeof(what), "%stouch", name);
	say(run, what, pass.ns, "ns");
}

static struct pass touch_bar(struct run *run, void *bar)
{
	return touch(bar, run->dev->bar_size, CLOCK_MONOTONIC);
}

/* The shorter of two, if there have been two */
static struct pass shorter(struct pass one, struct pass other)
{
	return one.ns && one.ns < other.ns ? one : other;
}

/* A DMA map that superpages fit, unless it is off by @shift, and its end */
static void measure_dma(struct run *run, void *bar, size_t shift, const char *name)
{
	uint64_t iova = IOVA + run->phys % GIB + shift, began = now();
	size_t size = run->dev->bar_size;
	char what[64];
	int ret;

	ret = dma_map(run->dev, bar, size, iova);
	if (ret)
		fail("DMA map", ret);
	snprintf(what, sizeof(what), "%sdma_map", name);
	say(run, what, now() - began, "ns");

	began = now();
	ret = dma_unmap(run->dev, size, iova);
	if (ret)
		fail("DMA unmap", ret);
	snprintf(what, sizeof(what), "%sdma_unmap", name);
	say(run, what, now() - began, "ns");
}

/* A process that touches all of a BAR, from mmap() to munmap() */
static void measure_use(struct run *run)
{
	struct pass pass, zap = {}, refault = {}, warm = {};
	size_t size = run->dev->bar_size;
	long tables = page_tables();
	uint64_t began = now();
	void *bar = map(run, size);
	int i;

	pass = touch_bar(run, bar);
	say(run, "first_use", now() - began, "ns");
	say_pass(run, "", pass);
	say(run, "page_tables", page_tables() - tables, "bytes");

	for (i = 0; i < REPEAT; i++) {
		warm = shorter(warm, touch_bar(run, bar));

		pass.ns = decode_timed(run->dev, false);
		zap = shorter(zap, pass);
		decode_timed(run->dev, true);
		refault = shorter(refault, touch_bar(run, bar));
		settle();
	}
	say(run, "warm", warm.ns, "ns");
	say(run, "zap", zap.ns, "ns");
	say_pass(run, "refault_", refault);

	if (size <= MAX_PAGEWISE || !run->addr)
		measure_dma(run, bar, 0, "");
	if (size <= MAX_PAGEWISE)
		measure_dma(run, bar, PAGE, "shifted_");
	unmap(bar, size);
}

/* Every page is touched, and then every page again */
static void measure_every_page(struct run *run)
{
	size_t size = run->dev->bar_size;
	void *bar = map(run, size);
	struct pass first, second;

	first = touch_stride(bar, size, PAGE, CLOCK_MONOTONIC);
	second = touch_stride(bar, size, PAGE, CLOCK_MONOTONIC);
	say(run, "touch_ratio", (double)first.ns / second.ns, "ratio");
	unmap(bar, size);
}

static void measure_map_populate(struct run *run)
{
	size_t size = run->dev->bar_size;
	uint64_t began = now(), mapped;
	void *bar = map_flags(run, size, MAP_POPULATE);
	struct pass pass;

	mapped = now();
	pass = touch_bar(run, bar);
	say(run, "map_populate_use", now() - began, "ns");
	say(run, "map_populate", mapped - began, "ns");
	say_pass(run, "map_populate_", pass);
	unmap(bar, size);
}

/* A program that touches few pages, far from each other */
static void measure_sparse(struct run *run)
{
	size_t size = run->dev->bar_size;
	struct pass pass, zap = {}, sparse;
	long tables = page_tables();
	void *bar = map(run, size);
	int i;

	for (i = 0; i < REPEAT; i++) {
		sparse = touch_stride(bar, size, size / SPARSE, CLOCK_MONOTONIC);
		settle();
		pass.ns = decode_timed(run->dev, false);
		zap = shorter(zap, pass);
		decode_timed(run->dev, true);
	}
	say_pass(run, "sparse_", sparse);
	say(run, "sparse_page_tables", page_tables() - tables, "bytes");
	say(run, "sparse_zap", zap.ns, "ns");
	unmap(bar, size);
}

static void measure_untouched_dma(struct run *run)
{
	size_t size = run->dev->bar_size;
	void *bar = map(run, size);

	measure_dma(run, bar, 0, "untouched_");
	say_pass(run, "dma_mapped_", touch_bar(run, bar));
	unmap(bar, size);
}

static void measure_toggle(struct run *run)
{
	size_t size = run->dev->bar_size;
	void *bar = map(run, size);
	uint64_t began;
	int i;

	began = now();
	for (i = 0; i < TOGGLES; i++) {
		decode_timed(run->dev, false);
		decode_timed(run->dev, true);
	}
	say(run, "toggle", (now() - began) / TOGGLES, "ns");
	unmap(bar, size);
}

/* mmap() and munmap() of @size */
static void measure_mmap(struct run *run, const char *what, size_t size)
{
	uint64_t began = now();
	int i;

	for (i = 0; i < ROUNDS && now() - began < ROUNDS_NS; i++)
		munmap(map(run, size), size);
	say(run, what, (now() - began) / i, "ns");
}

static void measure(struct run *run)
{
	size_t size = run->dev->bar_size;

	measure_use(run);
	if (size <= MAX_PAGEWISE || !run->addr)
		measure_every_page(run);
	measure_map_populate(run);
	if (size >= SPARSE * PAGE)
		measure_sparse(run);
	if (size <= MAX_PAGEWISE)
		measure_untouched_dma(run);
	measure_toggle(run);
	measure_mmap(run, "mmap_bar", size);
	if (size >= WINDOW)
		measure_mmap(run, "mmap_window", WINDOW);
	say(run, "stride", stride_of(size), "bytes");
}

static void bench_bar(struct device *dev)
{
	struct run run = {
		.dev = dev,
		.phys = device_bar_address(dev),
		.how = "plain",
	};

	if (!run.phys)
		fail("no physical address of the BAR in sysfs", 0);
	measure(&run);

	run.how = "aligned";
	run.addr = find_address(&run, 0);
	measure(&run);

	if (dev->bar_size > MAX_PAGEWISE)
		return;
	run.how = "misaligned";
	run.addr = find_address(&run, PAGE);
	measure(&run);
}

static int usage(void)
{
	fprintf(stderr, "use: mapping_bench [-m] BDF\n");
	return 2;
}

int main(int argc, char **argv)
{
	bool many = false;
	struct device dev;
	const char *bdf;
	int option, ret;

	while ((option = getopt(argc, argv, "m")) != -1) {
		if (option != 'm')
			return usage();
		many = true;
	}
	if (argc - optind > 1)
		return usage();
	device_arguments(&argc, argv, &bdf, 1);
	ret = device_open(&dev, bdf, -1, -1);
	if (ret)
		fail(bdf, ret);
	/* What this program itself faults in is not to be counted */
	mlockall(MCL_CURRENT);

	if (many)
		many_vmas(&dev);
	else
		bench_bar(&dev);
	device_close(&dev);
	return 0;
}
