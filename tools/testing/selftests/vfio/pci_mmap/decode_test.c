// SPDX-License-Identifier: GPL-2.0-only
/*
 * What turning memory decode off and on does to one mapping
 */
#include <errno.h>
#include <signal.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

#include <linux/pci_regs.h>
#include <linux/vfio.h>

#include "harness.h"
#include "access.h"
#include "device.h"

static const char *bdf;

FIXTURE(decode)
{
	struct device dev;
	size_t page;
	void *map;
	off_t far;
};

FIXTURE_VARIANT(decode)
{
	unsigned int width;
};

FIXTURE_VARIANT_ADD(decode, byte) { .width = 1 };
FIXTURE_VARIANT_ADD(decode, word) { .width = 2 };
FIXTURE_VARIANT_ADD(decode, dword) { .width = 4 };

FIXTURE_SETUP(decode)
{
	ASSERT_EQ(0, device_open(&self->dev, bdf, -1, -1));
	self->page = getpagesize();
	self->far = self->dev.bar_size - self->page;
	self->map = device_map(&self->dev, self->dev.bar_size, 0);
	ASSERT_NE(MAP_FAILED, self->map);
	if (device_fill(&self->dev, self->map))
		SKIP(return, "BAR %u of %s does not keep what is written",
		     self->dev.bar, bdf);
}

FIXTURE_TEARDOWN(decode)
{
	device_close(&self->dev);
}

TEST_F(decode, disabled_read_is_sigbus)
{
	ASSERT_EQ(0, decode_set(&self->dev, false, variant->width));
	EXPECT_SIGBUS(self->map);
	EXPECT_SIGBUS(self->map + self->far);
	ASSERT_EQ(0, decode_set(&self->dev, true, variant->width));
	EXPECT_DATA(0, self->map);
	EXPECT_DATA(self->far, self->map + self->far);
}

TEST_F(decode, disabled_write_is_sigbus)
{
	ASSERT_EQ(0, decode_set(&self->dev, false, variant->width));
	EXPECT_EQ(SIGBUS, try_write(self->map, 0))
		TH_LOG("a write to the disabled BAR went through");
	ASSERT_EQ(0, decode_set(&self->dev, true, variant->width));
	EXPECT_DATA(0, self->map);
}

TEST_F(decode, mapped_while_disabled)
{
	void *map;

	ASSERT_EQ(0, decode_set(&self->dev, false, variant->width));
	map = device_map(&self->dev, self->page, 0);
	ASSERT_NE(MAP_FAILED, map);
	EXPECT_SIGBUS(map);
	ASSERT_EQ(0, decode_set(&self->dev, true, variant->width));
	EXPECT_DATA(0, map);
}

TEST_F(decode, disabled_repeatedly)
{
	int i;

	for (i = 0; i < 50; i++) {
		ASSERT_EQ(0, decode_set(&self->dev, false, variant->width));
		EXPECT_SIGBUS(self->map);
		ASSERT_EQ(0, decode_set(&self->dev, true, variant->width));
		EXPECT_DATA(0, self->map);
		if (!_metadata->exit_code)
			continue;
		TH_LOG("in round %d", i);
		break;
	}
}

TEST_F(decode, region_io_is_eio)
{
	uint32_t value = 0;

	ASSERT_EQ(0, decode_set(&self->dev, false, variant->width));
	EXPECT_EQ(-1, pread(self->dev.fd, &value, 4, self->dev.bar_offset));
	EXPECT_EQ(EIO, errno);
	EXPECT_EQ(-1, pwrite(self->dev.fd, &value, 4, self->dev.bar_offset));
	EXPECT_EQ(EIO, errno);

	ASSERT_EQ(0, decode_set(&self->dev, true, variant->width));
	EXPECT_EQ(4, pread(self->dev.fd, &value, 4, self->dev.bar_offset));
	EXPECT_EQ(device_word(0), value);
}

TEST_F(decode, keeps_data)
{
	uint32_t value;
	off_t offset;

	ASSERT_EQ(0, decode_set(&self->dev, false, variant->width));
	ASSERT_EQ(0, decode_set(&self->dev, true, variant->width));
	for (offset = 0; offset < self->dev.bar_size; offset += self->page) {
		ASSERT_EQ(0, try_read(self->map + offset, &value));
		ASSERT_EQ(device_word(offset), value);
	}
}

/* Other bits of the command register leave mappings alone */
TEST_F(decode, keeps_mapping_of_enabled_bar)
{
	uint32_t command;

	ASSERT_EQ(0, config_read(&self->dev, PCI_COMMAND, 2, &command));
	ASSERT_EQ(0, config_write(&self->dev, PCI_COMMAND, 2,
				  command ^ PCI_COMMAND_MASTER));
	EXPECT_DATA(0, self->map);
	ASSERT_EQ(0, config_write(&self->dev, PCI_COMMAND, 2, command));
	EXPECT_DATA(self->far, self->map + self->far);
}

/* An eventfd that VFIO turns into a write of @data to the first word of the BAR */
static int ioeventfd(struct device *dev, uint32_t data)
{
	struct vfio_device_ioeventfd io = {
		.argsz = sizeof(io),
		.flags = VFIO_DEVICE_IOEVENTFD_32,
		.offset = dev->bar_offset,
		.data = data,
		.fd = eventfd(0, EFD_CLOEXEC),
	};

	if (ioctl(dev->fd, VFIO_DEVICE_IOEVENTFD, &io))
		return -errno;
	return io.fd;
}

/* While decode is off, the write goes nowhere */
TEST_F(decode, drops_ioeventfd_while_disabled)
{
	const uint32_t word = 0x10e7f0;
	int fd = ioeventfd(&self->dev, word);
	uint32_t value;

	ASSERT_LE(0, fd);
	ASSERT_EQ(0, decode_set(&self->dev, false, variant->width));
	EXPECT_EQ(0, eventfd_write(fd, 1));
	ASSERT_EQ(0, decode_set(&self->dev, true, variant->width));
	EXPECT_DATA(0, self->map);
	EXPECT_EQ(0, eventfd_write(fd, 1));
	EXPECT_EQ(0, try_read(self->map, &value));
	EXPECT_EQ(word, value);
	close(fd);
}

int main(int argc, char **argv)
{
	device_arguments(&argc, argv, &bdf, 1);
	return test_harness_run(argc, argv);
}
