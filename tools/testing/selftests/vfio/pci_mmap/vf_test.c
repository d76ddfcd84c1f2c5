// SPDX-License-Identifier: GPL-2.0-only
/*
 * A virtual function: the decode bit of its command register is hard-wired to
 * zero, its PF says whether it answers. VFIO shows the bit as if it worked, and
 * the BAR answers whatever it says.
 */
#include <pthread.h>
#include <stdbool.h>
#include <stdio.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

#include <linux/pci_regs.h>
#include <linux/vfio.h>

#include "harness.h"
#include "access.h"
#include "device.h"
#include "sysfs.h"

static const char *bdf;

FIXTURE(vf)
{
	struct device dev;
	void *map;
	uint32_t word;
};

FIXTURE_SETUP(vf)
{
	ASSERT_EQ(0, device_open(&self->dev, bdf, -1, -1));
	self->map = device_map(&self->dev, getpagesize(), 0);
	ASSERT_NE(MAP_FAILED, self->map);
	ASSERT_EQ(0, try_read(self->map, &self->word));
	ASSERT_NE(-1U, self->word);
}

FIXTURE_TEARDOWN(vf)
{
	device_close(&self->dev);
}

TEST_F(vf, bit_can_be_toggled)
{
	uint32_t command;

	ASSERT_EQ(0, decode_set(&self->dev, false, 2));
	ASSERT_EQ(0, config_read(&self->dev, PCI_COMMAND, 2, &command));
	EXPECT_EQ(0, command & PCI_COMMAND_MEMORY);
	ASSERT_EQ(0, decode_set(&self->dev, true, 2));
	ASSERT_EQ(0, config_read(&self->dev, PCI_COMMAND, 2, &command));
	EXPECT_EQ(PCI_COMMAND_MEMORY, command & PCI_COMMAND_MEMORY);
}

TEST_F(vf, answers_whatever_the_bit_says)
{
	uint32_t value;
	void *map;

	ASSERT_EQ(0, decode_set(&self->dev, false, 2));
	EXPECT_EQ(0, try_read(self->map, &value));
	EXPECT_EQ(self->word, value);
	map = device_map(&self->dev, getpagesize(), 0);
	ASSERT_NE(MAP_FAILED, map);
	EXPECT_EQ(0, try_read(map, &value));
	EXPECT_EQ(self->word, value);
	EXPECT_EQ(4, pread(self->dev.fd, &value, 4, self->dev.bar_offset));
	EXPECT_EQ(self->word, value);

	ASSERT_EQ(0, decode_set(&self->dev, true, 2));
	EXPECT_EQ(0, try_read(self->map, &value));
	EXPECT_EQ(self->word, value);
}

struct writer {
	pthread_t thread;
	struct device *dev;
	bool stop;
};

/* As a driver does that sets up anew what it takes for lost */
static void *write_command(void *arg)
{
	struct writer *writer = arg;

	while (!__atomic_load_n(&writer->stop, __ATOMIC_RELAXED)) {
		config_write(writer->dev, PCI_COMMAND, 2,
			     PCI_COMMAND_MEMORY | PCI_COMMAND_MASTER);
		usleep(200);
	}
	return NULL;
}

/* What COMMAND looks like does not tell that the rest is there */
TEST_F(vf, has_interrupts_after_pf_reset)
{
	struct writer writer = { .dev = &self->dev };
	off_t msix;

	msix = config_capability(&self->dev, PCI_CAP_ID_MSIX);
	ASSERT_NE(0, msix);
	ASSERT_LE(0, irq_open(&self->dev, VFIO_PCI_MSIX_IRQ_INDEX));
	ASSERT_EQ(0, pthread_create(&writer.thread, NULL, write_command, &writer));
	EXPECT_EQ(0, sysfs_write(bdf, "physfn/reset", "1"));
	__atomic_store_n(&writer.stop, true, __ATOMIC_RELAXED);
	pthread_join(writer.thread, NULL);

	EXPECT_EQ(PCI_MSIX_FLAGS_ENABLE,
		  sysfs_config_settle(bdf, msix + PCI_MSIX_FLAGS,
				      PCI_MSIX_FLAGS_ENABLE | PCI_MSIX_FLAGS_MASKALL,
				      PCI_MSIX_FLAGS_ENABLE));
}

static void *reset_pf(void *arg)
{
	*(int *)arg = sysfs_write(bdf, "physfn/reset", "1");
	return NULL;
}

/* What QEMU lets be set in device control 2: TLP prefixes are blocked */
#define BIT_KEPT 0x8000

static int device_control_2(off_t exp)
{
	return sysfs_config_settle(bdf, exp + PCI_EXP_DEVCTL2, 0xffff, BIT_KEPT);
}

static void set_device_control_2(struct __test_metadata *_metadata,
				 struct device *dev, off_t exp)
{
	ASSERT_NE(0, exp);
	ASSERT_EQ(0, config_write(dev, exp + PCI_EXP_DEVCTL2, 2, BIT_KEPT));
	ASSERT_EQ(BIT_KEPT, device_control_2(exp));
}

/* What resets the VF meanwhile saves what the reset of the PF has left of it */
TEST_F(vf, keeps_device_control_if_reset_amid_pf_reset)
{
	off_t exp = config_capability(&self->dev, PCI_CAP_ID_EXP);
	pthread_t thread;
	int ret;

	set_device_control_2(_metadata, &self->dev, exp);
	ASSERT_EQ(0, pthread_create(&thread, NULL, reset_pf, &ret));
	usleep(50000);
	ioctl(self->dev.fd, VFIO_DEVICE_RESET);
	pthread_join(thread, NULL);
	ASSERT_EQ(0, ret);
	EXPECT_EQ(BIT_KEPT, device_control_2(exp));
}

/* The PM core has restored it: nothing is left to restore later */
TEST_F(vf, keeps_what_is_set_after_low_power)
{
	uint32_t value;

	ASSERT_EQ(0, low_power_set(&self->dev, true));
	ASSERT_EQ(0, sysfs_wait_suspended(bdf));
	EXPECT_EQ(0, sysfs_write(bdf, "physfn/reset", "1"));
	ASSERT_EQ(0, low_power_set(&self->dev, false));
	sleep(2);
	ASSERT_EQ(0, config_write(&self->dev, PCI_CACHE_LINE_SIZE, 1, 0x10));
	ASSERT_EQ(0, ioctl(self->dev.fd, VFIO_DEVICE_RESET));
	sleep(2);
	ASSERT_EQ(0, config_read(&self->dev, PCI_CACHE_LINE_SIZE, 1, &value));
	EXPECT_EQ(0x10, value);
}

/* The PM core has saved what a reset has left, and restores that */
TEST_F(vf, keeps_device_control_if_asleep_amid_pf_reset)
{
	off_t exp = config_capability(&self->dev, PCI_CAP_ID_EXP);
	pthread_t thread;
	int ret;

	set_device_control_2(_metadata, &self->dev, exp);
	ASSERT_EQ(0, pthread_create(&thread, NULL, reset_pf, &ret));
	/* The FLR takes 100 ms, and the VF is as it was reset for as long after it */
	usleep(150000);
	ASSERT_EQ(0, low_power_set(&self->dev, true));
	ASSERT_EQ(0, sysfs_wait_suspended(bdf));
	pthread_join(thread, NULL);
	ASSERT_EQ(0, ret);
	ASSERT_EQ(0, low_power_set(&self->dev, false));
	EXPECT_EQ(BIT_KEPT, device_control_2(exp));
}

int main(int argc, char **argv)
{
	device_arguments(&argc, argv, &bdf, 1);
	return test_harness_run(argc, argv);
}
