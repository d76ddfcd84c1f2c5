// SPDX-License-Identifier: GPL-2.0-only
/*
 * Interrupts of a device that has recovered from a fatal error
 *
 * Needs a device with MSI-X behind QEMU's port1.
 */
#include <sys/mman.h>
#include <unistd.h>

#include <linux/pci_regs.h>
#include <linux/vfio.h>

#include "harness.h"
#include "access.h"
#include "device.h"
#include "qemu.h"
#include "sysfs.h"

static const char *bdf;

FIXTURE(aer_recovered)
{
	struct device dev;
	int uevents;
	int irq;
	off_t msix;
	uint32_t *entry;	/* the first of the MSI-X table */
	uint32_t before[PCI_MSIX_ENTRY_SIZE / 4];
};

FIXTURE_SETUP(aer_recovered)
{
	uint32_t table;
	char *map;
	size_t i;

	ASSERT_EQ(0, device_open(&self->dev, bdf, -1, -1));
	self->msix = config_capability(&self->dev, PCI_CAP_ID_MSIX);
	ASSERT_NE(0, self->msix) TH_LOG("%s has no MSI-X: name another device", bdf);
	ASSERT_EQ(0, config_read(&self->dev, self->msix + PCI_MSIX_TABLE, 4, &table));
	ASSERT_EQ(self->dev.bar, table & PCI_MSIX_TABLE_BIR);
	map = device_map(&self->dev, self->dev.bar_size, 0);
	ASSERT_NE(MAP_FAILED, map);
	self->entry = (uint32_t *)(map + (table & PCI_MSIX_TABLE_OFFSET));
	self->irq = irq_open(&self->dev, VFIO_PCI_MSIX_IRQ_INDEX);
	ASSERT_LE(0, self->irq);
	for (i = 0; i < ARRAY_SIZE(self->before); i++)
		ASSERT_EQ(0, try_read(self->entry + i, &self->before[i]));
	ASSERT_NE(0, self->before[0]);
	self->uevents = uevent_open();
	ASSERT_LE(0, self->uevents);
}

FIXTURE_TEARDOWN(aer_recovered)
{
	close(self->uevents);
	device_close(&self->dev);
}

static void recover(struct __test_metadata *_metadata, int uevents)
{
	tell_qemu("pcie_aer_inject_error port1 DLP");
	ASSERT_EQ(0, uevent_wait(uevents, bdf, "ERROR_EVENT=SUCCESSFUL_RECOVERY"));
}

static void expect_interrupts(struct __test_metadata *_metadata, off_t msix,
			      uint32_t *entry, uint32_t *before)
{
	uint32_t value = 0;
	int i;

	EXPECT_EQ(PCI_MSIX_FLAGS_ENABLE,
		  sysfs_config_settle(bdf, msix + PCI_MSIX_FLAGS,
				      PCI_MSIX_FLAGS_ENABLE | PCI_MSIX_FLAGS_MASKALL,
				      PCI_MSIX_FLAGS_ENABLE));
	for (i = 0; i < PCI_MSIX_ENTRY_SIZE / 4; i++) {
		EXPECT_EQ(0, try_read(entry + i, &value));
		EXPECT_EQ(before[i], value);
	}
}

TEST_F(aer_recovered, has_interrupts)
{
	recover(_metadata, self->uevents);
	decode_set(&self->dev, true, 2);
	expect_interrupts(_metadata, self->msix, self->entry, self->before);
}

TEST_F(aer_recovered, has_interrupts_after_d3)
{
	ASSERT_EQ(0, power_set(&self->dev, 3));
	recover(_metadata, self->uevents);
	sleep(1);
	ASSERT_EQ(0, power_set(&self->dev, 0));
	decode_set(&self->dev, true, 2);
	expect_interrupts(_metadata, self->msix, self->entry, self->before);
}

int main(int argc, char **argv)
{
	device_arguments(&argc, argv, &bdf, 1);
	return test_harness_run(argc, argv);
}
