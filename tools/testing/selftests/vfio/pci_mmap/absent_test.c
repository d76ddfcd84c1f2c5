// SPDX-License-Identifier: GPL-2.0-only
/*
 * A device that does not respond when it is opened, or any more
 *
 * Needs pci_gaps.ko, which has an FLR take its configuration space away: that which comes
 * with the open, or another; and pci_others.ko, which resets it and restores nothing.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <pthread.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

#include <linux/pci_regs.h>
#include <linux/vfio.h>

#include "harness.h"
#include "access.h"
#include "device.h"
#include "sysfs.h"

#define DEAD "/sys/module/pci_gaps/parameters/dead"
#define FLR "/sys/module/pci_others/parameters/flr"

static const char *bdf;

FIXTURE(absent)
{
	struct device dev;
	void *map;
	uint32_t word;	/* the first of the BAR; the device never changes it */
};

static int open_and_map(struct device *dev, void **map)
{
	int ret = device_open(dev, bdf, -1, -1);

	if (ret)
		return ret;
	*map = device_map(dev, getpagesize(), 0);
	return *map == MAP_FAILED ? -errno : 0;
}

FIXTURE_SETUP(absent)
{
	int ret;

	ASSERT_EQ(0, open_and_map(&self->dev, &self->map));
	ASSERT_EQ(0, try_read(self->map, &self->word));
	munmap(self->map, getpagesize());
	device_close(&self->dev);

	ASSERT_EQ(0, file_write(DEAD, bdf))
		TH_LOG("%s cannot be made to die: load pci_gaps.ko", bdf);
	ret = open_and_map(&self->dev, &self->map);
	ASSERT_EQ(0, file_write(DEAD, "none"));
	ASSERT_EQ(0, ret);
}

FIXTURE_TEARDOWN(absent)
{
	device_close(&self->dev);
}

/* When it comes back, nobody writes to it what was read of a device that was not there */
TEST_F(absent, is_left_alone)
{
	uint32_t before[PCI_STD_HEADER_SIZEOF / 4], after[PCI_STD_HEADER_SIZEOF / 4];
	int i;

	ASSERT_EQ(0, sysfs_config_read(bdf, 0, before, sizeof(before)));
	sleep(3);
	ASSERT_EQ(0, sysfs_config_read(bdf, 0, after, sizeof(after)));
	for (i = 0; i < PCI_STD_HEADER_SIZEOF / 4; i++)
		EXPECT_EQ(before[i], after[i]) TH_LOG("at 0x%x", 4 * i);
}

TEST_F(absent, reads_ones)
{
	sleep(3);
	EXPECT_ONES(self->map);
}

TEST_F(absent, answers_when_opened_anew)
{
	uint32_t value;

	munmap(self->map, getpagesize());
	device_close(&self->dev);
	ASSERT_EQ(0, open_and_map(&self->dev, &self->map));
	ASSERT_EQ(0, try_read(self->map, &value));
	EXPECT_EQ(self->word, value);
}

/* A device that dies while it is open, and is brought back */
FIXTURE(dies)
{
	struct device dev;
	void *map;
	uint32_t word;
};

FIXTURE_SETUP(dies)
{
	ASSERT_EQ(0, open_and_map(&self->dev, &self->map));
	ASSERT_EQ(0, try_read(self->map, &self->word));
	ASSERT_NE(-1U, self->word);
	/* Where QEMU has no BAR */
	ASSERT_NE(0, self->word);
}

FIXTURE_TEARDOWN(dies)
{
	file_write(DEAD, "none");
	device_close(&self->dev);
}

/* Have a reset by others lose the device, which may be reset again after that */
static void lose(struct __test_metadata *_metadata, void *map)
{
	ASSERT_EQ(0, file_write(DEAD, bdf))
		TH_LOG("%s cannot be made to die: load pci_gaps.ko", bdf);
	ASSERT_EQ(0, sysfs_write(bdf, "reset", "1"));
	EXPECT_ONES(map);
	ASSERT_EQ(0, file_write(DEAD, "none"));
}

/* Whoever is told that the reset succeeded may use the device at once */
TEST_F(dies, answers_when_reset_returns)
{
	uint32_t value;
	int i;

	for (i = 0; i < 10; i++) {
		lose(_metadata, self->map);

		/* It may just be asked whether it is back */
		while (ioctl(self->dev.fd, VFIO_DEVICE_RESET))
			ASSERT_EQ(EAGAIN, errno);
		ASSERT_EQ(0, try_read(self->map, &value));
		ASSERT_EQ(self->word, value) TH_LOG("after %d resets", i);
		ASSERT_EQ(4, pread(self->dev.fd, &value, 4, self->dev.bar_offset));
		ASSERT_EQ(self->word, value) TH_LOG("after %d resets", i);
	}
}

/* And so where it is reset by its own FLR bit, which tells of no failure */
TEST_F(dies, answers_when_flr_is_written)
{
	int i, missed = 0;
	uint32_t value;

	for (i = 0; i < 10; i++) {
		lose(_metadata, self->map);
		ASSERT_EQ(0, function_reset(&self->dev));
		ASSERT_EQ(0, try_read(self->map, &value));
		if (value == self->word)
			continue;
		missed++;
		while (ioctl(self->dev.fd, VFIO_DEVICE_RESET))
			ASSERT_EQ(EAGAIN, errno);
	}
	/* None is tried of a device that is just being asked whether it is back */
	EXPECT_GE(3, missed);
}

/* Asking does not tire it: whoever asks once it is back learns that it is */
TEST_F(dies, tells_of_its_rom_when_back)
{
	struct vfio_region_info rom = {
		.argsz = sizeof(rom), .index = VFIO_PCI_ROM_REGION_INDEX,
	};
	uint32_t value;
	int i;

	ASSERT_EQ(0, ioctl(self->dev.fd, VFIO_DEVICE_GET_REGION_INFO, &rom));
	if (!rom.size)
		SKIP(return, "%s has no ROM", bdf);
	ASSERT_EQ(0, file_write(DEAD, bdf))
		TH_LOG("%s cannot be made to die: load pci_gaps.ko", bdf);
	ASSERT_EQ(0, sysfs_write(bdf, "reset", "1"));
	for (i = 0; i < 100; i++) {
		EXPECT_EQ(0, ioctl(self->dev.fd, VFIO_DEVICE_GET_REGION_INFO, &rom));
		EXPECT_EQ(0, rom.size);
	}
	ASSERT_EQ(0, file_write(DEAD, "none"));
	ASSERT_EQ(0, ioctl(self->dev.fd, VFIO_DEVICE_GET_REGION_INFO, &rom));
	EXPECT_NE(0, rom.size);
	ASSERT_EQ(0, try_read(self->map, &value));
	EXPECT_EQ(self->word, value);
}

#define RESETS 50

/* Reset the device again and again, as another driver does; NULL, or an error */
static void *reset_by_driver(void *done)
{
	intptr_t error = 0;
	int i;

	for (i = 0; i < RESETS && !error; i++) {
		/* At one moment of the question after another */
		usleep(i * 100);
		error = file_write(FLR, bdf);
	}
	__atomic_store_n((bool *)done, true, __ATOMIC_RELEASE);
	return (void *)error;
}

/* However often it goes away and comes back meanwhile */
TEST_F(dies, tells_of_its_rom_amid_resets)
{
	struct vfio_region_info rom = {
		.argsz = sizeof(rom), .index = VFIO_PCI_ROM_REGION_INDEX,
	};
	int asked = 0, none = 0;
	bool done = false;
	uint32_t value;
	pthread_t thread;
	void *error;

	ASSERT_EQ(0, ioctl(self->dev.fd, VFIO_DEVICE_GET_REGION_INFO, &rom));
	if (!rom.size)
		SKIP(return, "%s has no ROM", bdf);
	ASSERT_EQ(0, pthread_create(&thread, NULL, reset_by_driver, &done));
	while (!__atomic_load_n(&done, __ATOMIC_ACQUIRE)) {
		EXPECT_EQ(0, ioctl(self->dev.fd, VFIO_DEVICE_GET_REGION_INFO, &rom));
		asked++;
		none += !rom.size;
	}
	pthread_join(thread, &error);
	EXPECT_EQ(NULL, error) TH_LOG("%s cannot be reset: load pci_others.ko", bdf);
	EXPECT_EQ(0, none) TH_LOG("it had no ROM %d times of %d", none, asked);
	EXPECT_LT(0, asked);
	ASSERT_EQ(0, try_read(self->map, &value));
	EXPECT_EQ(self->word, value);
}

int main(int argc, char **argv)
{
	device_arguments(&argc, argv, &bdf, 1);
	return test_harness_run(argc, argv);
}
