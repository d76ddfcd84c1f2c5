// SPDX-License-Identifier: GPL-2.0-only
/*
 * What it costs to map a BAR, to use it, to turn it off and to give it back:
 * mapping_bench BDF. What many mappings of one device cost: mapping_bench -m
 * [-s SEED] [-n TOGGLES] BDF
 *
 * Prints lines 'csv SIZE,HOW,WHAT,VALUE,UNIT' for scripts/bench.sh. A kernel that
 * populates a mapping after mmap() and after the device is turned on is measured
 * twice: by a process that does not wait for it ("at once"), and by one that does
 * ("populated_"). Where nothing is populated, the second is the same again.
 *
 * Times mean something where nothing else runs, and repeat where QEMU counts
 * instructions: MACHINE=bench of scripts/vm.sh.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
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
/* All of them end before a kernel that populates begins with it */
#define TOGGLES 1000
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

static void *map(struct run *run, size_t size)
{
	void *addr = mmap(run->addr, size, PROT_READ | PROT_WRITE,
			  MAP_SHARED | (run->addr ? MAP_FIXED_NOREPLACE : 0),
			  run->dev->fd, run->dev->bar_offset);

	if (addr == MAP_FAILED)
		fail("mmap", -errno);
	return addr;
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

/* A DMA map that superpages fit, and its end */
static void measure_dma(struct run *run, void *bar, const char *name)
{
	uint64_t iova = IOVA + run->phys % GIB, began = now();
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

/* A process that does not wait, from mmap() to munmap() */
static void measure_at_once(struct run *run)
{
	size_t size = run->dev->bar_size;
	long tables = page_tables();
	uint64_t began = now();
	void *bar = map(run, size);
	struct pass pass = touch_bar(run, bar), zap = {}, refault = {};
	int i;

	say(run, "first_use", now() - began, "ns");
	say_pass(run, "", pass);
	wait_populated(run->dev);
	say(run, "page_tables", page_tables() - tables, "bytes");

	for (i = 0; i < REPEAT; i++) {
		pass.ns = decode_timed(run->dev, false);
		zap = shorter(zap, pass);
		decode_timed(run->dev, true);
		refault = shorter(refault, touch_bar(run, bar));
		wait_populated(run->dev);
		settle();
	}
	say(run, "zap", zap.ns, "ns");
	say_pass(run, "refault_", refault);

	if (size <= MAX_PAGEWISE || !run->addr)
		measure_dma(run, bar, "");
	unmap(bar, size);
}

/* One that does */
static void measure_populated(struct run *run)
{
	size_t size = run->dev->bar_size;
	uint64_t began = now();
	void *bar = map(run, size);
	struct pass pass, warm = {};
	int i;

	if (wait_populated(run->dev))
		say(run, "populate", now() - began, "ns");
	pass = touch_bar(run, bar);
	say_pass(run, "populated_", pass);
	for (i = 0; i < REPEAT; i++)
		warm = shorter(warm, touch_bar(run, bar));
	say(run, "warm", warm.ns, "ns");
	say(run, "populated_ratio", (double)pass.ns / warm.ns, "ratio");

	decode_timed(run->dev, false);
	decode_timed(run->dev, true);
	began = now();
	if (wait_populated(run->dev))
		say(run, "repopulate", now() - began, "ns");
	say_pass(run, "repopulated_", touch_bar(run, bar));
	unmap(bar, size);
}

static void measure_untouched_dma(struct run *run)
{
	size_t size = run->dev->bar_size;
	void *bar = map(run, size);

	measure_dma(run, bar, "untouched_");
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

	measure_at_once(run);
	measure_populated(run);
	if (size <= MAX_PAGEWISE)
		measure_untouched_dma(run);
	measure_toggle(run);
	measure_mmap(run, "mmap_bar", size);
	if (size >= WINDOW)
		measure_mmap(run, "mmap_window", WINDOW);
	say(run, "stride", touch_stride(size), "bytes");
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
	fprintf(stderr, "use: mapping_bench [-m [-s SEED] [-n TOGGLES]] BDF\n");
	return 2;
}

int main(int argc, char **argv)
{
	unsigned int seed = 1, toggles = 200;
	bool many = false;
	struct device dev;
	const char *bdf;
	int option, ret;

	while ((option = getopt(argc, argv, "ms:n:")) != -1) {
		if (option == 'm')
			many = true;
		else if (option == 's')
			seed = strtoul(optarg, NULL, 0);
		else if (option == 'n')
			toggles = strtoul(optarg, NULL, 0);
		else
			return usage();
	}
	if (argc - optind > 1 || !toggles)
		return usage();
	device_arguments(&argc, argv, &bdf, 1);
	ret = device_open(&dev, bdf, -1, -1);
	if (ret)
		fail(bdf, ret);
	/* What this program itself faults in is not to be counted */
	mlockall(MCL_CURRENT);

	if (many)
		many_vmas(&dev, seed, toggles);
	else
		bench_bar(&dev);
	device_close(&dev);
	return 0;
}
