// SPDX-License-Identifier: GPL-2.0-only
/*
 * Pages all over a mapping of a BAR, and what an access to each has to give
 */
#define _GNU_SOURCE
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "../../../kselftest.h"
#include "access.h"
#include "device.h"
#include "samples.h"

static void add(struct samples *samples, off_t offset)
{
	int i;

	if (offset < 0 || offset >= samples->size)
		return;
	for (i = 0; i < samples->n; i++) {
		if (samples->sample[i].offset == offset)
			return;
	}
	samples->sample[samples->n++].offset = offset;
}

static void add_around(struct samples *samples, off_t edge)
{
	off_t page = getpagesize();

	add(samples, edge - page);
	add(samples, edge);
	add(samples, edge + page);
}

static void choose(struct samples *samples)
{
	/* Next to these, and at the end */
	const size_t edges[] = {
		0, LEAF, 2 * LEAF,
		GIB_LEAF, GIB_LEAF + LEAF, GIB_LEAF + 2 * LEAF,
		2 * GIB_LEAF, 2 * GIB_LEAF + LEAF, 2 * GIB_LEAF + 2 * LEAF,
	};
	int i;

	samples->n = 0;
	for (i = 0; i < ARRAY_SIZE(edges); i++)
		add_around(samples, edges[i]);
	add_around(samples, samples->size);
}

void *samples_reserve(struct samples *samples, off_t offset, size_t size, size_t leaf)
{
	uintptr_t want = device_bar_address(samples->dev) + offset;
	void *room;

	/* Congruent, and then not any more for larger leaves */
	if (leaf < GIB_LEAF)
		want += leaf < LEAF ? getpagesize() : LEAF;

	room = mmap(NULL, size + GIB_LEAF, PROT_NONE,
		    MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (room == MAP_FAILED)
		return NULL;
	samples->room[samples->rooms].addr = room;
	samples->room[samples->rooms++].size = size + GIB_LEAF;
	return room + ((want - (uintptr_t)room) & (GIB_LEAF - 1));
}

static int map(struct samples *samples)
{
	void *place = samples_reserve(samples, 0, samples->size, samples->leaf);
	int i;

	if (!place)
		return -ENOMEM;
	samples->map = mmap(place, samples->size, PROT_READ | PROT_WRITE,
			    MAP_SHARED | MAP_FIXED, samples->dev->fd,
			    samples->dev->bar_offset);
	if (samples->map == MAP_FAILED)
		return -errno;

	choose(samples);
	for (i = 0; i < samples->n; i++) {
		samples->sample[i].kind = SAMPLE_BAR;
		samples->sample[i].addr = samples->map + samples->sample[i].offset;
	}
	return 0;
}

int samples_touch(const struct samples *samples)
{
	uint32_t value;
	int i, sig;

	for (i = 0; i < samples->n; i++) {
		alarm(SAMPLES_ENDLESS);
		sig = try_read(samples->sample[i].addr, &value);
		alarm(0);
		if (sig)
			return sig;
	}
	return 0;
}

int samples_map(struct samples *samples)
{
	int ret = map(samples);

	return ret ?: samples_touch(samples) ? -EFAULT : 0;
}

void samples_unmap(struct samples *samples)
{
	while (samples->rooms) {
		samples->rooms--;
		munmap(samples->room[samples->rooms].addr,
		       samples->room[samples->rooms].size);
	}
}

/* Size of the leaves of a mapping that nobody has touched; 0 if it is mapped already */
static size_t find_leaf(const void *map)
{
	size_t page = getpagesize();
	long tables, faults;

	page_tables();
	if (!touch_pages(map, page))
		return 0;
	tables = page_tables();
	faults = touch_pages(map + LEAF, page);
	if (page_tables() > tables)
		return page;
	return faults ? LEAF : GIB_LEAF;
}

static int fill(struct samples *samples)
{
	struct sample *sample;
	uint32_t value;

	for (sample = samples->sample; sample < samples->sample + samples->n; sample++) {
		if (try_write(sample->addr, device_word(sample->offset)) ||
		    try_read(sample->addr, &value) ||
		    value != device_word(sample->offset))
			return -ENOTTY;
	}
	return 0;
}

int samples_create(struct samples *samples, struct device *dev, size_t leaf)
{
	size_t found;
	int ret;

	*samples = (struct samples){ .dev = dev, .leaf = leaf };
	samples->size = dev->bar_size < SAMPLES_SIZE ? dev->bar_size : SAMPLES_SIZE;
	if (samples->size < 4 * LEAF || samples->size < leaf) {
		snprintf(samples->text, sizeof(samples->text),
			 "BAR %u of %s is too small for leaves of 0x%zx",
			 dev->bar, dev->bdf, leaf);
		return -EOPNOTSUPP;
	}

	ret = map(samples);
	if (ret)
		return ret;
	found = find_leaf(samples->map);
	if (!found && leaf > getpagesize()) {
		snprintf(samples->text, sizeof(samples->text),
			 "the kernel maps a BAR page by page, in mmap()");
		return -EOPNOTSUPP;
	}
	if (found && found != leaf) {
		snprintf(samples->text, sizeof(samples->text),
			 "the leaves are of 0x%zx, not 0x%zx", found, leaf);
		return largest_leaf(leaf) == leaf ? -EINVAL : -EOPNOTSUPP;
	}
	if (fill(samples)) {
		snprintf(samples->text, sizeof(samples->text),
			 "BAR %u of %s does not keep what is written",
			 dev->bar, dev->bdf);
		return -EOPNOTSUPP;
	}
	return 0;
}

static bool in_range(const struct sample *sample, off_t offset, size_t size)
{
	return sample->offset >= offset && sample->offset < offset + (off_t)size;
}

void samples_expect(struct samples *samples, off_t offset, size_t size,
		    enum sample_kind kind)
{
	int i;

	for (i = 0; i < samples->n; i++) {
		if (in_range(&samples->sample[i], offset, size))
			samples->sample[i].kind = kind;
	}
}

void samples_moved(struct samples *samples, off_t offset, size_t size, void *addr)
{
	struct sample *sample, *end = samples->sample + samples->n;

	for (sample = samples->sample; sample < end; sample++) {
		if (!in_range(sample, offset, size))
			continue;
		samples->sample[samples->n] = *sample;
		samples->sample[samples->n++].addr = addr + sample->offset - offset;
		sample->kind = SAMPLE_NOTHING;
	}
}

/* What of an access to a sample was not as it must be, or NULL */
static const char *wrong_with(struct samples *samples, const struct sample *sample, bool on)
{
	bool bar = sample->kind == SAMPLE_BAR || sample->kind == SAMPLE_READ_ONLY;
	int signal = sample->kind == SAMPLE_NOTHING ? SIGSEGV : bar && !on ? SIGBUS : 0;
	uint32_t word = bar ? device_word(sample->offset) : 0, value = 0;
	int sig = try_read(sample->addr, &value);

	if (sig == SIGALRM)
		return "reading does not end";
	if (sig != signal)
		return sig ? "reading raised a signal" : "it was read";
	if (!sig && value != word)
		return "reading gave another value";

	if (sample->kind == SAMPLE_READ_ONLY)
		signal = SIGSEGV;
	sig = try_write(sample->addr, ~word);
	if (sig == SIGALRM)
		return "writing does not end";
	if (sig != signal)
		return sig ? "writing raised a signal" : "it was written";
	if (sig)
		return NULL;
	if (bar && (pread(samples->dev->fd, &value, sizeof(value),
			  samples->dev->bar_offset + sample->offset) != sizeof(value) ||
		    value != ~word))
		return "the device did not get what was written";
	return try_write(sample->addr, word) ? "writing again raised a signal" : NULL;
}

const char *samples_wrong(struct samples *samples, bool on)
{
	static const char * const kinds[] = {
		[SAMPLE_BAR] = "the BAR",
		[SAMPLE_READ_ONLY] = "the BAR, read-only",
		[SAMPLE_NOTHING] = "nothing",
		[SAMPLE_ZERO] = "zeroed memory",
	};
	const struct sample *sample;
	const char *what;

	for (sample = samples->sample; sample < samples->sample + samples->n; sample++) {
		alarm(SAMPLES_ENDLESS);
		what = wrong_with(samples, sample, on);
		alarm(0);
		if (!what)
			continue;
		snprintf(samples->text, sizeof(samples->text),
			 "decode %s, 0x%llx of the BAR, where %s must be: %s",
			 on ? "on" : "off", (long long)sample->offset,
			 kinds[sample->kind], what);
		return samples->text;
	}
	return NULL;
}

static void be_child(struct samples *samples, int asked, int tell)
{
	bool on;

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	while (read(asked, &on, sizeof(on)) == sizeof(on)) {
		if (!samples_wrong(samples, on))
			samples->text[0] = 0;
		if (write(tell, samples->text, sizeof(samples->text)) < 0)
			break;
	}
	_exit(0);
}

int samples_fork(struct samples *samples, struct samples_child *child)
{
	int ask[2], tell[2];

	if (pipe(ask) || pipe(tell))
		return -errno;
	child->ask = ask[1];
	child->tell = tell[0];
	child->pid = fork();
	if (!child->pid) {
		close(ask[1]);
		close(tell[0]);
		be_child(samples, ask[0], tell[1]);
	}
	close(ask[0]);
	close(tell[1]);
	return child->pid < 0 ? -errno : 0;
}

const char *samples_wrong_in_child(struct samples *samples,
				   const struct samples_child *child, bool on)
{
	if (write(child->ask, &on, sizeof(on)) != sizeof(on) ||
	    read(child->tell, samples->text, sizeof(samples->text)) !=
	    sizeof(samples->text))
		return "the child is gone";
	return samples->text[0] ? samples->text : NULL;
}

void samples_end_child(struct samples_child *child)
{
	close(child->ask);
	close(child->tell);
	waitpid(child->pid, NULL, 0);
}
