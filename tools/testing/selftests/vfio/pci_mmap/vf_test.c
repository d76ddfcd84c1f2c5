// SPDX-License-Identifier: GPL-2.0-only
/*
 * A virtual function: the decode bit of its command register is hard-wired to
 * zero, its PF says whether it answers. VFIO shows the bit as if it worked, and
 * the BAR answers whatever it says.
 */
#include <pthread.h>
#include <stdbool.h>
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
	uint16_t flags = 0;
	off_t msix;
	int i;

	msix = config_capability(&self->dev, PCI_CAP_ID_MSIX);
	ASSERT_NE(0, msix);
	ASSERT_LE(0, irq_open(&self->dev, VFIO_PCI_MSIX_IRQ_INDEX));
	ASSERT_EQ(0, pthread_create(&writer.thread, NULL, write_command, &writer));
	EXPECT_EQ(0, sysfs_write(bdf, "physfn/reset", "1"));
	__atomic_store_n(&writer.stop, true, __ATOMIC_RELAXED);
	pthread_join(writer.thread, NULL);

	/* It gets its configuration back a little later */
	for (i = 0; i < 5 && !(flags & PCI_MSIX_FLAGS_ENABLE); i++) {
		sleep(1);
		ASSERT_EQ(0, sysfs_config_read(bdf, msix + PCI_MSIX_FLAGS, &flags,
					       sizeof(flags)));
	}
	EXPECT_EQ(PCI_MSIX_FLAGS_ENABLE,
		  flags & (PCI_MSIX_FLAGS_ENABLE | PCI_MSIX_FLAGS_MASKALL));
}

int main(int argc, char **argv)
{
	device_arguments(&argc, argv, &bdf, 1);
	return test_harness_run(argc, argv);
}
