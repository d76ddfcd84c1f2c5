// SPDX-License-Identifier: GPL-2.0-only
/*
 * What the drivers of other functions do to the function under test
 *
 * Write the address of a function to a parameter:
 *
 *  - flr: it gets pcie_flr(), as a PF driver gives it to a VF in other hands
 *  - flr_restore: the same, with its state saved before and restored after, as a PF
 *    driver does to its own function while VFs are in other hands
 *
 * None of them takes a lock or calls the driver of the function.
 *
 * It is also a driver, for what has it as driver_override, that asks for a reset when
 * an error is detected, be it a fatal one or not. Before and after a reset it takes the
 * lock of the network, as drivers of network cards do.
 */
#include <linux/cleanup.h>
#include <linux/module.h>
#include <linux/pci.h>
#include <linux/rtnetlink.h>

/* A function by its address, which the caller has to put; or NULL */
static struct pci_dev *find(const char *address)
{
	unsigned int domain, bus, slot, function;

	if (sscanf(address, "%x:%x:%x.%x", &domain, &bus, &slot, &function) != 4)
		return NULL;
	return pci_get_domain_bus_and_slot(domain, bus,
					   PCI_DEVFN(slot, function));
}

static int set_flr(const char *val, const struct kernel_param *kp)
{
	struct pci_dev *dev __free(pci_dev_put) = find(val);

	return dev ? pcie_flr(dev) : -ENODEV;
}

static const struct kernel_param_ops flr_ops = { .set = set_flr };
module_param_cb(flr, &flr_ops, NULL, 0200);
MODULE_PARM_DESC(flr, "Function that gets an FLR");

static int set_flr_restore(const char *val, const struct kernel_param *kp)
{
	struct pci_dev *dev __free(pci_dev_put) = find(val);
	int ret;

	if (!dev)
		return -ENODEV;
	ret = pci_save_state(dev);
	if (ret)
		return ret;
	ret = pcie_flr(dev);
	pci_restore_state(dev);
	return ret;
}

static const struct kernel_param_ops flr_restore_ops = { .set = set_flr_restore };
module_param_cb(flr_restore, &flr_restore_ops, NULL, 0200);
MODULE_PARM_DESC(flr_restore, "Function that gets an FLR, and its state back");

static int probe(struct pci_dev *dev, const struct pci_device_id *id)
{
	return 0;
}

static pci_ers_result_t error_detected(struct pci_dev *dev, pci_channel_state_t state)
{
	if (state == pci_channel_io_perm_failure)
		return PCI_ERS_RESULT_DISCONNECT;
	return PCI_ERS_RESULT_NEED_RESET;
}

static pci_ers_result_t slot_reset(struct pci_dev *dev)
{
	return PCI_ERS_RESULT_RECOVERED;
}

static void take_rtnl(struct pci_dev *dev)
{
	rtnl_lock();
	rtnl_unlock();
}

static const struct pci_error_handlers error_handlers = {
	.error_detected = error_detected,
	.slot_reset = slot_reset,
	.reset_prepare = take_rtnl,
	.reset_done = take_rtnl,
};

/* It does no DMA, and is to leave others of its group to user space */
static struct pci_driver others_driver = {
	.name = "pci_others",
	.probe = probe,
	.err_handler = &error_handlers,
	.driver_managed_dma = true,
};
module_pci_driver(others_driver);

MODULE_DESCRIPTION("What the drivers of other functions do to the function under test");
MODULE_LICENSE("GPL");
