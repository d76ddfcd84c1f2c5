/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Resets of PFs, which take their VFs along
 */
#ifndef PCI_PF_RESET_H
#define PCI_PF_RESET_H

struct notifier_block;

/**
 * enum pci_pf_reset - What happens to a PF
 * @PCI_PF_RESET_PREPARE: it is about to be reset
 * @PCI_PF_RESET_DONE: it is as it was, and so are its VFs
 */
enum pci_pf_reset {
	PCI_PF_RESET_PREPARE,
	PCI_PF_RESET_DONE,
};

#ifdef CONFIG_PCI_IOV
int pci_register_pf_reset_notifier(struct notifier_block *nb);
void pci_unregister_pf_reset_notifier(struct notifier_block *nb);
#else
static inline int pci_register_pf_reset_notifier(struct notifier_block *nb)
{
	return 0;
}

static inline void pci_unregister_pf_reset_notifier(struct notifier_block *nb)
{
}
#endif

#endif /* PCI_PF_RESET_H */
