// SPDX-License-Identifier: GPL-2.0-only
/*
 * Accesses to a BAR whose writes are tracked
 *
 * Soft-dirty bits have leaves inserted read-only: the first write to one has to make
 * it writable. userfaultfd refuses a BAR.
 */
#include <errno.h>
#include <fcntl.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <linux/userfaultfd.h>

#include "harness.h"
#include "access.h"
#include "device.h"
#include "samples.h"
#include "sysfs.h"

static const char *bdf;

/* No more of a test once an access does not end */
#define ASSERT_SAMPLES(samples, on) do {				\
	const char *_wrong = samples_wrong(samples, on);		\
									\
	ASSERT_EQ(NULL, _wrong)						\
		TH_LOG("%s", _wrong);					\
} while (0)

static void open_and_map(struct __test_metadata *_metadata, struct device *dev,
			 struct samples *samples, size_t leaf)
{
	int ret;

	ASSERT_EQ(0, device_open(dev, bdf, -1, -1));
	ret = samples_create(samples, dev, leaf);
	if (ret == -EOPNOTSUPP)
		SKIP(return, "%s", samples->text);
	ASSERT_EQ(0, ret)
		TH_LOG("%s", samples->text);
}

static int empty(struct device *dev)
{
	return decode_set(dev, false, 2) ?: decode_set(dev, true, 2);
}

/* Soft-dirty bits are clear, and nothing is inserted */
FIXTURE(soft_dirty)
{
	struct device dev;
	struct samples samples;
};

FIXTURE_VARIANT(soft_dirty)
{
	enum level level;
};

FIXTURE_VARIANT_ADD(soft_dirty, leaf_4k) { .level = PTE };
FIXTURE_VARIANT_ADD(soft_dirty, leaf_2m) { .level = PMD };
FIXTURE_VARIANT_ADD(soft_dirty, leaf_1g) { .level = PUD };

FIXTURE_SETUP(soft_dirty)
{
	open_and_map(_metadata, &self->dev, &self->samples, leaf_size(variant->level));
	if (file_write("/proc/self/clear_refs", "4"))
		SKIP(return, "no soft-dirty bits");
	ASSERT_EQ(0, empty(&self->dev));
}

FIXTURE_TEARDOWN(soft_dirty)
{
	device_close(&self->dev);
}

TEST_F(soft_dirty, is_read_and_written)
{
	ASSERT_EQ(0, samples_touch(&self->samples));
	ASSERT_SAMPLES(&self->samples, true);
	ASSERT_EQ(0, decode_set(&self->dev, false, 2));
	ASSERT_SAMPLES(&self->samples, false);
	ASSERT_EQ(0, decode_set(&self->dev, true, 2));
	ASSERT_SAMPLES(&self->samples, true);
}

TEST_F(soft_dirty, is_written_at_once)
{
	struct sample *sample = &self->samples.sample[0];

	alarm(SAMPLES_ENDLESS);
	ASSERT_EQ(0, try_write(sample->addr, device_word(sample->offset)))
		TH_LOG("the write does not end");
	alarm(0);
	ASSERT_SAMPLES(&self->samples, true);
}

/* For a device to write to, although nobody has written to it yet */
TEST_F(soft_dirty, is_mapped_for_dma)
{
	size_t size = 4 * LEAF;

	ASSERT_EQ(0, dma_map(&self->dev, self->samples.map, size, 0));
	ASSERT_EQ(0, dma_unmap(&self->dev, size, 0));

	/* Now with leaves there, read-only */
	ASSERT_EQ(0, empty(&self->dev));
	ASSERT_EQ(0, samples_touch(&self->samples));
	ASSERT_EQ(0, dma_map(&self->dev, self->samples.map, size, 0));
	ASSERT_EQ(0, dma_unmap(&self->dev, size, 0));
	ASSERT_SAMPLES(&self->samples, true);
}

FIXTURE(uffd)
{
	struct device dev;
	struct samples samples;
	int fd;
};

FIXTURE_SETUP(uffd)
{
	struct uffdio_api api = {
		.api = UFFD_API,
		.features = UFFD_FEATURE_WP_ASYNC | UFFD_FEATURE_WP_UNPOPULATED,
	};

	self->fd = syscall(__NR_userfaultfd, O_CLOEXEC | O_NONBLOCK | UFFD_USER_MODE_ONLY);
	if (self->fd < 0 || ioctl(self->fd, UFFDIO_API, &api))
		SKIP(return, "no userfaultfd that tracks writes by itself");
	open_and_map(_metadata, &self->dev, &self->samples, LEAF);
}

FIXTURE_TEARDOWN(uffd)
{
	device_close(&self->dev);
	close(self->fd);
}

/* The mm has no way to mark a page that a driver maps by pfn */
TEST_F(uffd, refuses_bar)
{
	struct uffdio_register reg = {
		.range = { (uintptr_t)self->samples.map, self->samples.size },
		.mode = UFFDIO_REGISTER_MODE_WP,
	};

	ASSERT_EQ(-1, ioctl(self->fd, UFFDIO_REGISTER, &reg));
	ASSERT_EQ(EINVAL, errno);
	ASSERT_SAMPLES(&self->samples, true);
}

int main(int argc, char **argv)
{
	device_arguments(&argc, argv, &bdf, 1);
	return test_harness_run(argc, argv);
}
