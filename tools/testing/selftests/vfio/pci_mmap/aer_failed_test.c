// SPDX-License-Identifier: GPL-2.0-only
/*
 * A device that is gone for good: it did not recover from an error
 *
 * Needs a device behind QEMU's port2, which has another function there that has no
 * driver, so that recovery fails.
 */
#include <errno.h>
#include <signal.h>
#include <sys/mman.h>
#include <unistd.h>

#include <linux/vfio.h>

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

TEST_F(aer_failed, sigbus_for_good)
{
	ASSERT_EQ(0, lose(bdf, self->uevents));
	EXPECT_SIGBUS(self->map);
	decode_set(&self->dev, true, 2);
	EXPECT_SIGBUS(self->map);
}

/* It keeps answering with ones until it is closed */
TEST_F(aer_failed, ones_until_closed)
{
	ASSERT_EQ(0, policy_set(&self->dev, VFIO_DEVICE_DISABLED_BAR_ONES));
	ASSERT_EQ(0, lose(bdf, self->uevents));
	EXPECT_ONES(self->map);
	EXPECT_EQ(0, try_write(self->map, 0));
	decode_set(&self->dev, false, 2);
	decode_set(&self->dev, true, 2);
	EXPECT_ONES(self->map);

	munmap(self->map, self->dev.bar_size);
	device_close(&self->dev);
	ASSERT_EQ(0, device_open(&self->dev, bdf, -1, -1));
	self->map = device_map(&self->dev, self->dev.bar_size, 0);
	ASSERT_NE(MAP_FAILED, self->map);
	EXPECT_DATA(0, self->map);
}

int main(int argc, char **argv)
{
	device_arguments(&argc, argv, &bdf, 1);
	return test_harness_run(argc, argv);
}
