// SPDX-License-Identifier: GPL-2.0-only
/*
 * A virtual function: the decode bit of its command register is hard-wired to
 * zero, its PF says whether it answers. VFIO shows the bit as if it worked, and
 * the BAR answers whatever it says.
 */
#include <sys/mman.h>
#include <unistd.h>

#include <linux/pci_regs.h>

#include "harness.h"
#include "access.h"
#include "device.h"

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

int main(int argc, char **argv)
{
	device_arguments(&argc, argv, &bdf, 1);
	return test_harness_run(argc, argv);
}
