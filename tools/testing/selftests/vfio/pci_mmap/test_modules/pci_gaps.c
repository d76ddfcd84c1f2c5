// SPDX-License-Identifier: GPL-2.0-only
/*
 * What the configuration space of QEMU's devices lacks
 *
 * af=ADDRESS gives a device the Advanced Features capability, with FLR, that no
 * device of QEMU has. Writes to it do nothing: vfio-pci resets the device in
 * another way when user space writes the bit. With soft_reset=1, to be written at any
 * time, the device says that it resets itself on its way from D3hot to D0. It does not,
 * but a driver that asks as it is bound restores it all the same.
 *
 * pf=ADDRESS has the VF Enable bit of a physical function cleared by any reset. The
 * virtual functions of QEMU's nvme vanish with a reset, but the bit reads as one;
 * Linux therefore does not bring them back. When it does, they are new to QEMU:
 * their registers are set by an FLR only, and memory decode, which QEMU's virtual
 * functions have of their own, is off. The first of them gets both, and decode as well
 * when it is first asked after an FLR of its own. Nobody can turn that off: as
 * hardware has it, the bit is not there.
 *
 * dead=ADDRESS, to be written at any time, has a device die of its next FLR. It answers
 * once, so that the PCI core does not wait for it for a minute. From then on its
 * configuration space reads as ones, and what is written to it is lost, until 'none'
 * is written.
 *
 * pull=ADDRESS, to be written at any time, takes out what a port of QEMU has in its slot.
 * QEMU does so once the slot has no power. All CPUs stop meanwhile: nobody sees the slot
 * without power, and whoever is about to change Slot Control finds it as it was.
 *
 * Stays loaded: nobody can tell when the last access through it has ended.
 */
#include <linux/module.h>
#include <linux/pci.h>
#include <linux/stop_machine.h>
#include <linux/string.h>

#define AF_POS 0xf0

static char *af;
module_param(af, charp, 0444);
MODULE_PARM_DESC(af, "Device that gets an Advanced Features capability");

static bool soft_reset;
module_param(soft_reset, bool, 0200);
MODULE_PARM_DESC(soft_reset, "Does it say that it resets itself on its way to D0?");

static char *pf;
module_param(pf, charp, 0444);
MODULE_PARM_DESC(pf, "Physical function whose VF Enable bit a reset clears");

static struct pci_dev *af_dev, *pf_dev;
static struct pci_ops *af_ops, *pf_ops;

/* What was there finds the registers by map_bus() of what is there */
static void replace_ops(struct pci_bus *bus, struct pci_ops **was, struct pci_ops *with)
{
	*was = bus->ops;
	with->map_bus = (*was)->map_bus;
	pci_bus_set_ops(bus, with);
}

/* The first entry of its list of capabilities, whose next is the old first */
static u8 af_cap[PCI_CAP_AF_SIZEOF] = {
	PCI_CAP_ID_AF, 0, PCI_CAP_AF_SIZEOF, PCI_AF_CAP_TP | PCI_AF_CAP_FLR,
};

static bool af_holds(int where)
{
	return where >= AF_POS && where < AF_POS + sizeof(af_cap);
}

static int af_read(struct pci_bus *bus, unsigned int devfn, int where, int size,
		   u32 *val)
{
	int ret = af_ops->read(bus, devfn, where, size, val);
	int i;

	if (ret || devfn != af_dev->devfn)
		return ret;

	for (i = 0; i < size; i++) {
		u32 byte;

		if (where + i == PCI_CAPABILITY_LIST)
			byte = AF_POS;
		else if (af_holds(where + i))
			byte = af_cap[where + i - AF_POS];
		else if (READ_ONCE(soft_reset) && where + i == af_dev->pm_cap + PCI_PM_CTRL)
			byte = *val >> 8 * i & ~PCI_PM_CTRL_NO_SOFT_RESET & 0xff;
		else
			continue;
		*val = (*val & ~(0xff << 8 * i)) | byte << 8 * i;
	}
	return 0;
}

static int af_write(struct pci_bus *bus, unsigned int devfn, int where, int size,
		    u32 val)
{
	if (devfn == af_dev->devfn && af_holds(where))
		return 0;
	return af_ops->write(bus, devfn, where, size, val);
}

static struct pci_ops with_af = { .read = af_read, .write = af_write };

/* Between an FLR of the first VF and the first read of its COMMAND */
static bool vf_was_reset;
/* Where the capabilities are; QEMU has that of a VF where the PF has it */
static int pf_sriov, vf_exp;

/* The first VF is gone with a reset until the VF Enable bit is set again */
static bool vf_is_there(struct pci_bus *bus)
{
	u32 class;

	pf_ops->read(bus, pci_iov_virtfn_devfn(pf_dev, 0), PCI_CLASS_REVISION, 4, &class);
	return !PCI_POSSIBLE_ERROR(class);
}

static int pf_read(struct pci_bus *bus, unsigned int devfn, int where, int size,
		   u32 *val)
{
	int ret;

	if (READ_ONCE(vf_was_reset) && where == PCI_COMMAND &&
	    devfn == pci_iov_virtfn_devfn(pf_dev, 0)) {
		WRITE_ONCE(vf_was_reset, false);
		pf_ops->write(bus, devfn, PCI_COMMAND, 2, PCI_COMMAND_MEMORY);
	}
	ret = pf_ops->read(bus, devfn, where, size, val);

	/* Memory decode of a VF is up to its PF, and so is the bit not there */
	if (where == PCI_COMMAND && devfn == pci_iov_virtfn_devfn(pf_dev, 0) &&
	    !PCI_POSSIBLE_ERROR(*val))
		*val &= ~PCI_COMMAND_MEMORY;
	if (!ret && devfn == pf_dev->devfn && where == pf_sriov + PCI_SRIOV_CTRL &&
	    !vf_is_there(bus))
		*val &= ~PCI_SRIOV_CTRL_VFE;
	return ret;
}

static int pf_write(struct pci_bus *bus, unsigned int devfn, int where, int size,
		    u32 val)
{
	bool was_there = vf_is_there(bus);
	int ret;

	if (where == vf_exp + PCI_EXP_DEVCTL && val & PCI_EXP_DEVCTL_BCR_FLR &&
	    devfn == pci_iov_virtfn_devfn(pf_dev, 0))
		WRITE_ONCE(vf_was_reset, true);
	if (where == PCI_COMMAND && devfn == pci_iov_virtfn_devfn(pf_dev, 0))
		val |= PCI_COMMAND_MEMORY;
	ret = pf_ops->write(bus, devfn, where, size, val);

	if (devfn == pf_dev->devfn && where == pf_sriov + PCI_SRIOV_CTRL &&
	    val & PCI_SRIOV_CTRL_VFE && !was_there) {
		unsigned int vf = pci_iov_virtfn_devfn(pf_dev, 0);

		pf_ops->write(bus, vf, vf_exp + PCI_EXP_DEVCTL, 2,
			      PCI_EXP_DEVCTL_BCR_FLR);
		pf_ops->write(bus, vf, PCI_COMMAND, 2, PCI_COMMAND_MEMORY);
	}
	return ret;
}

static struct pci_ops with_vf_enable = { .read = pf_read, .write = pf_write };

/* What becomes of a device that is to die; covered by the lock of the accesses */
static enum {
	ALIVE,
	MORTAL,		/* it dies of the next FLR */
	ASKED_ONCE,	/* it had that, and answers once more */
	DEAD,
} fate;

static struct pci_dev *dead_dev;
static struct pci_ops *dead_ops;

static int dead_read(struct pci_bus *bus, unsigned int devfn, int where, int size,
		     u32 *val)
{
	if (devfn == dead_dev->devfn) {
		if (fate == DEAD) {
			PCI_SET_ERROR_RESPONSE(val);
			return 0;
		}
		if (fate == ASKED_ONCE && (where == PCI_VENDOR_ID || where == PCI_COMMAND))
			fate = DEAD;
	}
	return dead_ops->read(bus, devfn, where, size, val);
}

static int dead_write(struct pci_bus *bus, unsigned int devfn, int where, int size,
		      u32 val)
{
	if (devfn == dead_dev->devfn) {
		if (fate == DEAD)
			return 0;
		if (fate == MORTAL && where == pci_pcie_cap(dead_dev) + PCI_EXP_DEVCTL &&
		    val & PCI_EXP_DEVCTL_BCR_FLR)
			fate = ASKED_ONCE;
	}
	return dead_ops->write(bus, devfn, where, size, val);
}

static struct pci_ops with_death = { .read = dead_read, .write = dead_write };

static struct pci_dev *find(const char *address)
{
	unsigned int domain, bus, slot, function;

	if (!address || sscanf(address, "%x:%x:%x.%x", &domain, &bus, &slot,
			       &function) != 4)
		return NULL;
	return pci_get_domain_bus_and_slot(domain, bus,
					   PCI_DEVFN(slot, function));
}

static int set_dead(const char *val, const struct kernel_param *kp)
{
	struct pci_dev *dev = af_dev ? find(val) : NULL;

	WRITE_ONCE(fate, ALIVE);
	if (!dev)
		return sysfs_streq(val, "none") ? 0 : -ENODEV;
	/* One device, as nobody can tell when the last access has ended */
	if (dead_dev ? dev != dead_dev :
	    dev->bus == af_dev->bus || dev->bus == pf_dev->bus) {
		pci_dev_put(dev);
		return -EBUSY;
	}
	if (dead_dev) {
		pci_dev_put(dev);
	} else {
		dead_dev = dev;
		replace_ops(dev->bus, &dead_ops, &with_death);
	}
	WRITE_ONCE(fate, MORTAL);
	return 0;
}

static const struct kernel_param_ops dead_param_ops = { .set = set_dead };
module_param_cb(dead, &dead_param_ops, NULL, 0200);
MODULE_PARM_DESC(dead, "Device that dies of its next FLR");

static int pull_out(void *data)
{
	struct pci_dev *port = data;
	u16 control, off;

	pcie_capability_read_word(port, PCI_EXP_SLTCTL, &control);
	off = control & ~PCI_EXP_SLTCTL_HPIE;
	off |= PCI_EXP_SLTCTL_PWR_OFF | PCI_EXP_SLTCTL_PWR_IND_OFF;
	pcie_capability_write_word(port, PCI_EXP_SLTCTL, off);
	return pcie_capability_write_word(port, PCI_EXP_SLTCTL, control);
}

static int set_pull(const char *val, const struct kernel_param *kp)
{
	struct pci_dev *port = find(val);
	int ret;

	if (!port)
		return -ENODEV;
	ret = stop_machine(pull_out, port, NULL);
	pci_dev_put(port);
	return ret;
}

static const struct kernel_param_ops pull_param_ops = { .set = set_pull };
module_param_cb(pull, &pull_param_ops, NULL, 0200);
MODULE_PARM_DESC(pull, "Port of QEMU whose slot loses what is in it");

static int __init pci_gaps_init(void)
{
	af_dev = find(af);
	pf_dev = find(pf);
	if (!af_dev || !pf_dev || af_dev->bus == pf_dev->bus) {
		pci_dev_put(af_dev);
		pci_dev_put(pf_dev);
		return -ENODEV;
	}

	/* The functions find what they need before they can be called */
	pf_sriov = pci_find_ext_capability(pf_dev, PCI_EXT_CAP_ID_SRIOV);
	vf_exp = pci_pcie_cap(pf_dev);
	pci_read_config_byte(af_dev, PCI_CAPABILITY_LIST, &af_cap[1]);
	replace_ops(af_dev->bus, &af_ops, &with_af);
	replace_ops(pf_dev->bus, &pf_ops, &with_vf_enable);
	return 0;
}
module_init(pci_gaps_init);

MODULE_DESCRIPTION("What the configuration space of QEMU's devices lacks");
MODULE_LICENSE("GPL");
