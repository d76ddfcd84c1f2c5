/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Announcing that functions stop answering, and that they are back
 */
#ifndef PCI_QUIESCE_H
#define PCI_QUIESCE_H

#include <linux/cleanup.h>
#include <linux/list.h>
#include <linux/types.h>

struct pci_dev;

/**
 * enum pci_access_event - What happens to a function
 * @PCI_ACCESS_QUIESCE: it is about to stop answering, for as long as
 *	pci_is_quiesced() says so
 * @PCI_ACCESS_UNQUIESCE: the reset is over. The function may not be there any more,
 *	or may have lost its configuration
 * @PCI_ACCESS_LOST: an error froze it, or has it reset, or it was pulled out
 * @PCI_ACCESS_RECOVERED: the PCI core has recovered it from an error
 */
enum pci_access_event {
	PCI_ACCESS_QUIESCE,
	PCI_ACCESS_UNQUIESCE,
	PCI_ACCESS_LOST,
	PCI_ACCESS_RECOVERED,
};

/**
 * struct pci_access_user - A user of a function, to be told when it stops answering
 * @node: place on the list of users, covered by its lock
 * @dev: the function
 * @notify: called for each event of @dev, of its PF or of a bridge above it. When it
 *	has returned from %PCI_ACCESS_QUIESCE or %PCI_ACCESS_LOST, the user accesses
 *	@dev no more. The PCI core may hold any of its locks: it must not take any, nor
 *	wait for a task that does for longer than a moment. May sleep
 */
struct pci_access_user {
	struct list_head	node;
	struct pci_dev		*dev;
	void (*notify)(struct pci_access_user *user, enum pci_access_event event);
};

void pci_register_access_user(struct pci_access_user *user);
void pci_unregister_access_user(struct pci_access_user *user);
void pci_announce_access(struct pci_dev *dev, enum pci_access_event event);
void pci_quiesce(struct pci_dev *dev);
void pci_unquiesce(struct pci_dev *dev);
bool pci_is_quiesced(struct pci_dev *dev);

DEFINE_GUARD(pci_quiesce, struct pci_dev *, pci_quiesce(_T), pci_unquiesce(_T))

#endif /* PCI_QUIESCE_H */
