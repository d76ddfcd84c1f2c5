// SPDX-License-Identifier: GPL-2.0-only
/*
 * Announcing that functions stop answering, and that they are back
 *
 * A reset of a function stops that function, the VFs of a PF and all that is behind a
 * bridge. Drivers learn of some resets by reset_prepare, but not of a pcie_flr() that
 * another driver calls, nor of a reset of their PF or of a bridge. A driver that gives
 * BARs away, by mmap() for instance, has to know of each.
 *
 * Code that resets a device calls pci_quiesce() before and pci_unquiesce() after. The
 * device counts the calls, so resets may nest and overlap. A function is quiesced while
 * the function, its PF or a bridge above it is.
 *
 * Users register, and are looked up from there to the root: a walk down the tree would
 * take pci_bus_sem, which callers may hold. pci_access_lock covers changes of the list,
 * SRCU who walks it: a notify() that takes its time holds up no other reset.
 */

#include <linux/atomic.h>
#include <linux/export.h>
#include <linux/pci.h>
#include <linux/pci_quiesce.h>
#include <linux/rculist.h>
#include <linux/spinlock.h>
#include <linux/srcu.h>

static LIST_HEAD(pci_access_users);
static DEFINE_SPINLOCK(pci_access_lock);
DEFINE_STATIC_SRCU(pci_access_srcu);

/* What stops @dev when it stops: the next step from @dev to the root, or NULL */
static struct pci_dev *pci_quiesced_by(struct pci_dev *dev)
{
	struct pci_dev *pf = pci_physfn(dev);

	return pf != dev ? pf : pci_upstream_bridge(dev);
}

/**
 * pci_register_access_user - Have a user told of events from now on
 * @user: the user, with @dev and @notify set
 *
 * An event that is under way is not told: ask pci_is_quiesced() before an access.
 *
 * Context: Does not sleep.
 */
void pci_register_access_user(struct pci_access_user *user)
{
	spin_lock(&pci_access_lock);
	list_add_tail_rcu(&user->node, &pci_access_users);
	spin_unlock(&pci_access_lock);
}
EXPORT_SYMBOL_GPL(pci_register_access_user);

/**
 * pci_unregister_access_user - Undo pci_register_access_user()
 * @user: the user; its notify() does not run any more on return
 *
 * Context: May sleep.
 */
void pci_unregister_access_user(struct pci_access_user *user)
{
	spin_lock(&pci_access_lock);
	list_del_rcu(&user->node);
	spin_unlock(&pci_access_lock);
	synchronize_srcu(&pci_access_srcu);
}
EXPORT_SYMBOL_GPL(pci_unregister_access_user);

/**
 * pci_announce_access - Tell the users of a device, its VFs and what is behind it
 * @dev: the device
 * @event: what happens to it
 *
 * Context: May sleep. Locks of the PCI core may be held.
 */
void pci_announce_access(struct pci_dev *dev, enum pci_access_event event)
{
	struct pci_access_user *user;
	struct pci_dev *step;
	int index;

	index = srcu_read_lock(&pci_access_srcu);
	list_for_each_entry_srcu(user, &pci_access_users, node,
				 srcu_read_lock_held(&pci_access_srcu)) {
		for (step = user->dev; step && step != dev;)
			step = pci_quiesced_by(step);
		if (step)
			user->notify(user, event);
	}
	srcu_read_unlock(&pci_access_srcu, index);
}

/**
 * pci_quiesce - Keep users off a device that is about to be reset
 * @dev: the device. Its VFs and what is behind it are quiesced as well
 *
 * On return no user accesses them any more, until as many calls of pci_unquiesce().
 *
 * Context: May sleep. Locks of the PCI core may be held.
 */
void pci_quiesce(struct pci_dev *dev)
{
	atomic_inc(&dev->quiesced);
	pci_announce_access(dev, PCI_ACCESS_QUIESCE);
}
EXPORT_SYMBOL_GPL(pci_quiesce);

/**
 * pci_unquiesce - Let users go on after a reset
 * @dev: the device
 *
 * Context: After pci_quiesce(). May sleep. Locks of the PCI core may be held.
 */
void pci_unquiesce(struct pci_dev *dev)
{
	if (atomic_dec_and_test(&dev->quiesced))
		pci_announce_access(dev, PCI_ACCESS_UNQUIESCE);
}
EXPORT_SYMBOL_GPL(pci_unquiesce);

/**
 * pci_is_quiesced - Must a user leave a function alone for now?
 * @dev: the function
 *
 * Context: Any. A user that excludes its own notify(), as by a lock that notify()
 * takes, can rely on no until it lets notify() in.
 * Return: true if @dev, its PF or a bridge above it is being reset.
 */
bool pci_is_quiesced(struct pci_dev *dev)
{
	for (; dev; dev = pci_quiesced_by(dev))
		if (atomic_read(&dev->quiesced))
			return true;
	return false;
}
EXPORT_SYMBOL_GPL(pci_is_quiesced);
