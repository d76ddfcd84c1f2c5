// SPDX-License-Identifier: GPL-2.0-only
/*
 * Holds a fork() as it is about to copy a huge leaf
 *
 * copy_huge_pmd() and copy_huge_pud() take the locks of both page tables, read the
 * entry of the parent and make that of the child. A zap may come before; one that
 * comes after the read and before the locks is one too many. While 'hold' is the ID of
 * a process, a fork() of it waits where it is about to take the first lock; 'held'
 * counts how often one did. Write 0 to 'hold' to let it go.
 *
 * Each call of _raw_spin_lock() there has a kprobe, which has the CPU call a function
 * of ours instead, in the context of the task, which may sleep. The probes are armed
 * while 'hold' is not 0. Knows x86 only.
 *
 * Stays loaded: nobody can tell when the last task has left.
 */
#include <linux/delay.h>
#include <linux/kallsyms.h>
#include <linux/kprobes.h>
#include <linux/module.h>
#include <linux/preempt.h>
#include <linux/sched.h>
#include <linux/spinlock.h>
#include <linux/string.h>

#define PROBES 16
/* Milliseconds after which the test must have died */
#define PATIENCE 20000

static int hold;
static int held;
module_param(held, int, 0444);
MODULE_PARM_DESC(held, "How many forks have waited");

static struct kprobe probes[PROBES];
static int probed;

/* In place of _raw_spin_lock(); only the first of two locks may wait */
static void lock_later(raw_spinlock_t *lock)
	__acquires(lock)
{
	int i;

	if (preemptible() && READ_ONCE(hold) == current->tgid) {
		WRITE_ONCE(held, held + 1);
		for (i = 0; i < PATIENCE && READ_ONCE(hold) == current->tgid; i++)
			usleep_range(1000, 2000);
	}
	_raw_spin_lock(lock);
}

static int call_lock_later(struct kprobe *probe, struct pt_regs *regs)
{
	int3_emulate_push(regs, regs->ip - INT3_INSN_SIZE + CALL_INSN_SIZE);
	int3_emulate_jmp(regs, (unsigned long)lock_later);
	return 1;
}

/* With one of these, a probe is not made a jump, which could not go elsewhere */
static void no_optimizing(struct kprobe *probe, struct pt_regs *regs,
			  unsigned long flags)
{
}

static int set_hold(const char *val, const struct kernel_param *kp)
{
	int pid, i, ret = kstrtoint(val, 0, &pid);

	for (i = 0; i < probed && !ret && pid; i++)
		ret = enable_kprobe(&probes[i]);
	if (ret)
		return ret;
	WRITE_ONCE(hold, pid);
	for (i = 0; i < probed && !pid; i++)
		disable_kprobe(&probes[i]);
	return 0;
}

static const struct kernel_param_ops hold_ops = {
	.set = set_hold,
	.get = param_get_int,
};
module_param_cb(hold, &hold_ops, &hold, 0644);
MODULE_PARM_DESC(hold, "Process whose forks wait");

static int __init probe_calls_in(const char *function)
{
	struct kprobe find = { .symbol_name = function };
	char symbol[KSYM_SYMBOL_LEN];
	unsigned long size, at;
	int ret = register_kprobe(&find);
	u8 *code;

	if (ret)
		return ret;
	code = (u8 *)find.addr;
	unregister_kprobe(&find);
	sprint_symbol(symbol, (unsigned long)code);
	if (sscanf(strchrnul(symbol, '+'), "+%lx/%lx", &at, &size) != 2)
		return -ENOENT;
	code -= at;

	for (at = 0; at + CALL_INSN_SIZE <= size && probed < PROBES; at++) {
		struct kprobe *probe = &probes[probed];

		if (code[at] != CALL_INSN_OPCODE ||
		    code + at + CALL_INSN_SIZE + *(s32 *)(code + at + 1) !=
		    (u8 *)_raw_spin_lock)
			continue;
		probe->addr = code + at;
		probe->pre_handler = call_lock_later;
		probe->post_handler = no_optimizing;
		probe->flags = KPROBE_FLAG_DISABLED;
		/* Fails if that is no instruction */
		if (!register_kprobe(probe))
			probed++;
	}
	return 0;
}

static int __init fork_delay_init(void)
{
	return probe_calls_in("copy_huge_pmd") ?: probe_calls_in("copy_huge_pud");
}
module_init(fork_delay_init);

MODULE_DESCRIPTION("Holds a fork() as it is about to copy a huge leaf");
MODULE_LICENSE("GPL");
