// SPDX-License-Identifier: GPL-2.0-only
/*
 * Mappings across resets and low power that user space asks VFIO for
 *
 * Tests named zap_* fail on a kernel that leaves mappings in place.
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <linux/pci_regs.h>
#include <linux/vfio.h>

#include "../../kselftest_harness.h"
#include "device.h"

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
TEST_F(reset, zap_device_reset_while_off)
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
	off_t cap = config_capability(&self->dev, PCI_CAP_ID_EXP);
	uint32_t value;

	if (!cap)
		SKIP(return, "%s has no PCI Express capability", bdf);
	ASSERT_EQ(0, config_read(&self->dev, cap + PCI_EXP_DEVCAP, 4, &value));
	if (!(value & PCI_EXP_DEVCAP_FLR))
		SKIP(return, "%s has no FLR", bdf);
	ASSERT_EQ(0, config_read(&self->dev, cap + PCI_EXP_DEVCTL, 2, &value));
	ASSERT_EQ(0, config_write(&self->dev, cap + PCI_EXP_DEVCTL, 2,
				  value | PCI_EXP_DEVCTL_BCR_FLR));
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

TEST_F(reset, zap_d3hot)
{
	off_t cap = config_capability(&self->dev, PCI_CAP_ID_PM);
	uint32_t value;
	int i;

	if (!cap)
		SKIP(return, "%s has no power management capability", bdf);
	for (i = 0; i < 5; i++) {
		ASSERT_EQ(0, config_read(&self->dev, cap + PCI_PM_CTRL, 2,
					 &value));
		value &= ~PCI_PM_CTRL_STATE_MASK;
		ASSERT_EQ(0, config_write(&self->dev, cap + PCI_PM_CTRL, 2,
					  value | 3));
		EXPECT_SIGBUS(self->map);
		EXPECT_EQ(-1, pread(self->dev.fd, &value, 4,
				    self->dev.bar_offset));
		EXPECT_EQ(EIO, errno);
		ASSERT_EQ(0, config_write(&self->dev, cap + PCI_PM_CTRL, 2, 0));
		/* Some devices come back with their registers reset */
		ASSERT_EQ(0, decode_set(&self->dev, true, 2));
		EXPECT_WORD();
	}
}

static int low_power(struct device *dev, uint32_t feature)
{
	struct vfio_device_feature set = {
		.argsz = sizeof(set),
		.flags = VFIO_DEVICE_FEATURE_SET | feature,
	};

	return ioctl(dev->fd, VFIO_DEVICE_FEATURE, &set) ? -errno : 0;
}

TEST_F(reset, zap_low_power)
{
	int ret, i;

	for (i = 0; i < 5; i++) {
		ret = low_power(&self->dev,
				VFIO_DEVICE_FEATURE_LOW_POWER_ENTRY);
		if (ret == -ENOTTY)
			SKIP(return, "the kernel has no low-power feature");
		ASSERT_EQ(0, ret);
		EXPECT_SIGBUS(self->map);
		ASSERT_EQ(0, low_power(&self->dev,
				       VFIO_DEVICE_FEATURE_LOW_POWER_EXIT));
		EXPECT_WORD();
	}
}

#define READERS 3
#define RESETS 20

/**
 * struct reader - What a process that reads in a loop tells
 * @data: reads that gave what the device holds
 * @refused: reads that raised a signal or failed
 * @leaked: reads that gave anything else
 * @leak: the first of those
 */
struct reader {
	unsigned long data;
	unsigned long refused;
	unsigned long leaked;
	uint32_t leak;
};

static void read_loop(struct reader *reader, struct device *dev, void *map,
		      uint32_t word, const bool *stop)
{
	uint32_t value;

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	while (!__atomic_load_n(stop, __ATOMIC_RELAXED)) {
		if (map ? try_read(map, &value) :
		    pread(dev->fd, &value, 4, dev->bar_offset) != 4)
			reader->refused++;
		else if (value == word)
			reader->data++;
		else if (!reader->leaked++)
			reader->leak = value;
	}
	_exit(0);
}

/* The reset file of sysfs, which VFIO has no part in */
static int sysfs_reset(void)
{
	char path[128];
	int fd, ret;

	snprintf(path, sizeof(path), "/sys/bus/pci/devices/%s/reset", bdf);
	fd = open(path, O_WRONLY);
	if (fd < 0)
		return -errno;
	ret = write(fd, "1", 1) == 1 ? 0 : -errno;
	close(fd);
	return ret;
}

/*
 * Processes that read the BAR while the administrator resets the device wait for
 * the reset: none reads a device that does not answer, none gets a signal. The
 * last of them uses pread().
 */
TEST_F_TIMEOUT(reset, zap_sysfs_reset_under_readers, 120)
{
	struct {
		struct reader reader[READERS];
		bool stop;
	} *shared;
	unsigned long data = 0;
	int i, status;

	shared = mmap(NULL, sizeof(*shared), PROT_READ | PROT_WRITE,
		      MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	ASSERT_NE(MAP_FAILED, shared);
	for (i = 0; i < READERS; i++)
		if (!fork())
			read_loop(&shared->reader[i], &self->dev,
				  i < READERS - 1 ? self->map : NULL,
				  self->word, &shared->stop);
	for (i = 0; i < RESETS; i++) {
		usleep(1000);
		EXPECT_EQ(0, sysfs_reset());
	}
	__atomic_store_n(&shared->stop, true, __ATOMIC_RELAXED);

	for (i = 0; i < READERS; i++) {
		ASSERT_LT(0, wait(&status));
		EXPECT_EQ(0, status);
	}
	for (i = 0; i < READERS; i++) {
		struct reader *reader = &shared->reader[i];

		EXPECT_EQ(0, reader->leaked)
			TH_LOG("process %d read the device during a reset, first 0x%x",
			       i, reader->leak);
		EXPECT_EQ(0, reader->refused);
		EXPECT_NE(0, reader->data);
		data += reader->data;
	}
	TH_LOG("%d resets under %lu reads", RESETS, data);
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
		EXPECT_EQ(0, sysfs_reset());
	kill(pid, SIGKILL);
	ASSERT_EQ(pid, waitpid(pid, &status, 0));
	ASSERT_EQ(0, decode_set(&self->dev, true, 2));
	EXPECT_WORD();
}

int main(int argc, char **argv)
{
	device_arguments(&argc, argv, &bdf, 1);
	return test_harness_run(argc, argv);
}
