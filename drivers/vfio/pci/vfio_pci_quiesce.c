// SPDX-License-Identifier: GPL-2.0-only
/*
 * Leaving a device alone that others reset, and answering for one that is lost
 *
 * A device that VFIO turns off is off until user space turns it on again. Three things
 * happen to it without VFIO, and the PCI core announces them, see drivers/pci/quiesce.c:
 *
 *  - It is quiesced while others reset it, its PF or a bridge above it. That ends by
 *    itself and waits for no user space, so accesses wait for it.
 *  - It is lost from an error on, or from its being pulled out. Recovery and removal may
 *    wait until user space lets go of this or another function, so accesses must not
 *    wait: they get ones, as they do from hardware, see vfio_pci_mmap_ones.c. That ends
 *    when the PCI core has recovered the device, or when a reset through VFIO succeeds.
 *  - It is absent if it does not respond after a reset, or has come back without its
 *    configuration. Accesses get ones as well. A work item restores the configuration,
 *    and DisINTx, which no reset keeps from being changed. User space may have written
 *    the part of it that shows meanwhile: where the PCI core has neither kept it from
 *    that nor restored the rest, the work item restores it whatever it looks like.
 *
 * memory_lock is of no use here: its holders may wait for configuration space or for
 * pci_bus_sem, which the PCI core holds, as it may the device lock, when it announces.
 * quiesce.lock nests inside all of them, and inside memory_lock. An access, by a page
 * table or of the kernel's own, holds both for read from the check until it is done. The
 * announcement holds quiesce.lock for write while it zaps. Holders for read therefore
 * never wait for the PCI core nor for user space, and allocate nothing; the exceptions are
 * the mapping of a ROM and, on powerpc, the table that goes with a PMD leaf, which start
 * no I/O to do so.
 *
 * Where the kernel reaches registers for longer, and allocates, it says so by
 * quiesce.busy, and the announcement of a reset waits for that, if not for long: some of
 * what is done then, to free an interrupt, may wait for user space.
 *
 * Peers that have a BAR as a DMA-BUF, where the kernel exports those, lose it and get it
 * back likewise. They may take their time, so the announcement of a reset waits for
 * them no longer than that.
 *
 * quiesce.lock covers @quiesced, @open, @lost, @absent and @unrestored. @quiesced outlasts
 * what pci_is_quiesced() says: the device is asked before anybody gets at it again.
 */

#include <linux/file.h>
#include <linux/iopoll.h>
#include <linux/jiffies.h>
#include <linux/mm.h>
#include <linux/pci.h>
#include <linux/pm_runtime.h>
#include <linux/rwsem.h>
#include <linux/sched/signal.h>
#include <linux/workqueue.h>

#include "vfio_pci_mmap_compat.h"
#include "vfio_pci_mmap_ones.h"
#include "vfio_pci_mmap_zap.h"
#include "vfio_pci_priv.h"
#include "vfio_pci_quiesce.h"

/* A VF on a bus number of its own is not marked when its PF is */
static bool vfio_pci_offline(struct pci_dev *pdev)
{
	return pci_channel_offline(pdev) || pci_channel_offline(pci_physfn(pdev));
}

/* How long a reset waits for who uses registers, in jiffies: as on the base after that */
#define VFIO_PCI_QUIESCE_BUSY	HZ

/* How long an absent device is asked again, in jiffies: as long as a reset may take */
#define VFIO_PCI_QUIESCE_ABSENT	(60 * HZ)

static bool vfio_pci_disconnected(struct pci_dev *pdev)
{
	return pci_dev_is_disconnected(pdev) ||
	       pci_dev_is_disconnected(pci_physfn(pdev));
}

/* The PM core has not restored it yet, and is about to */
static bool vfio_pci_in_resume(struct pci_dev *pdev)
{
#ifdef CONFIG_PM_SLEEP
	return pdev->dev.power.is_noirq_suspended;
#else
	return false;
#endif
}

/*
 * Does nobody restore what a reset takes? Who resets the function itself does, if there is
 * something to save as it begins, and keeps user space out of configuration space until
 * then. A recovery does not, before which the device is lost; that of a host bridge whose
 * link was down shows when the device is asked. Who resets its PF or a bridge need not. The
 * PM core restores what it has put to sleep.
 */
static bool vfio_pci_is_left_unrestored(struct vfio_pci_core_device *vdev,
					enum pci_access_event event)
{
	struct pci_dev *pdev = vdev->pdev;

	if (vfio_pci_in_resume(pdev) || pm_runtime_status_suspended(&pdev->dev))
		return false;
	return !READ_ONCE(pdev->block_cfg_access) ||
	       (event == PCI_ACCESS_QUIESCE && !vfio_config_responds(vdev));
}

/* Ask the device whether it is there; what lost its configuration gets it back */
static void vfio_pci_quiesce_ask(struct vfio_pci_core_device *vdev)
{
	unsigned long flags;

	lockdep_assert_held_write(&vdev->quiesce.lock);

	if (!vdev->quiesce.open || vdev->quiesce.lost || vdev->quiesce.quiesced ||
	    vfio_pci_in_resume(vdev->pdev))
		return;

	/* What masks INTx may be halfway through COMMAND: it began in the reset */
	spin_lock_irqsave(&vdev->irqlock, flags);
	spin_unlock_irqrestore(&vdev->irqlock, flags);

	WRITE_ONCE(vdev->quiesce.absent, !vfio_config_is_intact(vdev));
	vdev->quiesce.until = jiffies + VFIO_PCI_QUIESCE_ABSENT;
	if (vdev->quiesce.absent)
		WRITE_ONCE(vdev->quiesce.unrestored, true);
	if (vdev->quiesce.unrestored)
		mod_delayed_work(system_freezable_wq, &vdev->quiesce.restore, 0);
}

/*
 * Give an active device back what it has lost: its configuration, or, while it was
 * reset, that INTx was masked or unmasked. Ask it again. Who holds igate may wait for user
 * space: only who has asked for a reset through VFIO, or for the ROM, waits for this, and a
 * close.
 */
static void vfio_pci_quiesce_restore_active(struct vfio_pci_core_device *vdev)
{
	struct pci_dev *pdev = vdev->pdev;
	bool there, restore, again;

	mutex_lock(&vdev->igate);
	down_write(&vdev->memory_lock);

	/* What is under way asks again when it ends; what begins later does, too */
	down_write(&vdev->quiesce.lock);
	there = !vdev->quiesce.quiesced && !vdev->quiesce.lost &&
		vfio_config_responds(vdev);
	restore = there && (vdev->quiesce.unrestored || !vfio_config_is_intact(vdev));
	if (restore)
		WRITE_ONCE(vdev->quiesce.unrestored, false);
	/* A PF announces a reset itself when it restores its VFs */
	WRITE_ONCE(vdev->quiesce.busy, there && !(restore && pdev->is_physfn));
	up_write(&vdev->quiesce.lock);

	/* A reset saves to where this restores from, and has it until it is over */
	again = restore && !pci_cfg_access_trylock(pdev);
	if (restore && !again) {
		/* It may have been accessible since this was queued */
		vfio_pci_zap_bars(vdev);
		vfio_config_restore(vdev);
		pci_cfg_access_unlock(pdev);
	} else if (there && !restore) {
		vfio_pci_command_restore(vdev, 0);
	}
	WRITE_ONCE(vdev->quiesce.busy, false);
	wake_up_all(&vdev->quiesce.wait);

	down_write(&vdev->quiesce.lock);
	if (!vdev->quiesce.quiesced && !vdev->quiesce.lost) {
		WRITE_ONCE(vdev->quiesce.absent, !vfio_config_is_intact(vdev));
		if (vdev->quiesce.absent)
			vfio_pci_zap_bars(vdev);
		vfio_pci_ones_drop(vdev);
		/* It may take long to be ready after a reset */
		if (again || (vdev->quiesce.absent &&
			      time_before(jiffies, vdev->quiesce.until)))
			queue_delayed_work(system_freezable_wq, &vdev->quiesce.restore,
					   again ? msecs_to_jiffies(10) : HZ);
	}
	if (again || vdev->quiesce.absent)
		WRITE_ONCE(vdev->quiesce.unrestored, true);
	up_write(&vdev->quiesce.lock);
	vfio_pci_dma_buf_update(vdev);
	up_write(&vdev->memory_lock);
	mutex_unlock(&vdev->igate);
}

static void vfio_pci_quiesce_restore(struct work_struct *work)
{
	struct vfio_pci_core_device *vdev =
		container_of(to_delayed_work(work), struct vfio_pci_core_device,
			     quiesce.restore);
	struct device *dev = &vdev->pdev->dev;

	/* A suspended one is asked again when it is resumed */
	pm_runtime_get_noresume(dev);
	pm_runtime_barrier(dev);
	if (!pm_runtime_status_suspended(dev))
		vfio_pci_quiesce_restore_active(vdev);
	pm_runtime_put(dev);
}

/* What the PCI core announces */
static void vfio_pci_quiesce_notify(struct pci_access_user *user,
				    enum pci_access_event event)
{
	struct vfio_pci_core_device *vdev =
		container_of(user, struct vfio_pci_core_device, quiesce.user);
	/* A PF restores its VFs then */
	bool in_resume = vfio_pci_in_resume(pci_physfn(vdev->pdev)), back;

	down_write(&vdev->quiesce.lock);
	WRITE_ONCE(vdev->quiesce.quiesced, pci_is_quiesced(vdev->pdev));
	if (event == PCI_ACCESS_LOST) {
		WRITE_ONCE(vdev->quiesce.lost, true);
		vdev->quiesce.lost_again = true;
		WRITE_ONCE(vdev->quiesce.unrestored, true);
	} else if (event == PCI_ACCESS_RECOVERED && !vfio_pci_offline(vdev->pdev)) {
		WRITE_ONCE(vdev->quiesce.lost, false);
		vdev->quiesce.lost_again = false;
	}

	if (!vdev->quiesce.quiesced)
		WRITE_ONCE(vdev->quiesce.waited, false);
	/* Whoever begins to reset it amid a reset of its PF saves too late */
	if ((event == PCI_ACCESS_QUIESCE || event == PCI_ACCESS_UNQUIESCE) &&
	    vfio_pci_is_left_unrestored(vdev, event))
		WRITE_ONCE(vdev->quiesce.unrestored, true);

	vfio_pci_zap_bars(vdev);
	vfio_pci_ones_drop(vdev);
	back = event == PCI_ACCESS_UNQUIESCE || event == PCI_ACCESS_RECOVERED;
	if (back)
		vfio_pci_quiesce_ask(vdev);
	/*
	 * For INTx: what masks it is not kept out of a reset. And for DMA-BUFs: while the
	 * system resumes nobody reaches them, but a device may turn out to be lost.
	 */
	if (vdev->quiesce.open && (back || in_resume))
		mod_delayed_work(system_freezable_wq, &vdev->quiesce.restore, 0);
	up_write(&vdev->quiesce.lock);

	wake_up_all(&vdev->quiesce.wait);

	if (!back && !in_resume)
		vfio_pci_dma_buf_block(vdev);
	/* Who reaches the device ends before it stops. An error is no time to wait. */
	if (event == PCI_ACCESS_QUIESCE && !READ_ONCE(vdev->quiesce.waited)) {
		wait_event_timeout(vdev->quiesce.wait,
				   !READ_ONCE(vdev->quiesce.busy) &&
				   vfio_pci_dma_buf_is_settled(vdev),
				   VFIO_PCI_QUIESCE_BUSY);
		WRITE_ONCE(vdev->quiesce.waited, true);
	}
}

/**
 * vfio_pci_quiesce_init - Make what a new device needs to be quiesced
 * @vdev: the device
 *
 * Context: Before the device is registered. Does not sleep.
 */
void vfio_pci_quiesce_init(struct vfio_pci_core_device *vdev)
{
	init_rwsem(&vdev->quiesce.lock);
	init_waitqueue_head(&vdev->quiesce.wait);
	INIT_DELAYED_WORK(&vdev->quiesce.restore, vfio_pci_quiesce_restore);
	vdev->quiesce.user.dev = vdev->pdev;
	vdev->quiesce.user.notify = vfio_pci_quiesce_notify;
}

/**
 * vfio_pci_quiesce_open - Begin to look after the configuration of a device
 * @vdev: the device, being opened, with all of its configuration set up
 *
 * Context: memory_lock not held. May sleep.
 */
void vfio_pci_quiesce_open(struct vfio_pci_core_device *vdev)
{
	down_write(&vdev->memory_lock);
	down_write(&vdev->quiesce.lock);
	/* A reset may have begun before the device was registered */
	WRITE_ONCE(vdev->quiesce.quiesced, pci_is_quiesced(vdev->pdev));
	WRITE_ONCE(vdev->quiesce.open, true);
	WRITE_ONCE(vdev->quiesce.unrestored, vdev->quiesce.lost);
	WRITE_ONCE(vdev->quiesce.absent, true);
	up_write(&vdev->quiesce.lock);
	vfio_pci_ask_and_up_write_memory_lock(vdev);
}

/**
 * vfio_pci_quiesce_close - Leave the configuration of a device alone
 * @vdev: the device, being closed
 *
 * Context: memory_lock not held. May sleep.
 */
void vfio_pci_quiesce_close(struct vfio_pci_core_device *vdev)
{
	/* Who has memory_lock and finds it open counts on vconfig */
	down_write(&vdev->memory_lock);
	down_write(&vdev->quiesce.lock);
	WRITE_ONCE(vdev->quiesce.open, false);
	up_write(&vdev->quiesce.lock);
	up_write(&vdev->memory_lock);
	cancel_delayed_work_sync(&vdev->quiesce.restore);
}

/**
 * vfio_pci_quiesce_begin_reset - Note that a reset through VFIO begins
 * @vdev: the device
 *
 * Context: &vfio_pci_quiesce.lock not held. May sleep.
 */
void vfio_pci_quiesce_begin_reset(struct vfio_pci_core_device *vdev)
{
	down_write(&vdev->quiesce.lock);
	vdev->quiesce.lost_again = false;
	up_write(&vdev->quiesce.lock);
}

/**
 * vfio_pci_quiesce_was_reset - Give a lost device another chance
 * @vdev: a device that VFIO has reset with success since it began to, or that nothing
 *	can reset. An error that came after that counts
 *
 * Context: &vfio_pci_quiesce.lock not held. May sleep.
 */
void vfio_pci_quiesce_was_reset(struct vfio_pci_core_device *vdev)
{
	down_write(&vdev->quiesce.lock);
	WRITE_ONCE(vdev->quiesce.lost, vdev->quiesce.lost_again ||
		   vfio_pci_disconnected(vdev->pdev));
	WRITE_ONCE(vdev->quiesce.absent, true);
	up_write(&vdev->quiesce.lock);
}

/**
 * vfio_pci_quiesce_trylock_memory - Take memory_lock for write if no user keeps it
 * @vdev: the device
 *
 * What restores the device and its DMA-BUFs is no user, and has it for a moment; for
 * longer where it restores the VFs of a PF, which may take longer than this waits.
 *
 * Context: May sleep, for a second at most.
 * Return: true with memory_lock held for write.
 */
bool vfio_pci_quiesce_trylock_memory(struct vfio_pci_core_device *vdev)
{
	bool locked;

	return !read_poll_timeout(down_write_trylock, locked, locked, USEC_PER_MSEC,
				  USEC_PER_SEC, false, &vdev->memory_lock);
}

/**
 * vfio_pci_ask_and_up_write_memory_lock - Let accesses to the device in again
 * @vdev: the device, which the caller may have turned on, or has zapped and left on
 *
 * Takes the pages of ones away that stand in for the device, and asks one that was
 * absent, or that nobody has restored, whether it is there now. DMA of peers is let in
 * as well.
 *
 * Context: memory_lock held for write; not held on return. May sleep.
 */
void vfio_pci_ask_and_up_write_memory_lock(struct vfio_pci_core_device *vdev)
{
	vfio_pci_ones_drop(vdev);
	if (READ_ONCE(vdev->quiesce.absent) || READ_ONCE(vdev->quiesce.unrestored)) {
		down_write(&vdev->quiesce.lock);
		vfio_pci_quiesce_ask(vdev);
		up_write(&vdev->quiesce.lock);
	}
	vfio_pci_dma_buf_update(vdev);
	up_write(&vdev->memory_lock);
}

/* What is lost as well gives ones at once */
static bool vfio_pci_must_wait(struct vfio_pci_core_device *vdev)
{
	return READ_ONCE(vdev->quiesce.quiesced) && !READ_ONCE(vdev->quiesce.lost);
}

/* Wait until accesses need not wait */
static int vfio_pci_quiesce_wait(struct vfio_pci_core_device *vdev,
				 unsigned int state)
{
	return wait_event_state(vdev->quiesce.wait, !vfio_pci_must_wait(vdev), state);
}

/**
 * vfio_pci_quiesce_turn_on - Turn decode on, for the kernel to reach registers
 * @vdev: the device
 *
 * Waits while the device is quiesced. A reset that begins later waits until
 * vfio_pci_quiesce_turn_back(), for up to a second.
 *
 * Context: memory_lock not held; held for write on return. May sleep.
 * Return: COMMAND as it has to be, for vfio_pci_quiesce_turn_back().
 */
u16 vfio_pci_quiesce_turn_on(struct vfio_pci_core_device *vdev)
{
	unsigned long flags;
	u16 cmd;

	for (;;) {
		down_write(&vdev->memory_lock);
		down_read(&vdev->quiesce.lock);
		if (!vfio_pci_must_wait(vdev))
			break;
		up_read(&vdev->quiesce.lock);
		up_write(&vdev->memory_lock);
		vfio_pci_quiesce_wait(vdev, TASK_UNINTERRUPTIBLE);
	}
	WRITE_ONCE(vdev->quiesce.busy, true);

	/* What masks INTx reads, modifies and writes COMMAND as well */
	spin_lock_irqsave(&vdev->irqlock, flags);
	pci_read_config_word(vdev->pdev, PCI_COMMAND, &cmd);
	/* Amid a recovery it says nothing: leave to that what it restores */
	cmd |= vdev->quiesce.quiesced ? PCI_COMMAND_MEMORY : 0;
	if (!(cmd & PCI_COMMAND_MEMORY))
		pci_write_config_word(vdev->pdev, PCI_COMMAND,
				      cmd | PCI_COMMAND_MEMORY);
	spin_unlock_irqrestore(&vdev->irqlock, flags);
	up_read(&vdev->quiesce.lock);
	return cmd;
}

/**
 * vfio_pci_quiesce_turn_back - Turn decode off again if it was
 * @vdev: the device
 * @was: what vfio_pci_quiesce_turn_on() returned
 *
 * Context: memory_lock held for write; not held on return. May sleep.
 */
void vfio_pci_quiesce_turn_back(struct vfio_pci_core_device *vdev, u16 was)
{
	unsigned long flags;
	u16 cmd;

	/* A reset has COMMAND to itself, and what is wrong when it ends is restored */
	down_read(&vdev->quiesce.lock);
	if (!vdev->quiesce.quiesced && !vdev->quiesce.lost &&
	    !(was & PCI_COMMAND_MEMORY)) {
		spin_lock_irqsave(&vdev->irqlock, flags);
		pci_read_config_word(vdev->pdev, PCI_COMMAND, &cmd);
		if (!PCI_POSSIBLE_ERROR(cmd))
			pci_write_config_word(vdev->pdev, PCI_COMMAND,
					      cmd & ~PCI_COMMAND_MEMORY);
		spin_unlock_irqrestore(&vdev->irqlock, flags);
	}
	WRITE_ONCE(vdev->quiesce.busy, false);
	up_read(&vdev->quiesce.lock);
	up_write(&vdev->memory_lock);
	wake_up_all(&vdev->quiesce.wait);
}

/* Both locks held for read: keep them if the device answers */
static int vfio_pci_access_check(struct vfio_pci_core_device *vdev, bool test_mem)
{
	int ret = 0;

	if (vfio_pci_lost(vdev))
		ret = -ENODEV;
	else if (vdev->quiesce.quiesced)
		ret = -EAGAIN;
	else if (test_mem && !__vfio_pci_memory_enabled(vdev))
		ret = -EIO;
	if (ret)
		vfio_pci_access_end(vdev);
	return ret;
}

/**
 * vfio_pci_access_now - Begin an access to a BAR unless the device is quiesced
 * @vdev: the device
 * @test_mem: memory decode has to be on
 *
 * Context: On success memory_lock and &vfio_pci_quiesce.lock are held for read. May
 * sleep.
 * Return: 0; -ENODEV if the device is lost, -EAGAIN if it is quiesced, -EIO if memory
 * decode is off.
 */
int vfio_pci_access_now(struct vfio_pci_core_device *vdev, bool test_mem)
{
	down_read(&vdev->memory_lock);
	down_read(&vdev->quiesce.lock);
	return vfio_pci_access_check(vdev, test_mem);
}
EXPORT_SYMBOL_GPL(vfio_pci_access_now);

/**
 * vfio_pci_access_try - Begin an access to a BAR without a wait for locks
 * @vdev: the device
 * @test_mem: memory decode has to be on
 *
 * Context: As vfio_pci_access_now(), but does not sleep.
 * Return: as vfio_pci_access_now(), and -EBUSY if it would have to sleep.
 */
int vfio_pci_access_try(struct vfio_pci_core_device *vdev, bool test_mem)
{
	if (!down_read_trylock(&vdev->memory_lock))
		return -EBUSY;
	if (!down_read_trylock(&vdev->quiesce.lock)) {
		up_read(&vdev->memory_lock);
		return -EBUSY;
	}
	return vfio_pci_access_check(vdev, test_mem);
}

/**
 * vfio_pci_access_begin - Begin an access to a BAR
 * @vdev: the device
 * @test_mem: memory decode has to be on
 *
 * Context: As vfio_pci_access_now(). Sleeps while the device is quiesced.
 * Return: 0; -ENODEV if the device is lost, -EIO if memory decode is off, -ERESTARTSYS
 * if a signal ended the wait.
 */
int vfio_pci_access_begin(struct vfio_pci_core_device *vdev, bool test_mem)
{
	int ret;

	do {
		ret = vfio_pci_access_now(vdev, test_mem);
		if (ret != -EAGAIN)
			return ret;
		ret = vfio_pci_quiesce_wait(vdev, TASK_INTERRUPTIBLE);
	} while (!ret);
	return ret;
}
EXPORT_SYMBOL_GPL(vfio_pci_access_begin);

/**
 * vfio_pci_access_end - End an access to a BAR
 * @vdev: the device
 *
 * Context: After the beginning of an access that succeeded. Does not sleep.
 */
void vfio_pci_access_end(struct vfio_pci_core_device *vdev)
{
	up_read(&vdev->quiesce.lock);
	up_read(&vdev->memory_lock);
}
EXPORT_SYMBOL_GPL(vfio_pci_access_end);

/*
 * How a fault may wait. One from the kernel is taken again at once, whatever the signal,
 * unless its caller looks, as KVM does: a signal that is still there did not matter.
 */
static unsigned int vfio_pci_fault_state(unsigned int flags)
{
	if (flags & FAULT_FLAG_INTERRUPTIBLE &&
	    (flags & FAULT_FLAG_USER || !(flags & FAULT_FLAG_TRIED) ||
	     !signal_pending(current)))
		return TASK_INTERRUPTIBLE;
	if (flags & (FAULT_FLAG_INTERRUPTIBLE | FAULT_FLAG_KILLABLE))
		return TASK_KILLABLE;
	return TASK_UNINTERRUPTIBLE;
}

/* Wait until memory_lock is free and the device is not quiesced, or for a signal */
static int vfio_pci_fault_wait(struct vfio_pci_core_device *vdev,
			       unsigned int state)
{
	int ret = 0;

	if (state == TASK_INTERRUPTIBLE)
		ret = down_read_interruptible(&vdev->memory_lock);
	else if (state == TASK_KILLABLE)
		ret = down_read_killable(&vdev->memory_lock);
	else
		down_read(&vdev->memory_lock);
	if (ret)
		return ret;
	up_read(&vdev->memory_lock);

	return vfio_pci_quiesce_wait(vdev, state);
}

/**
 * vfio_pci_fault_lock_memory - Take memory_lock for read in a fault
 * @vdev: the device
 * @vmf: the fault
 *
 * If memory_lock is taken, or the device is quiesced, waits, and lets go of the locks
 * of the mm before, where the fault allows that: a reset takes its time, and other
 * threads may want mmap_lock. The device may be quiesced again on return: who inserts
 * has the last look.
 *
 * Context: In a fault, memory_lock not held. May sleep for as long as a reset takes.
 * Return: 0 with memory_lock held for read. Otherwise what the fault must
 * return, with memory_lock not held: VM_FAULT_RETRY; VM_FAULT_SIGBUS if a task was
 * killed that cannot take the fault anew.
 */
vm_fault_t vfio_pci_fault_lock_memory(struct vfio_pci_core_device *vdev,
				      struct vm_fault *vmf)
{
	struct file *file;

	for (;;) {
		if (likely(down_read_trylock(&vdev->memory_lock))) {
			if (likely(!vfio_pci_must_wait(vdev)))
				return 0;
			up_read(&vdev->memory_lock);
		}
		if (vmf->flags & FAULT_FLAG_ALLOW_RETRY)
			break;

		/* Its caller may look but once: have an entry there, if no reset begins */
		if (vfio_pci_fault_wait(vdev, TASK_KILLABLE))
			return VM_FAULT_SIGBUS;
	}

	if (vmf->flags & FAULT_FLAG_RETRY_NOWAIT)
		return VM_FAULT_RETRY;

	/* The VMA, which holds the device, may go as soon as the lock does */
	file = get_file(vmf->vma->vm_file);
	release_fault_lock(vmf);
	vfio_pci_fault_wait(vdev, vfio_pci_fault_state(vmf->flags));
	fput(file);
	return VM_FAULT_RETRY;
}
EXPORT_SYMBOL_GPL(vfio_pci_fault_lock_memory);
