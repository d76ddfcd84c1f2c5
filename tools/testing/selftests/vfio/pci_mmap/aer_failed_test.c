// SPDX-License-Identifier: GPL-2.0-only
/*
 * A device that is lost: it did not recover from an error
 *
 * Needs a device behind QEMU's port2, which has another function there that has no
 * driver, so that recovery fails.
 */
#include <errno.h>
#include <signal.h>
#include <sys/mman.h>
#include <unistd.h>

#include "harness.h"
#include "access.h"
#include "device.h"
#include "qemu.h"
#include "sysfs.h"

static const char *bdf;

FIXTURE(aer_failed)
{
	struct device dev;
	void *map;
	int uevents;
};

FIXTURE_SETUP(aer_failed)
{
	ASSERT_EQ(0, device_open(&self->dev, bdf, -1, -1));
	self->map = device_map(&self->dev, self->dev.bar_size, 0);
	ASSERT_NE(MAP_FAILED, self->map);
	if (device_fill(&self->dev, self->map))
		SKIP(return, "BAR %u of %s does not keep what is written",
		     self->dev.bar, bdf);
	self->uevents = uevent_open();
	ASSERT_LE(0, self->uevents);
}

FIXTURE_TEARDOWN(aer_failed)
{
	close(self->uevents);
	device_close(&self->dev);
}

/* Returns 0 or a negative errno */
static int lose(const char *name, int uevents)
{
	tell_qemu("pcie_aer_inject_error port2 DLP");
	return uevent_wait(uevents, name, "ERROR_EVENT=FAILED_RECOVERY");
}

/* What hardware gives, which is no error, whatever the policy says */
static void expect_lost(struct __test_metadata *_metadata, struct device *dev, void *map)
{
	uint32_t value = 0;

	EXPECT_ONES(map);
	EXPECT_EQ(0, try_write(map, 0));
	EXPECT_EQ(4, pread(dev->fd, &value, 4, dev->bar_offset));
	EXPECT_EQ(-1U, value);
	EXPECT_EQ(4, pwrite(dev->fd, &value, 4, dev->bar_offset));
}

TEST_F(aer_failed, reads_ones)
{
	ASSERT_EQ(0, lose(bdf, self->uevents));
	expect_lost(_metadata, &self->dev, self->map);
	decode_set(&self->dev, false, 2);
	decode_set(&self->dev, true, 2);
	expect_lost(_metadata, &self->dev, self->map);
}

static void *open_anew(struct __test_metadata *_metadata, struct device *dev, void *map)
{
	munmap(map, dev->bar_size);
	device_close(dev);
	ASSERT_EQ(0, device_open(dev, bdf, -1, -1));
	map = device_map(dev, dev->bar_size, 0);
	ASSERT_NE(MAP_FAILED, map);
	return map;
}

/* A page of memory stands in for the device: it keeps what is written, if not for long */
TEST_F(aer_failed, leaves_device_alone)
{
	uint32_t value;

	ASSERT_EQ(0, lose(bdf, self->uevents));
	decode_set(&self->dev, false, 2);
	decode_set(&self->dev, true, 2);
	ASSERT_EQ(0, try_write(self->map, 0x5afe));
	ASSERT_EQ(0, try_read(self->map, &value));
	EXPECT_EQ(0x5afe, value);

	self->map = open_anew(_metadata, &self->dev, self->map);
	EXPECT_DATA(0, self->map);
}

TEST_F(aer_failed, answers_when_opened_anew)
{
	ASSERT_EQ(0, lose(bdf, self->uevents));
	self->map = open_anew(_metadata, &self->dev, self->map);
	EXPECT_DATA(0, self->map);
}

int main(int argc, char **argv)
{
	device_arguments(&argc, argv, &bdf, 1);
	return test_harness_run(argc, argv);
}
