// SPDX-License-Identifier: GPL-2.0-only
/*
 * Decode off and on over mappings that were cut, moved, protected or forked, by
 * leaves of each size, at and next to the edges of leaves
 *
 * A kernel that does not know leaves of 1 GiB well enough dies where one is cut.
 * What does that has tests of its own, by names of their own, so that they can be
 * left out: fixture cut_1g.
 */
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <linux/mempolicy.h>

#include "harness.h"
#include "access.h"
#include "device.h"
#include "samples.h"

/* Seconds for a test that goes through all the edges, on a slow machine */

static const char *bdf;

static int unmap(struct samples *samples, off_t offset, size_t size)
{
	return munmap(samples->map + offset, size);
}

static int map_over(struct samples *samples, off_t offset, size_t size)
{
	void *addr = mmap(samples->map + offset, size, PROT_READ | PROT_WRITE,
			  MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED | MAP_NORESERVE,
			  -1, 0);

	return addr == MAP_FAILED ? -1 : 0;
}

static int read_only(struct samples *samples, off_t offset, size_t size)
{
	return mprotect(samples->map + offset, size, PROT_READ);
}

static int no_access(struct samples *samples, off_t offset, size_t size)
{
	return mprotect(samples->map + offset, size, PROT_NONE);
}

static int no_access_and_back(struct samples *samples, off_t offset, size_t size)
{
	return no_access(samples, offset, size) ?:
	       mprotect(samples->map + offset, size, PROT_READ | PROT_WRITE);
}

static int dont_fork(struct samples *samples, off_t offset, size_t size)
{
	return madvise(samples->map + offset, size, MADV_DONTFORK);
}

static int dump(struct samples *samples, off_t offset, size_t size)
{
	/* It may refuse that: a BAR is not dumped */
	madvise(samples->map + offset, size, MADV_DODUMP);
	return madvise(samples->map + offset, size, MADV_DONTDUMP);
}

static int read_around(struct samples *samples, off_t offset, size_t size)
{
	return madvise(samples->map + offset, size, MADV_RANDOM) ?:
	       madvise(samples->map + offset, size, MADV_SEQUENTIAL);
}

static int bind_to_node(struct samples *samples, off_t offset, size_t size)
{
	unsigned long node = 1;

	return syscall(__NR_mbind, samples->map + offset, size, MPOL_BIND, &node,
		       8 * sizeof(node), 0);
}

static int bind_strictly(struct samples *samples, off_t offset, size_t size)
{
	unsigned long node = 1;

	return syscall(__NR_mbind, samples->map + offset, size, MPOL_BIND, &node,
		       8 * sizeof(node), MPOL_MF_STRICT);
}

static int lock(struct samples *samples, off_t offset, size_t size)
{
	/* It need not do anything: a BAR is not swapped out */
	mlock(samples->map + offset, size);
	return munlock(samples->map + offset, size);
}

static int forbid_by_key(struct samples *samples, off_t offset, size_t size)
{
	int key = pkey_alloc(0, PKEY_DISABLE_ACCESS);
	int ret;

	ret = pkey_mprotect(samples->map + offset, size, PROT_READ | PROT_WRITE, key);
	pkey_free(key);
	return ret;
}

static int forbid_by_key_and_allow(struct samples *samples, off_t offset, size_t size)
{
	return forbid_by_key(samples, offset, size) ?:
	       pkey_mprotect(samples->map + offset, size, PROT_READ | PROT_WRITE, 0);
}

/**
 * struct cut - Something to do to part of a mapping
 * @name: what it is
 * @run: do it; 0, or -1 and errno
 * @kind: what must be there afterwards
 * @in_child: and what in a child that is forked afterwards
 */
struct cut {
	const char *name;
	int (*run)(struct samples *samples, off_t offset, size_t size);
	enum sample_kind kind;
	enum sample_kind in_child;
};

static const struct cut unmaps[] = {
	{ "munmap()", unmap, SAMPLE_NOTHING, SAMPLE_NOTHING },
	{ "MAP_FIXED of memory", map_over, SAMPLE_ZERO, SAMPLE_ZERO },
	{ }
};

static const struct cut protects[] = {
	{ "mprotect() to read-only", read_only, SAMPLE_READ_ONLY, SAMPLE_READ_ONLY },
	{ "mprotect() to none", no_access, SAMPLE_NOTHING, SAMPLE_NOTHING },
	{ "mprotect() to none and back", no_access_and_back, SAMPLE_BAR, SAMPLE_BAR },
	{ }
};

static const struct cut advises[] = {
	{ "MADV_DONTFORK", dont_fork, SAMPLE_BAR, SAMPLE_NOTHING },
	{ "MADV_DONTDUMP", dump, SAMPLE_BAR, SAMPLE_BAR },
	{ "MADV_RANDOM, _SEQUENTIAL", read_around, SAMPLE_BAR, SAMPLE_BAR },
	{ "mbind()", bind_to_node, SAMPLE_BAR, SAMPLE_BAR },
	{ "mlock()", lock, SAMPLE_BAR, SAMPLE_BAR },
	{ }
};

static const struct cut binds[] = {
	{ "mbind() with MPOL_MF_STRICT", bind_strictly, SAMPLE_BAR, SAMPLE_BAR },
	{ }
};

static const struct cut keys[] = {
	{ "pkey_mprotect()", forbid_by_key, SAMPLE_NOTHING, SAMPLE_NOTHING },
	{ "pkey_mprotect() and back", forbid_by_key_and_allow, SAMPLE_BAR, SAMPLE_BAR },
	{ }
};

/* Is @wrong NULL? Says what was done if not. */
#define EXPECT_NOT_WRONG(wrong) do {					\
	const char *_wrong = wrong;					\
									\
	EXPECT_EQ(NULL, _wrong)						\
		TH_LOG("%s of 0x%zx at 0x%llx: %s", name, size,		\
		       (long long)offset, _wrong);			\
} while (0)

/*
 * Look at all that is left of a mapping after @name was done to part of it, and at
 * what a child gets of it, with decode on, off and on; or off and on if it is off
 */
static void expect_all_modes(struct __test_metadata *_metadata, struct samples *samples,
			     struct samples *inherited, bool on, const char *name,
			     off_t offset, size_t size)
{
	struct samples_child child;

	ASSERT_EQ(0, samples_fork(inherited, &child));
	if (on) {
		EXPECT_NOT_WRONG(samples_wrong(samples, true));
		EXPECT_NOT_WRONG(samples_wrong_in_child(inherited, &child, true));
		ASSERT_EQ(0, decode_set(samples->dev, false, 2));
	}
	EXPECT_NOT_WRONG(samples_wrong(samples, false));
	EXPECT_NOT_WRONG(samples_wrong_in_child(inherited, &child, false));
	ASSERT_EQ(0, decode_set(samples->dev, true, 2));
	EXPECT_NOT_WRONG(samples_wrong(samples, true));
	EXPECT_NOT_WRONG(samples_wrong_in_child(inherited, &child, true));
	samples_end_child(&child);
}

static void cut_once(struct __test_metadata *_metadata, struct samples *samples, bool on,
		     const struct cut *cut, off_t offset, size_t size)
{
	struct samples inherited;

	ASSERT_EQ(0, samples_map(samples));
	if (!on)
		ASSERT_EQ(0, decode_set(samples->dev, false, 2));
	ASSERT_EQ(0, cut->run(samples, offset, size))
		TH_LOG("%s of 0x%zx at 0x%llx: errno %d", cut->name, size,
		       (long long)offset, errno);
	samples_expect(samples, offset, size, cut->kind);
	inherited = *samples;
	samples_expect(&inherited, offset, size, cut->in_child);
	expect_all_modes(_metadata, samples, &inherited, on, cut->name, offset, size);
	samples_unmap(samples);
}

/* Move part of a mapping to where leaves of at most @leaf fit */
static void move_once(struct __test_metadata *_metadata, struct samples *samples, bool on,
		      off_t offset, size_t size, size_t leaf)
{
	const char *name = "mremap()";
	void *place, *from;
	uint32_t value;

	ASSERT_EQ(0, samples_map(samples));
	if (!on)
		ASSERT_EQ(0, decode_set(samples->dev, false, 2));
	from = samples->map + offset;
	place = samples_reserve(samples, offset, size, leaf);
	ASSERT_NE(NULL, place);
	if (on)
		EXPECT_DATA(offset, from);
	ASSERT_EQ(place, mremap(from, size, size, MREMAP_MAYMOVE | MREMAP_FIXED, place));
	/* Right away, before anything else flushes the TLB */
	EXPECT_EQ(SIGSEGV, try_read(from, &value))
		TH_LOG("%s of 0x%zx at 0x%llx: 0x%x is read from where that was",
		       name, size, (long long)offset, value);
	samples_moved(samples, offset, size, place);
	expect_all_modes(_metadata, samples, samples, on, name, offset, size);
	samples_unmap(samples);
}

/**
 * struct part - Part of a mapping that begins at or next to an edge
 * @edge: index of the edge
 * @next_to: -1, 0 or 1 page from there
 * @length: level of the leaf that is as long
 * @offset: where it begins
 * @size: its size
 */
struct part {
	int edge, next_to, length;
	off_t offset;
	size_t size;
};

/* Go from one part of @samples to the next; false if that was the last */
static bool next_part(const struct samples *samples, struct part *part)
{
	const size_t edges[] = { 0, LEAF, GIB_LEAF, GIB_LEAF + LEAF };
	const size_t lengths[] = { getpagesize(), LEAF, GIB_LEAF };

	do {
		if (!part->size)
			part->next_to = -1;
		else if (++part->length == 3)
			part->length = 0, part->next_to++;
		if (part->next_to > 1)
			part->next_to = -1, part->edge++;
		if (part->edge == 4)
			return false;
		part->offset = (off_t)edges[part->edge] + part->next_to * getpagesize();
		part->size = lengths[part->length];
	} while (part->offset < 0 || part->offset + part->size > samples->size);
	return true;
}

static void cut_everywhere(struct __test_metadata *_metadata, struct samples *samples,
			   const struct cut *cut)
{
	for (; cut->run; cut++) {
		struct part part = { };

		while (__test_passed(_metadata) && next_part(samples, &part))
			cut_once(_metadata, samples, true, cut, part.offset, part.size);
	}
}

static void move_everywhere(struct __test_metadata *_metadata, struct samples *samples)
{
	const size_t leaves[] = { GIB_LEAF, LEAF, getpagesize() };
	struct part part = { };
	int i = 0;

	while (__test_passed(_metadata) && next_part(samples, &part))
		move_once(_metadata, samples, true, part.offset, part.size,
			  leaves[i++ % 3]);
}

static void shrink_everywhere(struct __test_metadata *_metadata, struct samples *samples)
{
	struct part part = { };
	size_t size;

	while (__test_passed(_metadata) && next_part(samples, &part)) {
		if (part.length || !part.offset)
			continue;
		ASSERT_EQ(0, samples_map(samples));
		ASSERT_EQ(samples->map, mremap(samples->map, samples->size,
					       part.offset, 0));
		size = samples->size - part.offset;
		samples_expect(samples, part.offset, size, SAMPLE_NOTHING);
		expect_all_modes(_metadata, samples, samples, true, "mremap() that shrinks",
				 part.offset, size);
		samples_unmap(samples);
	}
}

static void open_and_map(struct __test_metadata *_metadata, struct device *dev,
			 struct samples *samples, size_t leaf)
{
	cpu_set_t cpu;
	int ret;

	/* A stale entry of a TLB is one CPU's: stay there, to find it */
	CPU_ZERO(&cpu);
	CPU_SET(sched_getcpu(), &cpu);
	ASSERT_EQ(0, sched_setaffinity(0, sizeof(cpu), &cpu));

	ASSERT_EQ(0, device_open(dev, bdf, -1, -1));
	ret = samples_create(samples, dev, leaf);
	if (ret == -EOPNOTSUPP)
		SKIP(return, "%s", samples->text);
	ASSERT_EQ(0, ret)
		TH_LOG("%s", samples->text);
}

/* What no kernel dies of */
FIXTURE(vma)
{
	struct device dev;
	struct samples samples;
};

FIXTURE_VARIANT(vma)
{
	enum level level;
};

FIXTURE_VARIANT_ADD(vma, leaf_4k) { .level = PTE };
FIXTURE_VARIANT_ADD(vma, leaf_2m) { .level = PMD };
FIXTURE_VARIANT_ADD(vma, leaf_1g) { .level = PUD };

FIXTURE_SETUP(vma)
{
	open_and_map(_metadata, &self->dev, &self->samples, leaf_size(variant->level));
}

FIXTURE_TEARDOWN(vma)
{
	device_close(&self->dev);
}

TEST_F(vma, disabled_before_cut)
{
	const struct cut * const cuts[] = { unmaps, protects, advises };
	struct samples *samples = &self->samples;
	const struct cut *cut;
	int i;

	samples_unmap(samples);
	for (i = 0; i < 3; i++) {
		for (cut = cuts[i]; cut->run; cut++) {
			cut_once(_metadata, samples, false, cut, LEAF + self->samples.leaf,
				 getpagesize());
			cut_once(_metadata, samples, false, cut, LEAF, LEAF);
		}
	}
}

TEST_F(vma, disabled_before_mremap)
{
	struct samples *samples = &self->samples;

	samples_unmap(samples);
	move_once(_metadata, samples, false, 0, samples->size, GIB_LEAF);
	move_once(_metadata, samples, false, 0, samples->size, LEAF);
	move_once(_metadata, samples, false, 0, samples->size, getpagesize());
	move_once(_metadata, samples, false, LEAF, getpagesize(), GIB_LEAF);
}

TEST_F(vma, disabled_after_mremap)
{
	struct samples *samples = &self->samples;

	samples_unmap(samples);
	move_once(_metadata, samples, true, 0, samples->size, GIB_LEAF);
	move_once(_metadata, samples, true, 0, samples->size, LEAF);
	move_once(_metadata, samples, true, 0, samples->size, getpagesize());
}

/* Nothing to cut here, so no harm in leaves of 1 GiB: the first is gone, or all but that */
TEST_F(vma, disabled_after_munmap_of_a_gib)
{
	struct samples *samples = &self->samples;

	if (samples->size < 2 * GIB_LEAF)
		SKIP(return, "the BAR is too small");
	samples_unmap(samples);
	cut_once(_metadata, samples, true, unmaps, 0, GIB_LEAF);
	cut_once(_metadata, samples, true, unmaps, GIB_LEAF, samples->size - GIB_LEAF);
}

/* Nothing to cut here either: what is done to all of it finds leaves of any size */
TEST_F(vma, disabled_after_all_was_changed)
{
	const struct cut * const cuts[] = { protects, advises, binds };
	struct samples *samples = &self->samples;
	const struct cut *cut;
	int i;

	samples_unmap(samples);
	for (i = 0; i < 3; i++)
		for (cut = cuts[i]; cut->run; cut++)
			cut_once(_metadata, samples, true, cut, 0, samples->size);
}

/* Those who look at page tables know what they find */
TEST_F(vma, disabled_after_look_from_proc)
{
	static const char * const files[] = { "smaps", "smaps_rollup", "numa_maps", "maps" };
	struct samples *samples = &self->samples;
	char path[64], buffer[65536];
	off_t at, end;
	ssize_t n;
	int fd, i;

	for (i = 0; i < ARRAY_SIZE(files); i++) {
		snprintf(path, sizeof(path), "/proc/self/%s", files[i]);
		fd = open(path, O_RDONLY);
		if (fd < 0 && errno == ENOENT)
			continue;
		ASSERT_LE(0, fd);
		EXPECT_EQ(0, samples_touch(samples));
		while ((n = read(fd, buffer, sizeof(buffer))) > 0)
			;
		EXPECT_EQ(0, n);
		close(fd);
		EXPECT_SAMPLES(samples, true);
	}

	fd = open("/proc/self/pagemap", O_RDONLY);
	ASSERT_LE(0, fd);
	at = (uintptr_t)samples->map / getpagesize() * 8;
	end = at + samples->size / getpagesize() * 8;
	for (; at < end; at += sizeof(buffer))
		ASSERT_LT(0, pread(fd, buffer, sizeof(buffer), at));
	close(fd);

	expect_all_modes(_metadata, samples, samples, true, "a look", 0, samples->size);
}

TEST_F(vma, refuses_to_grow)
{
	size_t page = getpagesize();
	void *map = device_map(&self->dev, page, 0);

	ASSERT_NE(MAP_FAILED, map);
	EXPECT_EQ(MAP_FAILED, mremap(map, page, 2 * page, MREMAP_MAYMOVE));
	EXPECT_EQ(EFAULT, errno);
	EXPECT_DATA(0, map);
}

/* A mapping holds the device open after its descriptors are closed */
TEST_F(vma, outlives_descriptors)
{
	device_close(&self->dev);
	EXPECT_DATA(0, self->samples.map);
}

/* What cuts leaves, at their edges and inside */
FIXTURE(cut)
{
	struct device dev;
	struct samples samples;
};

FIXTURE_VARIANT(cut)
{
	enum level level;
};

FIXTURE_VARIANT_ADD(cut, leaf_4k) { .level = PTE };
FIXTURE_VARIANT_ADD(cut, leaf_2m) { .level = PMD };

FIXTURE_SETUP(cut)
{
	open_and_map(_metadata, &self->dev, &self->samples, leaf_size(variant->level));
	samples_unmap(&self->samples);
}

FIXTURE_TEARDOWN(cut)
{
	device_close(&self->dev);
}

static bool has_keys(void)
{
	int key = pkey_alloc(0, 0);

	return key >= 0 && !pkey_free(key);
}

TEST_F(cut, disabled_after_strict_mbind)
{
	cut_everywhere(_metadata, &self->samples, binds);
}

TEST_F(cut, disabled_after_munmap)
{
	cut_everywhere(_metadata, &self->samples, unmaps);
	shrink_everywhere(_metadata, &self->samples);
}

TEST_F(cut, disabled_after_mprotect)
{
	cut_everywhere(_metadata, &self->samples, protects);
}

TEST_F(cut, disabled_after_madvise)
{
	cut_everywhere(_metadata, &self->samples, advises);
}

TEST_F(cut, disabled_after_mremap_of_part)
{
	move_everywhere(_metadata, &self->samples);
}

TEST_F(cut, disabled_after_pkey_mprotect)
{
	if (!has_keys())
		SKIP(return, "no protection keys");
	cut_everywhere(_metadata, &self->samples, keys);
}

/* The same for those of 1 GiB */
FIXTURE(cut_1g)
{
	struct device dev;
	struct samples samples;
};

FIXTURE_SETUP(cut_1g)
{
	open_and_map(_metadata, &self->dev, &self->samples, GIB_LEAF);
	samples_unmap(&self->samples);
}

FIXTURE_TEARDOWN(cut_1g)
{
	device_close(&self->dev);
}

TEST_F(cut_1g, disabled_after_munmap_in_1g)
{
	cut_everywhere(_metadata, &self->samples, unmaps);
	shrink_everywhere(_metadata, &self->samples);
}

TEST_F(cut_1g, disabled_after_mprotect_in_1g)
{
	cut_everywhere(_metadata, &self->samples, protects);
}

TEST_F(cut_1g, disabled_after_madvise_in_1g)
{
	cut_everywhere(_metadata, &self->samples, advises);
}

TEST_F(cut_1g, disabled_after_mremap_of_part_in_1g)
{
	move_everywhere(_metadata, &self->samples);
}

TEST_F(cut_1g, disabled_after_pkey_mprotect_in_1g)
{
	if (!has_keys())
		SKIP(return, "no protection keys");
	cut_everywhere(_metadata, &self->samples, keys);
}

/* Two edges where leaves of 2 MiB might end: nothing but a leaf of 1 GiB is cut */
TEST_F(cut_1g, disabled_after_dontfork_of_2m_in_1g)
{
	cut_once(_metadata, &self->samples, true, advises, LEAF, LEAF);
}

int main(int argc, char **argv)
{
	device_arguments(&argc, argv, &bdf, 1);
	return test_harness_run(argc, argv);
}
