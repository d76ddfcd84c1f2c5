// SPDX-License-Identifier: GPL-2.0-only
/*
 * A KVM guest that reads and writes a BAR
 *
 * The guest has one CPU, in real mode, a page of memory with the few instructions
 * below, and the BAR. What KVM_RUN gives is what a VMM has to live with: an exit, for
 * a signal EINTR, and EFAULT, of which most VMMs end their guest.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/time.h>
#include <unistd.h>

#include "harness.h"

#ifdef __x86_64__
#include <linux/kvm.h>
#include <linux/vfio.h>

#include "access.h"
#include "device.h"
#include "samples.h"
#include "sysfs.h"

enum program { READ, WRITE, POLL, SPIN };

/* What the guest does with a word of the BAR, which is at %ds:0 */
static const uint8_t programs[][32] = {
	[READ] = {
		0x66, 0xa1, 0x00, 0x00,	/* mov 0, %eax */
		0xf4,			/* hlt */
	},
	[WRITE] = {
		0x66, 0xa3, 0x00, 0x00,	/* mov %eax, 0 */
		0xf4,			/* hlt */
	},
	/* Read it %cx times, or until it is neither %ebx nor all ones */
	[POLL] = {
		0x66, 0xa1, 0x00, 0x00,	/* 0: mov 0, %eax */
		0x66, 0x39, 0xd8,	/* cmp %ebx, %eax */
		0x74, 0x06,		/* je 1f */
		0x66, 0x83, 0xf8, 0xff,	/* cmp $-1, %eax */
		0x75, 0x02,		/* jne 2f */
		0xe2, 0xef,		/* 1: loop 0b */
		0xf4,			/* 2: hlt */
	},
	[SPIN] = {
		0x66, 0xa1, 0x00, 0x00,	/* 0: mov 0, %eax */
		0xeb, 0xfa,		/* jmp 0b */
	},
};

/* Where the guest has its code and the BAR; for leaves of 1 GiB, at most one of them */
#define CODE 0x1000
#define BAR GIB_LEAF
#define BAR_MOST GIB_LEAF
/* For Intel's CPUs, which need three pages to emulate real mode */
#define TSS 0xfffbd000UL

#define POLLS 1000
#define TOGGLES 2000
#define SIGNALS 20
/* Between signals, in microseconds */
#define INTERVAL 5000

static const char *bdf;

/**
 * struct vm - The guest
 * @fd: the VM
 * @cpu: its CPU
 * @run: why the CPU has stopped
 */
struct vm {
	int fd;
	int cpu;
	struct kvm_run *run;
};

static int vm_add_slot(struct vm *vm, int slot, uint64_t at, size_t size, void *map)
{
	struct kvm_userspace_memory_region region = {
		.slot = slot,
		.guest_phys_addr = at,
		.memory_size = size,
		.userspace_addr = (uintptr_t)map,
	};

	return ioctl(vm->fd, KVM_SET_USER_MEMORY_REGION, &region) ? -errno : 0;
}

/* A guest whose BAR is @map; 0, or a negative errno: -ENOENT if there is no KVM */
static int vm_create(struct vm *vm, void *map, size_t size)
{
	int ret, kvm = open("/dev/kvm", O_RDWR | O_CLOEXEC);
	void *code;

	if (kvm < 0)
		return -errno;
	code = mmap(NULL, getpagesize(), PROT_READ | PROT_WRITE,
		    MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (code == MAP_FAILED)
		return -errno;
	memcpy(code, programs, sizeof(programs));

	vm->fd = ioctl(kvm, KVM_CREATE_VM, 0);
	if (vm->fd < 0 || ioctl(vm->fd, KVM_SET_TSS_ADDR, TSS))
		return -errno;
	ret = vm_add_slot(vm, 0, CODE, getpagesize(), code) ?:
	      vm_add_slot(vm, 1, BAR, size, map);
	if (ret)
		return ret;
	vm->cpu = ioctl(vm->fd, KVM_CREATE_VCPU, 0);
	if (vm->cpu < 0)
		return -errno;
	vm->run = mmap(NULL, ioctl(kvm, KVM_GET_VCPU_MMAP_SIZE, 0),
		       PROT_READ | PROT_WRITE, MAP_SHARED, vm->cpu, 0);
	return vm->run == MAP_FAILED ? -errno : 0;
}

/* Have it go on where it is: the reason of the exit, or a negative errno */
static int vm_run(struct vm *vm)
{
	return ioctl(vm->cpu, KVM_RUN, 0) ? -errno : (int)vm->run->exit_reason;
}

/* Have it begin with @what, on the word at @offset of the BAR */
static int vm_start(struct vm *vm, enum program what, off_t offset,
		    uint32_t eax)
{
	struct kvm_regs regs = {
		.rip = CODE + what * sizeof(programs[0]),
		.rax = eax,
		.rbx = device_word(offset),
		.rcx = POLLS,
		/* The bit that is always set */
		.rflags = 2,
	};
	struct kvm_sregs sregs;

	if (ioctl(vm->cpu, KVM_GET_SREGS, &sregs))
		return -errno;
	sregs.cs.base = 0;
	sregs.cs.selector = 0;
	sregs.ds.base = BAR + offset;
	if (ioctl(vm->cpu, KVM_SET_SREGS, &sregs) || ioctl(vm->cpu, KVM_SET_REGS, &regs))
		return -errno;
	return vm_run(vm);
}

/* What it has read last */
static uint32_t vm_word(struct vm *vm)
{
	struct kvm_regs regs = {};

	ioctl(vm->cpu, KVM_GET_REGS, &regs);
	return regs.rax;
}

/* What the device has there, whatever is mapped */
static uint32_t device_read(struct device *dev, off_t offset)
{
	uint32_t value = 0;

	pread(dev->fd, &value, sizeof(value), dev->bar_offset + offset);
	return value;
}

static int device_write(struct device *dev, off_t offset, uint32_t value)
{
	return pwrite(dev->fd, &value, sizeof(value), dev->bar_offset + offset) ==
	       sizeof(value) ? 0 : -EIO;
}

static void create_or_skip(struct __test_metadata *_metadata, struct vm *vm, void *map,
			   size_t size)
{
	int ret = vm_create(vm, map, size);

	if (ret == -ENOENT)
		SKIP(return, "no /dev/kvm");
	ASSERT_EQ(0, ret);
}

/* A page of the BAR that the VMM may only read */
FIXTURE(read_only)
{
	struct device dev;
	struct vm vm;
	void *map;
};

FIXTURE_VARIANT(read_only)
{
	bool sysfs;
};

FIXTURE_VARIANT_ADD(read_only, vfio) { .sysfs = false };
FIXTURE_VARIANT_ADD(read_only, sysfs) { .sysfs = true };

FIXTURE_SETUP(read_only)
{
	char path[PATH_MAX];
	off_t offset = 0;
	int fd;

	ASSERT_EQ(0, device_open(&self->dev, bdf, -1, -1));
	fd = self->dev.fd;
	if (variant->sysfs) {
		snprintf(path, sizeof(path), "/sys/bus/pci/devices/%s/resource%u", bdf,
			 self->dev.bar);
		fd = open(path, O_RDWR);
		ASSERT_LE(0, fd);
	} else {
		offset = self->dev.bar_offset;
	}
	self->map = mmap(NULL, getpagesize(), PROT_READ, MAP_SHARED, fd, offset);
	ASSERT_NE(MAP_FAILED, self->map);
	create_or_skip(_metadata, &self->vm, self->map, getpagesize());
}

FIXTURE_TEARDOWN(read_only)
{
	device_close(&self->dev);
}

/* As with a memslot that is read-only: what to make of the write is for the VMM to say */
TEST_F(read_only, write_is_mmio_exit)
{
	struct kvm_run *run = self->vm.run;
	uint32_t before;
	int i;

	/* There must be a leaf: a write is nothing that would bring one about */
	ASSERT_EQ(0, try_read(self->map, &before));
	for (i = 0; i < 2; i++) {
		ASSERT_EQ(KVM_EXIT_MMIO, vm_start(&self->vm, WRITE, 0, ~before));
		EXPECT_EQ(BAR, run->mmio.phys_addr);
		EXPECT_EQ(4, run->mmio.len);
		EXPECT_TRUE(run->mmio.is_write);
		EXPECT_EQ(KVM_EXIT_HLT, vm_run(&self->vm));
		EXPECT_EQ(before, device_read(&self->dev, 0));

		/* Then with a leaf in the tables of the guest, too */
		ASSERT_EQ(KVM_EXIT_HLT, vm_start(&self->vm, READ, 0, 0));
		EXPECT_EQ(before, vm_word(&self->vm));
	}
}

/* The BAR, by leaves of each size; those of the guest's tables may be as large */
FIXTURE(guest)
{
	struct device dev;
	struct samples samples;
	struct vm vm;
	size_t size;
};

FIXTURE_VARIANT(guest)
{
	enum level level;
};

FIXTURE_VARIANT_ADD(guest, leaf_4k) { .level = PTE };
FIXTURE_VARIANT_ADD(guest, leaf_2m) { .level = PMD };
FIXTURE_VARIANT_ADD(guest, leaf_1g) { .level = PUD };

FIXTURE_SETUP(guest)
{
	int ret;

	ASSERT_EQ(0, device_open(&self->dev, bdf, -1, -1));
	ret = samples_create(&self->samples, &self->dev, leaf_size(variant->level));
	if (ret == -EOPNOTSUPP)
		SKIP(return, "%s", self->samples.text);
	ASSERT_EQ(0, ret)
		TH_LOG("%s", self->samples.text);
	self->size = self->samples.size < BAR_MOST ? self->samples.size : BAR_MOST;
	create_or_skip(_metadata, &self->vm, self->samples.map, self->size);
}

FIXTURE_TEARDOWN(guest)
{
	device_close(&self->dev);
}

static int empty(struct device *dev)
{
	return decode_set(dev, false, 2) ?: decode_set(dev, true, 2);
}

/*
 * Soft-dirty bits have leaves inserted read-only, until they are written. A kernel that
 * does not make such a leaf writable may not come back from KVM_RUN, even if killed.
 */
static void write_tracked(struct __test_metadata *_metadata, struct device *dev,
			  struct samples *samples, struct vm *vm, size_t size,
			  bool there)
{
	off_t offsets[] = { 0, LEAF, size - getpagesize() };
	int i;

	if (file_write("/proc/self/clear_refs", "4"))
		SKIP(return, "no soft-dirty bits");
	ASSERT_EQ(0, empty(dev));
	if (there)
		ASSERT_EQ(0, samples_touch(samples));
	for (i = 0; i < ARRAY_SIZE(offsets); i++) {
		off_t offset = offsets[i];
		uint32_t word = device_word(offset);

		EXPECT_EQ(KVM_EXIT_HLT, vm_start(vm, WRITE, offset, ~word));
		EXPECT_EQ(~word, device_read(dev, offset));
		ASSERT_EQ(0, device_write(dev, offset, word));
		EXPECT_EQ(KVM_EXIT_HLT, vm_start(vm, READ, offset, 0));
		EXPECT_EQ(word, vm_word(vm));
	}
}

TEST_F(guest, tracked_write_by_read_only_leaf_reaches_device)
{
	write_tracked(_metadata, &self->dev, &self->samples, &self->vm, self->size,
		      true);
}

TEST_F(guest, tracked_write_without_leaf_reaches_device)
{
	write_tracked(_metadata, &self->dev, &self->samples, &self->vm, self->size,
		      false);
}

TEST_F(guest, fails_while_disabled_and_goes_on_after)
{
	int i;

	ASSERT_EQ(KVM_EXIT_HLT, vm_start(&self->vm, READ, 0, 0));
	for (i = 0; i < 3; i++) {
		ASSERT_EQ(0, decode_set(&self->dev, false, 2));
		EXPECT_EQ(-EFAULT, vm_start(&self->vm, READ, 0, 0));
		EXPECT_EQ(-EFAULT, vm_run(&self->vm));
		/* The instruction that failed can be tried again */
		ASSERT_EQ(0, decode_set(&self->dev, true, 2));
		EXPECT_EQ(KVM_EXIT_HLT, vm_run(&self->vm));
		EXPECT_EQ(device_word(0), vm_word(&self->vm));
	}
}

static void on_alarm(int sig)
{
}

static int signals_begin(void)
{
	/* Often enough for one that comes outside of KVM_RUN not to matter */
	struct itimerval timer = { { 0, INTERVAL }, { 0, INTERVAL } };
	struct sigaction action = { .sa_handler = on_alarm };

	return sigaction(SIGALRM, &action, NULL) ?: setitimer(ITIMER_REAL, &timer, NULL);
}

TEST_F(guest, stops_for_signal)
{
	int i, ret;

	ASSERT_EQ(0, signals_begin());
	for (i = 0; i < SIGNALS; i++) {
		/* From no leaf at all, and from all that there was */
		if (i % 2)
			ASSERT_EQ(0, empty(&self->dev));
		ret = vm_start(&self->vm, SPIN, 0, 0);
		/* It may come before the first read: but not always */
		while (ret == -EINTR && vm_word(&self->vm) != device_word(0))
			ret = vm_run(&self->vm);
		ASSERT_EQ(-EINTR, ret);
	}
}

/**
 * struct toggler - A thread that turns decode off and on
 * @thread: the thread
 * @dev: the device
 * @over: it has come to its end; atomic
 * @error: the first error that it got
 */
struct toggler {
	pthread_t thread;
	struct device *dev;
	bool over;
	int error;
};

static void *toggle_loop(void *arg)
{
	struct toggler *toggler = arg;
	sigset_t all;
	int i;

	/* Signals are for the CPU */
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, NULL);
	for (i = 0; i < 2 * TOGGLES && !toggler->error; i++) {
		toggler->error = decode_set(toggler->dev, i % 2, 2);
		usleep(random() % 100);
	}
	__atomic_store_n(&toggler->over, true, __ATOMIC_RELAXED);
	return NULL;
}

/* Nor does a signal make it fail, wherever it comes */
TEST_F(guest, never_fails_with_ones)
{
	struct toggler toggler = { .dev = &self->dev };
	int ret, n_data = 0, n_ones = 0, n_signals = 0;
	uint32_t word;

	ASSERT_EQ(0, policy_set(&self->dev, VFIO_DEVICE_DISABLED_BAR_ONES));
	ASSERT_EQ(0, signals_begin());
	ASSERT_EQ(0, pthread_create(&toggler.thread, NULL, toggle_loop, &toggler));
	while (!__atomic_load_n(&toggler.over, __ATOMIC_RELAXED)) {
		ret = vm_start(&self->vm, POLL, 0, 0);
		if (ret == -EINTR) {
			n_signals++;
			continue;
		}
		EXPECT_EQ(KVM_EXIT_HLT, ret);
		word = vm_word(&self->vm);
		if (word == ALL_ONES)
			n_ones++;
		else if (word == device_word(0))
			n_data++;
		else
			EXPECT_EQ(device_word(0), word);
		if (_metadata->exit_code)
			break;
	}
	TH_LOG("%d runs ended with data, %d with ones, %d by a signal", n_data, n_ones,
	       n_signals);
	pthread_join(toggler.thread, NULL);
	EXPECT_EQ(0, toggler.error);
	EXPECT_LT(0, n_data);
	EXPECT_LT(0, n_ones);
}

int main(int argc, char **argv)
{
	device_arguments(&argc, argv, &bdf, 1);
	return test_harness_run(argc, argv);
}

#else

int main(void)
{
	ksft_exit_skip("what the guest runs is code for x86\n");
}

#endif
