// SPDX-License-Identifier: GPL-2.0-only
/*
 * Mappings across resets and low power, and who waits for a reset meanwhile
 */
#define _GNU_SOURCE
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <linux/pci_regs.h>
#include <linux/userfaultfd.h>
#include <linux/vfio.h>

#include "harness.h"
#include "access.h"
#include "access_stress.h"
#include "device.h"
#include "sysfs.h"

static const char *bdf;

FIXTURE(reset)
{
	struct device dev;
	void *map;
	uint32_t word;	/* the first of the BAR; the device never changes it */
};

FIXTURE_SETUP(reset)
{
	ASSERT_EQ(0, device_open(&self->dev, bdf, -1, -1));
	self->map = device_map(&self->dev, getpagesize(), 0);
	ASSERT_NE(MAP_FAILED, self->map);
	ASSERT_EQ(0, try_read(self->map, &self->word));
	ASSERT_NE(-1U, self->word);
}

FIXTURE_TEARDOWN(reset)
{
	device_close(&self->dev);
}

#define EXPECT_WORD() do {						\
	uint32_t _value = 0;						\
	EXPECT_EQ(0, try_read(self->map, &_value));			\
	EXPECT_EQ(self->word, _value);					\
} while (0)

static bool can_reset(struct device *dev)
{
	struct vfio_device_info info = { .argsz = sizeof(info) };

	return !ioctl(dev->fd, VFIO_DEVICE_GET_INFO, &info) &&
	       info.flags & VFIO_DEVICE_FLAGS_RESET;
}

TEST_F(reset, device_reset)
{
	if (!can_reset(&self->dev))
		SKIP(return, "%s cannot be reset", bdf);
	ASSERT_EQ(0, ioctl(self->dev.fd, VFIO_DEVICE_RESET));
	EXPECT_WORD();
}

/* A reset leaves a BAR that was off as it was: off */
TEST_F(reset, disabled_across_device_reset)
{
	if (!can_reset(&self->dev))
		SKIP(return, "%s cannot be reset", bdf);
	ASSERT_EQ(0, decode_set(&self->dev, false, 2));
	ASSERT_EQ(0, ioctl(self->dev.fd, VFIO_DEVICE_RESET));
	EXPECT_SIGBUS(self->map);
	ASSERT_EQ(0, decode_set(&self->dev, true, 2));
	EXPECT_WORD();
}

TEST_F(reset, flr)
{
	if (!has_function_reset(&self->dev))
		SKIP(return, "%s has no FLR", bdf);
	ASSERT_EQ(0, function_reset(&self->dev));
	EXPECT_WORD();
}

TEST_F(reset, af_flr)
{
	off_t cap = config_capability(&self->dev, PCI_CAP_ID_AF);
	uint32_t value;

	if (!cap)
		SKIP(return, "%s has no advanced features capability", bdf);
	ASSERT_EQ(0, config_read(&self->dev, cap + PCI_AF_CAP, 1, &value));
	if (!(value & PCI_AF_CAP_FLR))
		SKIP(return, "%s has no AF FLR", bdf);
	ASSERT_EQ(0, config_write(&self->dev, cap + PCI_AF_CTRL, 1,
				  PCI_AF_CTRL_FLR));
	EXPECT_WORD();
}

/* What may differ in hardware from what user space has written */
#define COMMAND_MASK (PCI_COMMAND_MEMORY | PCI_COMMAND_MASTER)

static int command_read(uint16_t *value)
{
	return sysfs_config_read(bdf, PCI_COMMAND, value, sizeof(*value));
}

TEST_F(reset, disabled_in_d3hot)
{
	uint32_t value;
	int i;

	if (!config_capability(&self->dev, PCI_CAP_ID_PM))
		SKIP(return, "%s has no power management capability", bdf);
	for (i = 0; i < 5; i++) {
		ASSERT_EQ(0, power_set(&self->dev, 3));
		EXPECT_SIGBUS(self->map);
		EXPECT_EQ(-1, pread(self->dev.fd, &value, 4,
				    self->dev.bar_offset));
		EXPECT_EQ(EIO, errno);
		ASSERT_EQ(0, power_set(&self->dev, 0));
		/* Some devices come back with their registers reset */
		ASSERT_EQ(0, decode_set(&self->dev, true, 2));
		EXPECT_WORD();
	}
}

TEST_F(reset, disabled_in_low_power)
{
	int ret, i;

	for (i = 0; i < 5; i++) {
		ret = low_power_set(&self->dev, true);
		if (ret == -ENOTTY)
			SKIP(return, "the kernel has no low-power feature");
		ASSERT_EQ(0, ret);
		EXPECT_SIGBUS(self->map);
		ASSERT_EQ(0, low_power_set(&self->dev, false));
		EXPECT_WORD();
	}
}

#define SOFT_RESET "/sys/module/pci_gaps/parameters/soft_reset"

/*
 * A device without No_Soft_Reset, which vfio-pci restores on its way from D3hot to D0. It
 * is given what user space has written to it in D3hot.
 */
FIXTURE(soft_reset)
{
	struct device dev;
	int uevents;
};

/* vfio-pci asks when it is bound */
static int rebind(int uevents)
{
	int ret = sysfs_write(bdf, "driver/unbind", bdf);

	return ret ? ret : vfio_bind(bdf, uevents);
}

FIXTURE_SETUP(soft_reset)
{
	self->uevents = uevent_open();
	ASSERT_LE(0, self->uevents);
	if (file_write(SOFT_RESET, "1"))
		SKIP(return, "no pci_gaps: load test_modules/pci_gaps.ko for the device");
	ASSERT_EQ(0, rebind(self->uevents));
	ASSERT_EQ(0, device_open(&self->dev, bdf, -1, -1));
}

FIXTURE_TEARDOWN(soft_reset)
{
	device_close(&self->dev);
	EXPECT_EQ(0, file_write(SOFT_RESET, "0"));
	EXPECT_EQ(0, rebind(self->uevents));
	close(self->uevents);
}

TEST_F(soft_reset, keeps_command_written_in_d3hot)
{
	uint16_t hardware, written[] = { COMMAND_MASK, PCI_COMMAND_MASTER, COMMAND_MASK, 0 };
	size_t i;

	for (i = 0; i < ARRAY_SIZE(written); i++) {
		ASSERT_EQ(0, power_set(&self->dev, 3));
		ASSERT_EQ(0, config_write(&self->dev, PCI_COMMAND, 2, written[i]));
		ASSERT_EQ(0, power_set(&self->dev, 0));
		ASSERT_EQ(0, command_read(&hardware));
		EXPECT_EQ(written[i], hardware & COMMAND_MASK);
	}
}

/* The kernel wakes it to have it sleep deeper */
TEST_F(soft_reset, keeps_command_written_in_d3hot_in_low_power)
{
	uint16_t hardware, written[] = { PCI_COMMAND_MASTER, COMMAND_MASK };
	size_t i;

	for (i = 0; i < ARRAY_SIZE(written); i++) {
		ASSERT_EQ(0, power_set(&self->dev, 3));
		ASSERT_EQ(0, config_write(&self->dev, PCI_COMMAND, 2, written[i]));
		if (low_power_set(&self->dev, true) == -ENOTTY)
			SKIP(return, "the kernel has no low-power feature");
		ASSERT_EQ(0, sysfs_wait_suspended(bdf));
		ASSERT_EQ(0, low_power_set(&self->dev, false));
		ASSERT_EQ(0, power_set(&self->dev, 0));
		ASSERT_EQ(0, command_read(&hardware));
		EXPECT_EQ(written[i], hardware & COMMAND_MASK);
	}
}

#define RESETS 20

/*
 * Processes that access the BAR while the administrator resets the device wait
 * for the reset: none reaches a device that does not answer, none gets a signal
 * or an error.
 */
TEST_F(reset, readers_wait_for_sysfs_reset)
{
	struct access_stress *stress = access_stress_create();
	struct access_stress_count sum;
	int i;

	ASSERT_EQ(0, access_stress_start(stress, &self->dev));
	for (i = 0; i < RESETS; i++) {
		usleep(1000);
		EXPECT_EQ(0, sysfs_write(bdf, "reset", "1"));
	}
	EXPECT_EQ(0, access_stress_stop(stress));

	sum = access_stress_sum(stress);
	EXPECT_EQ(0, sum.stray)
		TH_LOG("%s reached the device during a reset and gave 0x%x",
		       stress->first.how, stress->first.value);
	EXPECT_EQ(0, sum.sigbus);
	EXPECT_EQ(0, sum.errors);
	TH_LOG("%d resets under %lu accesses", RESETS, sum.accesses);
	EXPECT_WORD();
}

/* A write to PCI_COMMAND and a reset from sysfs do not wait for each other */
TEST_F(reset, sysfs_reset_against_decode)
{
	int i, status;
	pid_t pid;

	pid = fork();
	if (!pid) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		for (;;) {
			decode_set(&self->dev, false, 2);
			decode_set(&self->dev, true, 2);
		}
	}
	for (i = 0; i < RESETS; i++)
		EXPECT_EQ(0, sysfs_write(bdf, "reset", "1"));
	kill(pid, SIGKILL);
	ASSERT_EQ(pid, waitpid(pid, &status, 0));
	ASSERT_EQ(0, decode_set(&self->dev, true, 2));
	EXPECT_WORD();
}

/* As many as it takes to see on Linux 6.12 that they do: one in some 20 resets */
#define IRQ_RESETS 200

static int irq_trigger(struct device *dev, int index, int fd)
{
	struct {
		struct vfio_irq_set set;
		int32_t fd;
	} irq = {
		.set.argsz = sizeof(irq),
		.set.index = index,
		.set.count = 1,
		.set.flags = VFIO_IRQ_SET_DATA_EVENTFD | VFIO_IRQ_SET_ACTION_TRIGGER,
		.fd = fd,
	};

	if (fd < 0) {
		irq.set.count = 0;
		irq.set.flags = VFIO_IRQ_SET_DATA_NONE | VFIO_IRQ_SET_ACTION_TRIGGER;
	}
	return ioctl(dev->fd, VFIO_DEVICE_SET_IRQS, &irq) ? -errno : 0;
}

static int irq_mask(struct device *dev, int index, bool mask)
{
	struct vfio_irq_set set = {
		.argsz = sizeof(set),
		.index = index,
		.count = 1,
		.flags = VFIO_IRQ_SET_DATA_NONE |
			 (mask ? VFIO_IRQ_SET_ACTION_MASK : VFIO_IRQ_SET_ACTION_UNMASK),
	};

	return ioctl(dev->fd, VFIO_DEVICE_SET_IRQS, &set) ? -errno : 0;
}

/* It turns decode on for a moment, and off again */
TEST_F(reset, set_irqs_leaves_decode_off)
{
	int fd = eventfd(0, EFD_CLOEXEC);
	uint32_t command;

	ASSERT_LE(0, fd);
	ASSERT_EQ(0, decode_set(&self->dev, false, 2));
	if (irq_trigger(&self->dev, VFIO_PCI_MSIX_IRQ_INDEX, fd))
		SKIP(return, "%s has no MSI-X", bdf);
	ASSERT_EQ(0, config_read(&self->dev, PCI_COMMAND, 2, &command));
	EXPECT_EQ(0, command & PCI_COMMAND_MEMORY);
	EXPECT_SIGBUS(self->map);
	ASSERT_EQ(0, irq_trigger(&self->dev, VFIO_PCI_MSIX_IRQ_INDEX, -1));
	ASSERT_EQ(0, config_read(&self->dev, PCI_COMMAND, 2, &command));
	EXPECT_EQ(0, command & PCI_COMMAND_MEMORY);
	ASSERT_EQ(0, decode_set(&self->dev, true, 2));
	EXPECT_WORD();
	close(fd);
}

/* What turns decode on for a moment keeps out of a reset, which restores it */
TEST_F(reset, sysfs_reset_against_set_irqs)
{
	uint32_t user, *calls;
	uint16_t hardware;
	int i, fd, status, wrong = 0;
	pid_t pid;

	fd = eventfd(0, EFD_CLOEXEC);
	ASSERT_LE(0, fd);
	if (irq_trigger(&self->dev, VFIO_PCI_MSIX_IRQ_INDEX, fd))
		SKIP(return, "%s has no MSI-X", bdf);
	calls = mmap(NULL, getpagesize(), PROT_READ | PROT_WRITE,
		     MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	ASSERT_NE(MAP_FAILED, calls);
	ASSERT_EQ(0, config_write(&self->dev, PCI_COMMAND, 2, COMMAND_MASK));

	pid = fork();
	if (!pid) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		for (;; __atomic_add_fetch(calls, 1, __ATOMIC_RELAXED)) {
			irq_trigger(&self->dev, VFIO_PCI_MSIX_IRQ_INDEX, -1);
			irq_trigger(&self->dev, VFIO_PCI_MSIX_IRQ_INDEX, fd);
		}
	}
	for (i = 0; i < IRQ_RESETS && !wrong; i++) {
		EXPECT_EQ(0, sysfs_write(bdf, "reset", "1"));
		usleep(3000);
		EXPECT_EQ(0, command_read(&hardware));
		EXPECT_EQ(0, config_read(&self->dev, PCI_COMMAND, 2, &user));
		wrong = (hardware ^ user) & COMMAND_MASK;
	}
	kill(pid, SIGKILL);
	ASSERT_EQ(pid, waitpid(pid, &status, 0));
	EXPECT_EQ(0, wrong)
		TH_LOG("reset %d: COMMAND is 0x%x in hardware, 0x%x for user space", i,
		       hardware, user);
	TH_LOG("%d resets under %u calls", i, *calls);
	EXPECT_NE(0, *calls);
	close(fd);
	EXPECT_WORD();
}

/**
 * struct threads - A thread that resets the device, and one that reads its BAR
 * @dev: the device
 * @map: its BAR
 * @resetter: does one reset after another
 * @pause: after each of them, in microseconds; a thousand if it is 0
 * @reset: how: returns 0, or a negative errno
 * @error: the first error that it got
 * @resetting: a reset is under way; atomic
 * @resets: how many are over; atomic
 * @reader: reads all the time
 * @stop: sends it home; atomic
 * @tid: the thread of the reader; atomic
 * @signals: how many signals it has handled; atomic
 */
static struct threads {
	struct device *dev;
	void *map;
	pthread_t resetter;
	unsigned int pause;
	int (*reset)(struct device *dev);
	int error;
	bool resetting;
	int resets;
	pthread_t reader;
	bool stop;
	pid_t tid;
	int signals;
} threads;

#define LOAD(field) __atomic_load_n(&threads.field, __ATOMIC_SEQ_CST)
#define STORE(field, value) \
	__atomic_store_n(&threads.field, value, __ATOMIC_SEQ_CST)

static int reset_by_vfio(struct device *dev)
{
	return ioctl(dev->fd, VFIO_DEVICE_RESET) ? -errno : 0;
}

static int reset_by_sysfs(struct device *dev)
{
	return sysfs_write(dev->bdf, "reset", "1");
}

static void *reset_loop(void *arg)
{
	void *fresh;
	int i, ret;

	for (i = 0; i < RESETS; i++) {
		/* Nobody has touched this one when the reset comes */
		fresh = device_map(threads.dev, getpagesize(), 0);
		STORE(resetting, true);
		ret = threads.reset(threads.dev);
		STORE(resetting, false);
		STORE(resets, i + 1);
		if (ret && !threads.error)
			threads.error = ret;
		/* Let others see that, and the device as it is between resets */
		usleep(threads.pause ?: 1000);
		munmap(fresh, getpagesize());
	}
	return NULL;
}

static void *read_loop(void *arg)
{
	uint32_t value;

	STORE(tid, gettid());
	while (!LOAD(stop))
		try_read(threads.map, &value);
	return NULL;
}

static void count_signal(int sig)
{
	__atomic_add_fetch(&threads.signals, 1, __ATOMIC_SEQ_CST);
}

/* Does this thread sleep? */
static bool task_sleeps(pid_t tid)
{
	char path[64], stat[256], *state;
	ssize_t n;
	int fd;

	snprintf(path, sizeof(path), "/proc/%d/stat", tid);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return false;
	n = read(fd, stat, sizeof(stat) - 1);
	close(fd);
	stat[n < 0 ? 0 : n] = 0;
	state = strrchr(stat, ')');
	return state && (state[2] == 'S' || state[2] == 'D');
}

/* Only a fault can have the reader sleep */
static bool reader_sleeps(void)
{
	return task_sleeps(LOAD(tid));
}

/* Wait for a reset for which the reader waits; false if there are no more resets */
static bool reader_waits(void)
{
	while (LOAD(resets) < RESETS) {
		if (LOAD(resetting) && reader_sleeps() && LOAD(resetting))
			return true;
	}
	return false;
}

/* How often this thread has gone to sleep since @before */
static long sleeps(long before)
{
	struct rusage usage;

	getrusage(RUSAGE_THREAD, &usage);
	return usage.ru_nvcsw - before;
}

/* What takes mmap_lock for write */
static void map_and_unmap(void)
{
	void *map = mmap(NULL, getpagesize(), PROT_NONE,
			 MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	munmap(map, getpagesize());
}

FIXTURE(wait)
{
	struct device dev;
};

FIXTURE_VARIANT(wait)
{
	int (*reset)(struct device *dev);
};

FIXTURE_VARIANT_ADD(wait, device_reset)
{
	.reset = reset_by_vfio,
};

FIXTURE_VARIANT_ADD(wait, sysfs_reset)
{
	.reset = reset_by_sysfs,
};

FIXTURE_SETUP(wait)
{
	struct sigaction action = { .sa_handler = count_signal };
	uint32_t value;

	ASSERT_EQ(0, device_open(&self->dev, bdf, -1, -1));
	if (!can_reset(&self->dev))
		SKIP(return, "%s cannot be reset", bdf);
	threads = (struct threads){
		.dev = &self->dev,
		.reset = variant->reset,
		.map = device_map(&self->dev, getpagesize(), 0),
	};
	ASSERT_NE(MAP_FAILED, threads.map);
	ASSERT_EQ(0, try_read(threads.map, &value));
	ASSERT_EQ(0, sigaction(SIGUSR1, &action, NULL));
}

FIXTURE_TEARDOWN(wait)
{
	device_close(&self->dev);
}

static void threads_start(struct __test_metadata *_metadata, bool read)
{
	if (read) {
		ASSERT_EQ(0, pthread_create(&threads.reader, NULL, read_loop,
					    NULL));
		while (!LOAD(tid))
			sched_yield();
	}
	ASSERT_EQ(0, pthread_create(&threads.resetter, NULL, reset_loop, NULL));
}

static void threads_end(struct __test_metadata *_metadata)
{
	uint32_t value;

	pthread_join(threads.resetter, NULL);
	STORE(stop, true);
	if (LOAD(tid))
		pthread_join(threads.reader, NULL);
	EXPECT_EQ(0, threads.error);
	EXPECT_EQ(0, try_read(threads.map, &value));
	EXPECT_NE(ALL_ONES, value);
}

/*
 * A reset takes no lock of the memory of a process that maps the device. The thread
 * that asks for it may take one, before and after.
 */
TEST_F(wait, reset_lets_others_mmap)
{
	long before, done = 0;
	int slept = 0;

	threads_start(_metadata, false);
	while (LOAD(resets) < RESETS) {
		before = sleeps(0);
		while (LOAD(resetting)) {
			map_and_unmap();
			done++;
		}
		slept += !!sleeps(before);
	}
	threads_end(_metadata);
	TH_LOG("mmap() had to wait in %d resets of %d, and was called %ld times",
	       slept, RESETS, done);
	EXPECT_LT(RESETS, done);
	EXPECT_GE(RESETS / 4, slept);
}

/*
 * Nor does one who waits for the reset. When the reset is over, the reader may be
 * just the one that this thread has to wait for.
 */
TEST_F(wait, reader_lets_others_mmap)
{
	int looks, slept = 0, resets, i;
	long before;

	threads_start(_metadata, true);
	for (looks = 0; reader_waits(); looks++) {
		resets = LOAD(resets);
		before = sleeps(0);
		for (i = 0; i < 10; i++)
			map_and_unmap();
		slept += !!sleeps(before);
		while (LOAD(resets) == resets)
			sched_yield();
	}
	threads_end(_metadata);
	TH_LOG("mmap() had to wait in %d resets of %d", slept, looks);
	EXPECT_LT(RESETS / 2, looks);
	EXPECT_GE(RESETS / 4, slept);
}

/*
 * A signal is handled while the reset goes on that the reader waits for: then it has
 * to wait again
 */
TEST_F(wait, reader_handles_signals)
{
	int looks, resets, signals, in_time = 0;

	threads_start(_metadata, true);
	for (looks = 0; reader_waits(); looks++) {
		resets = LOAD(resets);
		signals = LOAD(signals);
		pthread_kill(threads.reader, SIGUSR1);
		while (LOAD(resets) == resets) {
			if (LOAD(signals) != signals && reader_sleeps()) {
				in_time++;
				break;
			}
		}
		while (LOAD(resets) == resets)
			sched_yield();
	}
	threads_end(_metadata);
	TH_LOG("%d signals of %d were handled during the reset", in_time, looks);
	EXPECT_LT(RESETS / 2, looks);
	EXPECT_LE(looks - RESETS / 4, in_time);
}

/* Populating waits as a reader does, and is not told that there is nothing */
TEST_F(wait, populating_waits)
{
	int populated = 0, failed = 0, error = 0;

	threads_start(_metadata, false);
	while (LOAD(resets) < RESETS) {
		if (!madvise(threads.map, getpagesize(), MADV_POPULATE_READ))
			populated++;
		else if (!failed++)
			error = errno;
	}
	threads_end(_metadata);
	EXPECT_LT(RESETS, populated);
	EXPECT_EQ(0, failed) TH_LOG("populating failed: errno %d", error);
}

/* SET_IRQS waits until a reset by others is over, and leaves COMMAND to the reset */
TEST_F(reset, set_irqs_waits_for_sysfs_reset)
{
	int fd = eventfd(0, EFD_CLOEXEC), waits = 0, resets, status;
	uint16_t hardware;
	pid_t pid;

	ASSERT_LE(0, fd);
	if (irq_trigger(&self->dev, VFIO_PCI_MSIX_IRQ_INDEX, fd))
		SKIP(return, "%s has no MSI-X", bdf);
	ASSERT_EQ(0, config_write(&self->dev, PCI_COMMAND, 2, COMMAND_MASK));
	pid = fork();
	if (!pid) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		for (;;) {
			irq_trigger(&self->dev, VFIO_PCI_MSIX_IRQ_INDEX, -1);
			irq_trigger(&self->dev, VFIO_PCI_MSIX_IRQ_INDEX, fd);
		}
	}

	threads = (struct threads){
		.dev = &self->dev,
		.reset = reset_by_sysfs,
		.map = self->map,
	};
	threads_start(_metadata, false);
	while (LOAD(resets) < RESETS) {
		resets = LOAD(resets);
		if (!LOAD(resetting) || !task_sleeps(pid))
			continue;
		/* Is it still asleep in the same reset, some time later? */
		usleep(10000);
		waits += LOAD(resetting) && task_sleeps(pid) && LOAD(resets) == resets;
		while (LOAD(resets) == resets)
			sched_yield();
	}
	threads_end(_metadata);
	kill(pid, SIGKILL);
	ASSERT_EQ(pid, waitpid(pid, &status, 0));
	TH_LOG("it waited in %d resets of %d", waits, RESETS);
	EXPECT_LT(RESETS / 2, waits);
	EXPECT_EQ(0, command_read(&hardware));
	EXPECT_EQ(COMMAND_MASK, hardware & COMMAND_MASK);
	close(fd);
}

static bool is_masked(void)
{
	uint16_t hardware = 0;

	return !command_read(&hardware) && hardware & PCI_COMMAND_INTX_DISABLE;
}

/* What masks INTx, or unmasks it, waits for no reset. It is masked so afterwards */
TEST_F(reset, intx_masked_amid_sysfs_reset)
{
	int fd = eventfd(0, EFD_CLOEXEC), resets, wrong = 0, i;
	bool mask = false;

	ASSERT_LE(0, fd);
	if (irq_trigger(&self->dev, VFIO_PCI_INTX_IRQ_INDEX, fd))
		SKIP(return, "%s has no INTx", bdf);
	threads = (struct threads){
		.dev = &self->dev,
		.reset = reset_by_sysfs,
		.map = self->map,
		.pause = 100000,
	};
	threads_start(_metadata, false);
	for (resets = 0; resets < RESETS; resets++) {
		while (!LOAD(resetting) && LOAD(resets) == resets)
			sched_yield();
		/* The PCI core has saved what it is going to restore */
		usleep(20000);
		mask = !mask;
		EXPECT_EQ(0, irq_mask(&self->dev, VFIO_PCI_INTX_IRQ_INDEX, mask));
		while (LOAD(resets) == resets)
			sched_yield();
		/* The driver may have to set it right, a moment later */
		for (i = 0; i < 50 && is_masked() != mask; i++)
			usleep(1000);
		wrong += is_masked() != mask;
	}
	threads_end(_metadata);
	EXPECT_EQ(0, wrong) TH_LOG("wrong after %d resets of %d", wrong, RESETS);
	close(fd);
}

/* While nobody handles it */
TEST_F(reset, intx_stays_masked_without_msix)
{
	int fd = eventfd(0, EFD_CLOEXEC);

	ASSERT_LE(0, fd);
	ASSERT_EQ(0, config_write(&self->dev, PCI_COMMAND, 2,
				  COMMAND_MASK | PCI_COMMAND_INTX_DISABLE));
	EXPECT_TRUE(is_masked());
	if (irq_trigger(&self->dev, VFIO_PCI_MSIX_IRQ_INDEX, fd))
		SKIP(return, "%s has no MSI-X", bdf);
	ASSERT_EQ(0, irq_trigger(&self->dev, VFIO_PCI_MSIX_IRQ_INDEX, -1));
	EXPECT_TRUE(is_masked());
	close(fd);
}

/* With vfio_pci.nointxmask=1 as well: masked at the interrupt controller, then */
TEST_F(reset, intx_is_not_masked_after_msix)
{
	int fd = eventfd(0, EFD_CLOEXEC);

	ASSERT_LE(0, fd);
	if (irq_trigger(&self->dev, VFIO_PCI_MSIX_IRQ_INDEX, fd))
		SKIP(return, "%s has no MSI-X", bdf);
	ASSERT_EQ(0, irq_trigger(&self->dev, VFIO_PCI_MSIX_IRQ_INDEX, -1));
	if (irq_trigger(&self->dev, VFIO_PCI_INTX_IRQ_INDEX, fd))
		SKIP(return, "%s has no INTx", bdf);
	EXPECT_FALSE(is_masked());
	close(fd);
}

#define ROUNDS 20000

/**
 * struct masker - A thread that masks or unmasks INTx beside a write to COMMAND
 * @dev: the device
 * @round: masks in odd ones, and unmasks in even ones, each once; atomic
 * @done: the last round that it is through with; atomic
 * @error: the first error that it got
 */
struct masker {
	struct device *dev;
	int round;
	int done;
	int error;
};

/* A QEMU that has all CPUs in one thread goes on to the other */
static void relax(void)
{
#ifdef __x86_64__
	__builtin_ia32_pause();
#elif defined(__aarch64__)
	__asm__ volatile("yield");
#endif
}

static void *mask_intx(void *arg)
{
	struct masker *masker = arg;
	int round, ret, i;

	while (masker->done < ROUNDS) {
		round = __atomic_load_n(&masker->round, __ATOMIC_ACQUIRE);
		if (round == masker->done) {
			relax();
			continue;
		}
		/* At one moment of the write after another */
		for (i = round % 128 * 32; i; i--)
			__asm__ volatile("" ::: "memory");
		ret = irq_mask(masker->dev, VFIO_PCI_INTX_IRQ_INDEX, round & 1);
		if (!masker->error)
			masker->error = ret;
		__atomic_store_n(&masker->done, round, __ATOMIC_RELEASE);
	}
	return NULL;
}

/* Both change COMMAND. Neither undoes what the other has done. */
TEST_F(reset, intx_masked_against_decode)
{
	int fd = eventfd(0, EFD_CLOEXEC), round, lost_decode = 0, lost_mask = 0;
	struct masker masker = { .dev = &self->dev };
	uint16_t hardware, want;
	pthread_t thread;

	ASSERT_LE(0, fd);
	if (irq_trigger(&self->dev, VFIO_PCI_INTX_IRQ_INDEX, fd))
		SKIP(return, "%s has no INTx", bdf);
	ASSERT_EQ(0, pthread_create(&thread, NULL, mask_intx, &masker));
	for (round = 1; round <= ROUNDS; round++) {
		/* Decode changes as INTx is masked, which does not ask what is pending */
		want = PCI_COMMAND_MASTER | ((round + 1) & 2 ? PCI_COMMAND_MEMORY : 0);
		__atomic_store_n(&masker.round, round, __ATOMIC_RELEASE);
		EXPECT_EQ(0, config_write(&self->dev, PCI_COMMAND, 2, want));
		while (__atomic_load_n(&masker.done, __ATOMIC_ACQUIRE) != round)
			relax();
		EXPECT_EQ(0, command_read(&hardware));
		lost_decode += (hardware & COMMAND_MASK) != want;
		lost_mask += !!(hardware & PCI_COMMAND_INTX_DISABLE) != (round & 1);
	}
	pthread_join(thread, NULL);
	EXPECT_EQ(0, masker.error);
	EXPECT_EQ(0, lost_decode)
		TH_LOG("decode is not what was written in %d of %d rounds", lost_decode,
		       ROUNDS);
	EXPECT_EQ(0, lost_mask)
		TH_LOG("INTx is not masked as it has to be in %d of %d rounds", lost_mask,
		       ROUNDS);
	close(fd);
	ASSERT_EQ(0, decode_set(&self->dev, true, 2));
	EXPECT_WORD();
}

/* The number of an interrupt of the device, or -1 */
static int find_irq(void)
{
	char path[128];
	struct dirent *entry;
	int irq = -1;
	DIR *dir;

	snprintf(path, sizeof(path), "/sys/bus/pci/devices/%s/msi_irqs", bdf);
	dir = opendir(path);
	while (dir && irq < 0 && (entry = readdir(dir)))
		sscanf(entry->d_name, "%d", &irq);
	if (dir)
		closedir(dir);
	return irq;
}

static struct stuck {
	int proc;	/* a file of the interrupt */
	void *page;	/* that nobody gives to who touches it */
} stuck;

static void *read_irq(void *arg)
{
	return (void *)read(stuck.proc, stuck.page, 64);
}

static void *free_irq(void *arg)
{
	irq_trigger(arg, VFIO_PCI_MSIX_IRQ_INDEX, -1);
	return NULL;
}

/*
 * Who frees an interrupt waits for readers of its files in /proc, and they for what is
 * behind their buffer. The reset does not, however it waits for who frees the interrupt.
 */
TEST_F(reset, sysfs_reset_ends_while_irq_is_read)
{
	struct uffdio_api api = { .api = UFFD_API };
	struct uffdio_register range = { .mode = UFFDIO_REGISTER_MODE_MISSING };
	struct uffdio_zeropage zero = {};
	int fd = eventfd(0, EFD_CLOEXEC), uffd;
	pthread_t reader, freer;
	char path[64];

	ASSERT_LE(0, fd);
	if (irq_trigger(&self->dev, VFIO_PCI_MSIX_IRQ_INDEX, fd))
		SKIP(return, "%s has no MSI-X", bdf);
	uffd = syscall(__NR_userfaultfd, O_CLOEXEC);
	if (uffd < 0)
		SKIP(return, "the kernel has no userfaultfd(): errno %d", errno);
	snprintf(path, sizeof(path), "/proc/irq/%d/spurious", find_irq());
	stuck.proc = open(path, O_RDONLY | O_CLOEXEC);
	ASSERT_LE(0, stuck.proc);
	stuck.page = mmap(NULL, getpagesize(), PROT_READ | PROT_WRITE,
			  MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	ASSERT_NE(MAP_FAILED, stuck.page);
	ASSERT_EQ(0, ioctl(uffd, UFFDIO_API, &api));
	range.range.start = (uintptr_t)stuck.page;
	range.range.len = getpagesize();
	ASSERT_EQ(0, ioctl(uffd, UFFDIO_REGISTER, &range));

	ASSERT_EQ(0, pthread_create(&reader, NULL, read_irq, NULL));
	usleep(100000);
	ASSERT_EQ(0, pthread_create(&freer, NULL, free_irq, &self->dev));
	usleep(100000);
	EXPECT_EQ(0, sysfs_write(bdf, "reset", "1"));

	zero.range = range.range;
	EXPECT_EQ(0, ioctl(uffd, UFFDIO_ZEROPAGE, &zero));
	pthread_join(reader, NULL);
	pthread_join(freer, NULL);
	close(uffd);
	close(stuck.proc);
	close(fd);
	EXPECT_WORD();
}

int main(int argc, char **argv)
{
	device_arguments(&argc, argv, &bdf, 1);
	return test_harness_run(argc, argv);
}
