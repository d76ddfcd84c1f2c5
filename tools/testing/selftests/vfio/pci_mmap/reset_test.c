// SPDX-License-Identifier: GPL-2.0-only
/*
 * Mappings across resets and low power that user space asks VFIO for
 */
#include <errno.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <linux/pci_regs.h>
#include <linux/vfio.h>

#include "../../kselftest_harness.h"
#include "access.h"
#include "access_stress.h"
#include "debugfs.h"
#include "device.h"
#include "sysfs.h"

static const char *bdf;

FIXTURE(reset)
{
	struct device dev;
	void *map;
	uint32_t word;	/* the first of the BAR; the device never changes it */
};

FIXTURE_SETUP(reset)
{
	ASSERT_EQ(0, device_open(&self->dev, bdf, -1, -1));
	self->map = device_map(&self->dev, getpagesize(), 0);
	ASSERT_NE(MAP_FAILED, self->map);
	ASSERT_EQ(0, try_read(self->map, &self->word));
	ASSERT_NE(-1U, self->word);
}

FIXTURE_TEARDOWN(reset)
{
	device_close(&self->dev);
}

#define EXPECT_WORD() do {						\
	uint32_t _value = 0;						\
	EXPECT_EQ(0, try_read(self->map, &_value));			\
	EXPECT_EQ(self->word, _value);					\
} while (0)

static bool can_reset(struct device *dev)
{
	struct vfio_device_info info = { .argsz = sizeof(info) };

	return !ioctl(dev->fd, VFIO_DEVICE_GET_INFO, &info) &&
	       info.flags & VFIO_DEVICE_FLAGS_RESET;
}

TEST_F(reset, device_reset)
{
	if (!can_reset(&self->dev))
		SKIP(return, "%s cannot be reset", bdf);
	ASSERT_EQ(0, ioctl(self->dev.fd, VFIO_DEVICE_RESET));
	EXPECT_WORD();
}

/* A reset leaves a BAR that was off as it was: off */
TEST_F(reset, disabled_across_device_reset)
{
	if (!can_reset(&self->dev))
		SKIP(return, "%s cannot be reset", bdf);
	ASSERT_EQ(0, decode_set(&self->dev, false, 2));
	ASSERT_EQ(0, ioctl(self->dev.fd, VFIO_DEVICE_RESET));
	EXPECT_SIGBUS(self->map);
	ASSERT_EQ(0, decode_set(&self->dev, true, 2));
	EXPECT_WORD();
}

TEST_F(reset, flr)
{
	if (!has_function_reset(&self->dev))
		SKIP(return, "%s has no FLR", bdf);
	ASSERT_EQ(0, function_reset(&self->dev));
	EXPECT_WORD();
}

TEST_F(reset, af_flr)
{
	off_t cap = config_capability(&self->dev, PCI_CAP_ID_AF);
	uint32_t value;

	if (!cap)
		SKIP(return, "%s has no advanced features capability", bdf);
	ASSERT_EQ(0, config_read(&self->dev, cap + PCI_AF_CAP, 1, &value));
	if (!(value & PCI_AF_CAP_FLR))
		SKIP(return, "%s has no AF FLR", bdf);
	ASSERT_EQ(0, config_write(&self->dev, cap + PCI_AF_CTRL, 1,
				  PCI_AF_CTRL_FLR));
	EXPECT_WORD();
}

TEST_F(reset, disabled_in_d3hot)
{
	uint32_t value;
	int i;

	if (!config_capability(&self->dev, PCI_CAP_ID_PM))
		SKIP(return, "%s has no power management capability", bdf);
	for (i = 0; i < 5; i++) {
		ASSERT_EQ(0, power_set(&self->dev, 3));
		EXPECT_SIGBUS(self->map);
		EXPECT_EQ(-1, pread(self->dev.fd, &value, 4,
				    self->dev.bar_offset));
		EXPECT_EQ(EIO, errno);
		ASSERT_EQ(0, power_set(&self->dev, 0));
		/* Some devices come back with their registers reset */
		ASSERT_EQ(0, decode_set(&self->dev, true, 2));
		EXPECT_WORD();
	}
}

TEST_F(reset, disabled_in_low_power)
{
	int ret, i;

	for (i = 0; i < 5; i++) {
		ret = low_power_set(&self->dev, true);
		if (ret == -ENOTTY)
			SKIP(return, "the kernel has no low-power feature");
		ASSERT_EQ(0, ret);
		EXPECT_SIGBUS(self->map);
		ASSERT_EQ(0, low_power_set(&self->dev, false));
		EXPECT_WORD();
	}
}

#define RESETS 20

/*
 * Processes that access the BAR while the administrator resets the device wait
 * for the reset: none reaches a device that does not answer, none gets a signal
 * or an error.
 */
TEST_F_TIMEOUT(reset, readers_wait_for_sysfs_reset, 120)
{
	struct access_stress *stress = access_stress_create();
	struct access_stress_count sum;
	int i;

	ASSERT_EQ(0, access_stress_start(stress, &self->dev));
	for (i = 0; i < RESETS; i++) {
		usleep(1000);
		EXPECT_EQ(0, sysfs_write(bdf, "reset", "1"));
	}
	EXPECT_EQ(0, access_stress_stop(stress));

	sum = access_stress_sum(stress);
	EXPECT_EQ(0, sum.stray)
		TH_LOG("%s reached the device during a reset and gave 0x%x",
		       stress->first.how, stress->first.value);
	EXPECT_EQ(0, sum.sigbus);
	EXPECT_EQ(0, sum.errors);
	TH_LOG("%d resets under %lu accesses", RESETS, sum.accesses);
	EXPECT_WORD();
}

/* A write to PCI_COMMAND and a reset from sysfs do not wait for each other */
TEST_F_TIMEOUT(reset, sysfs_reset_against_decode, 120)
{
	int i, status;
	pid_t pid;

	pid = fork();
	if (!pid) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		for (;;) {
			decode_set(&self->dev, false, 2);
			decode_set(&self->dev, true, 2);
		}
	}
	for (i = 0; i < RESETS; i++)
		EXPECT_EQ(0, sysfs_write(bdf, "reset", "1"));
	kill(pid, SIGKILL);
	ASSERT_EQ(pid, waitpid(pid, &status, 0));
	ASSERT_EQ(0, decode_set(&self->dev, true, 2));
	EXPECT_WORD();
}

/* After each way back to life the BAR is mapped before anybody faults */
#define EXPECT_NO_FAULT() do {						\
	ASSERT_EQ(0, debugfs_wait_populated(bdf));			\
	EXPECT_EQ(0, touch_pages(self->map, getpagesize()));		\
} while (0)

TEST_F(reset, populated_after_device_reset)
{
	if (!can_reset(&self->dev))
		SKIP(return, "%s cannot be reset", bdf);
	ASSERT_EQ(0, ioctl(self->dev.fd, VFIO_DEVICE_RESET));
	EXPECT_NO_FAULT();
}

TEST_F(reset, populated_after_flr)
{
	if (!has_function_reset(&self->dev))
		SKIP(return, "%s has no function-level reset", bdf);
	ASSERT_EQ(0, function_reset(&self->dev));
	EXPECT_NO_FAULT();
}

TEST_F(reset, populated_after_sysfs_reset)
{
	if (sysfs_write(bdf, "reset", "1"))
		SKIP(return, "%s cannot be reset by sysfs", bdf);
	EXPECT_NO_FAULT();
}

TEST_F(reset, populated_after_d3hot)
{
	if (power_set(&self->dev, 3))
		SKIP(return, "%s has no power management", bdf);
	ASSERT_EQ(0, power_set(&self->dev, 0));
	EXPECT_NO_FAULT();
}

TEST_F(reset, populated_after_low_power)
{
	if (low_power_set(&self->dev, true))
		SKIP(return, "%s cannot be put to sleep", bdf);
	ASSERT_EQ(0, low_power_set(&self->dev, false));
	EXPECT_NO_FAULT();
}

int main(int argc, char **argv)
{
	device_arguments(&argc, argv, &bdf, 1);
	return test_harness_run(argc, argv);
}
