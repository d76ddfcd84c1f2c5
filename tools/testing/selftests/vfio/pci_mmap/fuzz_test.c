// SPDX-License-Identifier: GPL-2.0-only
/*
 * Random operations on a BAR by several processes, checked against a model
 *
 * fuzz_test [-s SEED] [-n OPERATIONS] [-v] [-t TEST] [-T TEST] DEVICE
 *
 * Several processes map, cut, move and read the BAR, fork and exit, while its
 * device is turned off and on, reset and put to sleep. They take turns, so the
 * seed alone says what happens. The first outcome that is not the model's fails
 * the test. The operations up to there are then run again and again with some of
 * them left out, and the shortest sequence that still fails is printed. A warning of
 * the kernel fails the test as well, but cannot be had a second time.
 *
 * A kernel that dies of an operation says nothing more: how many have been run is
 * printed from time to time. -v prints each of them before it is run.
 *
 * -t and -T pick tests as in the other programs, of which there is one here.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <semaphore.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/random.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <linux/mempolicy.h>
#include <linux/pci_regs.h>
#include <linux/sched.h>
#include <linux/vfio.h>

#include "../../kselftest.h"
#include "access.h"
#include "device.h"
#include "draw.h"
#include "fuzz_model.h"
#include "sysfs.h"

#define TEST "random_operations"
#define TEST_NAME "fuzz." TEST
#define OPERATIONS 2000
/* What to spend on shrinking */
#define SHRINK_SECONDS 100
/* How many of the last operations to try alone, before all: each time so many more */
#define TAIL_GROWTH 8
/* How many seconds an operation may take, and while shrinking */
#define PATIENCE_RUN 60
#define PATIENCE_SHRINK 20
/* After how many operations to say so */
#define PROGRESS 500
#define IOVA 0x100000000ULL

/* How often each kind comes, in percent */
static const unsigned int weights[KINDS] = {
	[READ] = 26, [WRITE] = 8, [PREAD] = 3, [PWRITE] = 2,
	[MMAP] = 8, [MMAP_ANYWHERE] = 3, [MMAP_REFUSED] = 1, [MUNMAP] = 4,
	[COVER] = 2,
	[SHRINK] = 2, [MOVE] = 4, [MREMAP_REFUSED] = 1, [MPROTECT] = 4,
	[MADVISE] = 5, [MBIND] = 2, [MLOCK] = 1, [CLEAR_REFS] = 1,
	[FORK] = 3, [EXIT] = 2,
	[DECODE] = 6, [POWER] = 2, [RESET] = 1, [LOW_POWER] = 2,
	[POLICY] = 2,
	[DMA_MAP] = 3, [DMA_UNMAP] = 2,
};

/* How much to print of a run: nothing, how far it is, or each operation */
enum loud { QUIET, HOW_FAR, EACH };

/**
 * struct bench - What the processes of a run share
 * @model: what must be
 * @command: what the process whose turn it is has to do
 * @got: what came of it
 * @turn: tells a process that it is its turn
 * @done: tells that it has done it
 * @born: tells a parent that its child is ready
 * @pid: the processes
 * @room: where the arena and the floats of each process are
 * @room_pages: how large they are
 * @key: a protection key that permits all, or -1
 * @taint: of the kernel, when the run began
 * @patience: how many seconds an operation may take
 */
struct bench {
	struct fuzz_model model;
	struct command command;
	struct outcome got[READ_PAGES];
	sem_t turn[PROCESSES];
	sem_t done;
	sem_t born;
	pid_t pid[PROCESSES];
	void *room[PROCESSES][1 + FLOATS];
	size_t room_pages[PROCESSES][1 + FLOATS];
	int key;
	long taint;
	int patience;
};

/**
 * struct verdict - What came of a run
 * @steps: operations that went as they must
 * @failed: the next did not
 * @warned: the kernel warned, which it may do once only
 * @why: in words
 */
struct verdict {
	size_t steps;
	bool failed;
	bool warned;
	char why[384];
};

static struct device dev;
static size_t page_size;

/* Nobody else gets the address, and an access to it raises SIGSEGV */
static void reserve(void *addr, size_t n)
{
	if (mmap(addr, n * page_size, PROT_NONE,
		 MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1,
		 0) != addr)
		abort();
}

static void *address(struct bench *bench, int process, size_t page)
{
	int id = page_float(&bench->model, page);

	page -= float_start(&bench->model, id);
	return bench->room[process][1 + id] + page * page_size;
}

static int do_mmap(struct bench *bench, const struct command *c)
{
	int room = 1 + page_float(&bench->model, c->page);
	int flags = MAP_SHARED | (c->populate ? MAP_POPULATE : 0);
	void **addr = &bench->room[c->process][room];
	size_t *pages = &bench->room_pages[c->process][room];
	off_t offset = dev.bar_offset + c->to * page_size;
	void *map;

	if (c->kind == MMAP) {
		map = mmap(address(bench, c->process, c->page),
			   c->n * page_size, c->choice, flags | MAP_FIXED,
			   dev.fd, offset);
		return map == MAP_FAILED ? -errno : 0;
	}

	if (*pages && munmap(*addr, *pages * page_size))
		return -errno;
	*pages = 0;
	*addr = mmap(NULL, c->n * page_size, c->choice, flags, dev.fd, offset);
	if (*addr == MAP_FAILED)
		return -errno;
	*pages = c->n;
	return 0;
}

static int do_mmap_refused(const struct command *c)
{
	off_t end = dev.bar_offset + dev.bar_size;
	void *map;

	if (c->choice == PRIVATE)
		map = mmap(NULL, page_size, PROT_READ, MAP_PRIVATE, dev.fd,
			   dev.bar_offset);
	else if (c->choice == PAST_THE_END)
		map = mmap(NULL, 2 * page_size, PROT_READ, MAP_SHARED, dev.fd,
			   end - page_size);
	else
		map = mmap(NULL, page_size, PROT_READ, MAP_SHARED, dev.fd,
			   dev.config_offset);
	return map == MAP_FAILED ? -errno : 0;
}

/*
 * These read what goes away before and after: if the CPU still knows the way to it,
 * it is now that it shows.
 */
static int do_munmap(const struct command *c, void *addr, struct outcome *left)
{
	size_t size = c->n * page_size;
	uint32_t value;

	try_read(addr, &value);
	if (c->kind == COVER) {
		if (mmap(addr, size, PROT_NONE,
			 MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1,
			 0) != addr)
			return -errno;
	} else if (munmap(addr, size)) {
		return -errno;
	}
	left->error = try_read(addr, &left->value);
	if (c->kind == MUNMAP)
		reserve(addr, c->n);
	return 0;
}

static int do_mremap(struct bench *bench, const struct command *c,
		     struct outcome *left)
{
	void *from = address(bench, c->process, c->page);
	size_t old_size = c->n * page_size, size = c->new_n * page_size;
	uint32_t value;
	void *to;

	if (c->kind == SHRINK) {
		if (c->new_n < c->n)
			try_read(from + size, &value);
		to = mremap(from, old_size, size, 0);
		if (to != from)
			return to == MAP_FAILED ? -errno : -EFAULT;
		if (c->new_n == c->n)
			return 0;
		left->error = try_read(from + size, &left->value);
		reserve(from + size, c->n - c->new_n);
		return 0;
	}
	if (c->kind == MREMAP_REFUSED) {
		to = mremap(from, old_size, size, MREMAP_MAYMOVE |
			    (c->choice == DONTUNMAP ? MREMAP_DONTUNMAP : 0));
		return to == MAP_FAILED ? -errno : 0;
	}
	try_read(from, &value);
	to = mremap(from, old_size, size, MREMAP_MAYMOVE | MREMAP_FIXED,
		    address(bench, c->process, c->to));
	if (to == MAP_FAILED)
		return -errno;
	left->error = try_read(from, &left->value);
	reserve(from, c->n);
	return 0;
}

static int do_mprotect(struct bench *bench, const struct command *c, void *addr)
{
	size_t size = c->n * page_size;
	int ret;

	if (c->key == SAME_KEY)
		ret = mprotect(addr, size, c->choice);
	else
		ret = pkey_mprotect(addr, size, c->choice,
				    c->key == OTHER_KEY ? bench->key : 0);
	return ret ? -errno : 0;
}

static int do_mbind(const struct command *c, void *addr)
{
	unsigned long node = 1;
	long ret;

	if (c->choice)
		ret = syscall(SYS_mbind, addr, c->n * page_size, MPOL_BIND,
			      &node, 8 * sizeof(node), MPOL_MF_STRICT);
	else
		ret = syscall(SYS_mbind, addr, c->n * page_size, MPOL_DEFAULT,
			      NULL, 0, 0);
	return ret ? -errno : 0;
}

static int do_mlock(const struct command *c, void *addr)
{
	size_t size = c->n * page_size;

	return (c->choice ? mlock(addr, size) : munlock(addr, size)) ? -errno : 0;
}

/* The child of a process is its sibling, so that all are ours to wait for */
static pid_t fork_sibling(void)
{
	struct clone_args args = { .flags = CLONE_PARENT };

	return syscall(SYS_clone3, &args, sizeof(args));
}

/* In the parent, 0 or a negative errno; in the child, 1 */
static int do_fork(struct bench *bench, const struct command *c)
{
	struct space *space = &bench->model.space[c->process];
	struct vma *vma;
	pid_t pid;

	memcpy(bench->room[c->to], bench->room[c->process],
	       sizeof(bench->room[0]));
	memcpy(bench->room_pages[c->to], bench->room_pages[c->process],
	       sizeof(bench->room_pages[0]));
	pid = fork_sibling();
	if (pid < 0)
		return -errno;
	if (pid) {
		bench->pid[c->to] = pid;
		sem_wait(&bench->born);
		return 0;
	}
	for (vma = space->vma; vma < space->vma + space->n; vma++)
		if (vma->attribute[DONTFORK])
			reserve(address(bench, c->to, vma->page), vma->n);
	return 1;
}

static int do_reset(const struct command *c)
{
	if (c->choice == BY_VFIO)
		return ioctl(dev.fd, VFIO_DEVICE_RESET) ? -errno : 0;
	if (c->choice == BY_FLR)
		return function_reset(&dev);
	return sysfs_write(dev.bdf, "reset", "1");
}

/* Each signal takes the permission of the key away */
static void permit_key(const struct bench *bench)
{
	if (bench->key >= 0)
		pkey_set(bench->key, 0);
}

/* 1 in a new process, else 0 */
static int perform(struct bench *bench, const struct command *c,
		   struct outcome *got)
{
	void *addr = address(bench, c->process, c->page);
	uint64_t iova = IOVA + c->to * page_size;
	uint32_t value = c->choice;
	size_t size = c->n * page_size;
	off_t offset = dev.bar_offset + c->to * page_size;
	size_t i;

	permit_key(bench);
	switch (c->kind) {
	case READ:
		for (i = 0; i < c->n; i++) {
			got[i].error = try_read(addr + i * page_size,
						&got[i].value);
			permit_key(bench);
		}
		break;
	case WRITE:
		got->error = try_write(addr, value);
		break;
	case PREAD:
		if (pread(dev.fd, &got->value, 4, offset) != 4)
			got->error = -errno;
		break;
	case PWRITE:
		if (pwrite(dev.fd, &value, 4, offset) != 4)
			got->error = -errno;
		break;
	case MMAP:
	case MMAP_ANYWHERE:
		got->error = do_mmap(bench, c);
		break;
	case MMAP_REFUSED:
		got->error = do_mmap_refused(c);
		break;
	case MUNMAP:
	case COVER:
		got->error = do_munmap(c, addr, &got[1]);
		break;
	case SHRINK:
	case MOVE:
	case MREMAP_REFUSED:
		got->error = do_mremap(bench, c, &got[1]);
		break;
	case MPROTECT:
		got->error = do_mprotect(bench, c, addr);
		break;
	case MADVISE:
		got->error = madvise(addr, size, c->choice) ? -errno : 0;
		break;
	case MBIND:
		got->error = do_mbind(c, addr);
		break;
	case MLOCK:
		got->error = do_mlock(c, addr);
		break;
	case CLEAR_REFS:
		got->error = file_write("/proc/self/clear_refs", "4");
		break;
	case FORK:
		got->error = do_fork(bench, c);
		if (got->error <= 0)
			break;
		got->error = 0;
		return 1;
	case EXIT:
		_exit(0);
	case DECODE:
		got->error = decode_set(&dev, c->choice, c->n);
		break;
	case POWER:
		got->error = power_set(&dev, c->choice ? 0 : 3);
		break;
	case RESET:
		got->error = do_reset(c);
		break;
	case LOW_POWER:
		got->error = low_power_set(&dev, !c->choice);
		break;
	case POLICY:
		got->error = policy_set(&dev, c->choice);
		break;
	case DMA_MAP:
		got->error = dma_map(&dev, addr, size, iova);
		break;
	case DMA_UNMAP:
		got->error = dma_unmap(&dev, size, iova);
		break;
	case KINDS:
		break;
	}
	return 0;
}

static void be_process(struct bench *bench, int id)
{
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	for (;;) {
		sem_wait(&bench->turn[id]);
		if (perform(bench, &bench->command, bench->got)) {
			id = bench->command.to;
			prctl(PR_SET_PDEATHSIG, SIGKILL);
			sem_post(&bench->born);
		} else {
			sem_post(&bench->done);
		}
	}
}

/* Have the process do it. A process that dies of it or never ends is told of. */
static bool command_run(struct bench *bench, char *why, size_t size)
{
	int process = bench->command.process, status, seconds;
	pid_t pid = bench->pid[process];
	struct timespec until;

	memset(bench->got, 0, sizeof(bench->got));
	sem_post(&bench->turn[process]);
	if (bench->command.kind == EXIT) {
		waitpid(pid, &status, 0);
		bench->pid[process] = 0;
		return true;
	}
	for (seconds = 0; seconds < bench->patience; seconds++) {
		clock_gettime(CLOCK_REALTIME, &until);
		until.tv_sec++;
		if (!sem_timedwait(&bench->done, &until))
			return true;
		if (waitpid(pid, &status, WNOHANG) != pid)
			continue;
		bench->pid[process] = 0;
		snprintf(why, size, "the process died with status 0x%x", status);
		return false;
	}
	/* Nor need it go away when it is killed: do not wait for that */
	bench->pid[process] = 0;
	snprintf(why, size, "not over after %d s", seconds);
	return false;
}

static void outcome_print(const struct outcome *outcome, char *text,
			  size_t size)
{
	if (!outcome->error)
		snprintf(text, size, "0x%x", outcome->value);
	else
		snprintf(text, size, "%s", outcome->error > 0 ?
			 strsignal(outcome->error) : strerror(-outcome->error));
}

static bool compare(const struct command *c, const struct outcome *want,
		    const struct outcome *got, int n, char *why, size_t size)
{
	char wanted[48], gotten[48];
	int i;

	for (i = 0; i < n; i++) {
		if (want[i].error == got[i].error &&
		    (want[i].any || want[i].error ||
		     want[i].value == got[i].value ||
		     (want[i].other && want[i].other == got[i].value)))
			continue;
		outcome_print(&want[i], wanted, sizeof(wanted));
		outcome_print(&got[i], gotten, sizeof(gotten));
		if (c->kind == READ)
			snprintf(why, size, "page %zu must give '%s', gave '%s'",
				 c->page + i, wanted, gotten);
		else
			snprintf(why, size, "%s must give '%s', gave '%s'",
				 i ? "a read of what is gone" : "it", wanted,
				 gotten);
		return false;
	}
	return true;
}

/* What the kernel has to say of itself: it changes when it warns */
static long taint(void)
{
	static int fd = -1;
	char text[32] = "";

	if (fd < 0)
		fd = open("/proc/sys/kernel/tainted", O_RDONLY | O_CLOEXEC);
	return pread(fd, text, sizeof(text) - 1, 0) > 0 ? atol(text) : 0;
}

static uint32_t first_word(size_t page)
{
	return 0xba000000 | page;
}

/* Fill the sample, if the BAR keeps it, and read what is there */
static int bench_sample(struct fuzz_model *model)
{
	bool ram = true;
	uint32_t *word;
	size_t i, page;
	void *map;
	int ret;

	for (i = 0; i < model->samples; i++) {
		page = model->sample[i].page;
		word = &model->sample[i].word;
		map = device_map(&dev, page_size, page * page_size);
		if (map == MAP_FAILED)
			return -errno;
		ret = ram ? try_write(map, first_word(page)) : 0;
		if (!ret)
			ret = try_read(map, word);
		if (ram && *word != first_word(page))
			ram = false;
		munmap(map, page_size);
		if (ret)
			return -EIO;
	}
	model->ram = ram;
	return 0;
}

/* What the kernel can do for the process that asks, and its children */
static int bench_probe(struct bench *bench)
{
	struct fuzz_model *model = &bench->model;
	void *map = device_map(&dev, page_size, 0);

	if (map == MAP_FAILED)
		return -errno;
	model->can_populate = !madvise(map, page_size, MADV_POPULATE_READ);
	munmap(map, page_size);

	model->can_policy = policy_get(&dev) >= 0;
	if (model->can_policy)
		policy_set(&dev, VFIO_DEVICE_DISABLED_BAR_SIGBUS);
	model->can_bind = !syscall(SYS_mbind, NULL, 0, MPOL_DEFAULT, NULL, 0, 0);
	model->can_clear = !access("/proc/self/clear_refs", W_OK);
	bench->key = pkey_alloc(0, 0);
	model->can_key = bench->key >= 0;
	return 0;
}

/* The device as the model takes it to be; 0 or a negative errno */
static int bench_device(struct fuzz_model *model, const char *bdf)
{
	struct vfio_device_info info = { .argsz = sizeof(info) };
	char path[128];
	size_t i;
	int ret;

	/* Files of processes that are gone may be closed a moment later */
	for (i = 0; i < 100; i++) {
		ret = device_open(&dev, bdf, -1, -1);
		if (ret != -EBUSY)
			break;
		usleep(10000);
	}
	if (ret)
		return ret;
	if (ioctl(dev.fd, VFIO_DEVICE_GET_INFO, &info))
		return -errno;

	fuzz_model_init(model, dev.bar_size / page_size);
	ret = bench_sample(model);
	if (ret)
		return ret;

	model->can_sleep = config_capability(&dev, PCI_CAP_ID_PM);
	model->can_reset[BY_VFIO] = info.flags & VFIO_DEVICE_FLAGS_RESET;
	model->can_reset[BY_FLR] = has_function_reset(&dev);
	snprintf(path, sizeof(path), "/sys/bus/pci/devices/%s/reset", bdf);
	model->can_reset[BY_SYSFS] = !access(path, W_OK);
	return 0;
}

static struct bench *bench_create(const char *bdf, int patience)
{
	struct bench *bench;
	size_t arena, leaf;
	int i, ret;

	bench = mmap(NULL, sizeof(*bench), PROT_READ | PROT_WRITE,
		     MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (bench == MAP_FAILED)
		abort();
	ret = bench_device(&bench->model, bdf);
	if (!ret)
		ret = bench_probe(bench);
	if (ret) {
		ksft_print_msg("cannot use %s: error %d\n", bdf, ret);
		_exit(KSFT_FAIL);
	}

	/* Aligned like a BAR, for large leaves */
	leaf = bench->model.leaf * page_size;
	arena = (uintptr_t)mmap(NULL, (ARENA_LEAVES + 1) * leaf, PROT_NONE,
				MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE,
				-1, 0);
	if (arena == (uintptr_t)MAP_FAILED)
		abort();
	bench->room[0][0] = (void *)((arena + leaf - 1) & -leaf);

	bench->taint = taint();
	bench->patience = patience;
	for (i = 0; i < PROCESSES; i++)
		sem_init(&bench->turn[i], 1, 0);
	sem_init(&bench->done, 1, 0);
	sem_init(&bench->born, 1, 0);
	bench->pid[0] = fork();
	if (!bench->pid[0])
		be_process(bench, 0);
	return bench;
}

static void bench_destroy(struct bench *bench)
{
	int i;

	for (i = 0; i < PROCESSES; i++) {
		if (bench->pid[i] <= 0)
			continue;
		kill(bench->pid[i], SIGKILL);
		waitpid(bench->pid[i], NULL, 0);
	}
}

static bool taint_changed(const struct bench *bench, char *why, size_t size,
			  struct verdict *verdict)
{
	long now = taint();

	if (now == bench->taint)
		return false;
	snprintf(why, size, "the kernel warned, and is tainted 0x%lx", now);
	verdict->warned = true;
	return true;
}

/* Run @n of @ops, those that @list names */
static void bench_run(struct bench *bench, const struct op *ops,
		      const size_t *list, size_t n, enum loud loud,
		      struct verdict *verdict)
{
	struct outcome want[READ_PAGES];
	char text[128], why[160];
	int outcomes;

	for (; verdict->steps < n; verdict->steps++) {
		size_t id = list[verdict->steps];

		if (loud == HOW_FAR && verdict->steps &&
		    verdict->steps % PROGRESS == 0) {
			ksft_print_msg("%zu operations\n", verdict->steps);
			fflush(stdout);
		}
		outcomes = fuzz_model_step(&bench->model, &ops[id], &bench->command,
					   want);
		if (!outcomes)
			continue;
		if (loud == EACH) {
			command_print(&bench->command, text, sizeof(text));
			ksft_print_msg("%zu: %s\n", id, text);
			fflush(stdout);
		}
		if (command_run(bench, why, sizeof(why)) &&
		    compare(&bench->command, want, bench->got, outcomes, why,
			    sizeof(why)) &&
		    !taint_changed(bench, why, sizeof(why), verdict))
			continue;
		verdict->failed = true;
		command_print(&bench->command, text, sizeof(text));
		snprintf(verdict->why, sizeof(verdict->why),
			 "operation %zu: %s: %s", id, text, why);
		return;
	}
}

/* The same, in a process of its own, on the device as if nothing had happened */
static struct verdict run(const char *bdf, const struct op *ops,
			  const size_t *list, size_t n, enum loud loud)
{
	static struct verdict *verdict;
	struct bench *bench;
	int status;
	pid_t pid;

	if (!verdict)
		verdict = mmap(NULL, sizeof(*verdict), PROT_READ | PROT_WRITE,
			       MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (verdict == MAP_FAILED)
		abort();
	memset(verdict, 0, sizeof(*verdict));

	fflush(NULL);
	pid = fork();
	if (!pid) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		bench = bench_create(bdf, loud == QUIET ? PATIENCE_SHRINK :
							  PATIENCE_RUN);
		bench_run(bench, ops, list, n, loud, verdict);
		bench_destroy(bench);
		fflush(NULL);
		_exit(0);
	}
	if (pid < 0 || waitpid(pid, &status, 0) != pid || status) {
		ksft_test_result_fail(TEST_NAME "\n");
		ksft_finished();
	}
	return *verdict;
}

/*
 * Leave out what a failure does not need; returns how many are left. The last few may
 * fail without the others, which saves a lot of time if there are many.
 */
static size_t shrink(const char *bdf, const struct op *ops, size_t *list,
		     size_t n)
{
	size_t *part = calloc(n, sizeof(*part));
	size_t at, before, tail, chunk;
	time_t until = time(NULL) + SHRINK_SECONDS;
	struct verdict verdict;

	for (tail = 1; tail < n && time(NULL) < until; tail *= TAIL_GROWTH) {
		verdict = run(bdf, ops, list + n - tail, tail, QUIET);
		if (!verdict.failed)
			continue;
		memmove(list, list + n - tail,
			(verdict.steps + 1) * sizeof(*list));
		n = verdict.steps + 1;
		break;
	}

	for (chunk = n / 2; chunk;) {
		before = n;
		for (at = 0; at + chunk <= n && time(NULL) < until;) {
			memcpy(part, list, at * sizeof(*list));
			memcpy(part + at, list + at + chunk,
			       (n - at - chunk) * sizeof(*list));
			verdict = run(bdf, ops, part, n - chunk, QUIET);
			if (!verdict.failed) {
				at += chunk;
				continue;
			}
			n = verdict.steps + 1;
			memcpy(list, part, n * sizeof(*list));
		}
		if (chunk > 1 || n == before)
			chunk /= 2;
	}
	free(part);
	return n;
}

static enum kind draw_kind(uint64_t *state)
{
	unsigned int left = draw(state) % 100;
	int kind;

	for (kind = 0; left >= weights[kind]; kind++)
		left -= weights[kind];
	return kind;
}

static struct op *draw_operations(uint64_t seed, size_t n)
{
	struct op *ops = calloc(n, sizeof(*ops));
	size_t i;

	for (i = 0; i < n; i++)
		ops[i] = (struct op){
			.kind = draw_kind(&seed),
			.who = draw(&seed),
			.where = draw(&seed),
			.length = draw(&seed),
			.to = draw(&seed),
			.choice = draw(&seed),
		};
	return ops;
}

int main(int argc, char **argv)
{
	size_t i, n = OPERATIONS;
	struct verdict verdict, again;
	const char *bdf;
	struct op *ops;
	enum loud loud = HOW_FAR;
	bool left_out = false;
	uint64_t seed;
	size_t *list;
	int c;

	device_arguments(&argc, argv, &bdf, 1);
	if (getrandom(&seed, sizeof(seed), 0) != sizeof(seed))
		ksft_exit_fail_perror("getrandom");
	while ((c = getopt(argc, argv, "s:n:vt:T:")) != -1) {
		if (c == 's')
			seed = strtoull(optarg, NULL, 0);
		else if (c == 'n')
			n = strtoull(optarg, NULL, 0);
		else if (c == 'v')
			loud = EACH;
		else if (c == 't' || c == 'T')
			left_out |= !strcmp(optarg, TEST) == (c == 'T');
		else
			return KSFT_FAIL;
	}
	page_size = getpagesize();

	ksft_print_header();
	ksft_set_plan(!left_out);
	if (left_out)
		ksft_finished();
	ksft_print_msg("seed 0x%llx operations %zu device %s\n",
		       (unsigned long long)seed, n, bdf);

	ops = draw_operations(seed, n);
	list = calloc(n, sizeof(*list));
	for (i = 0; i < n; i++)
		list[i] = i;

	verdict = run(bdf, ops, list, n, loud);
	if (verdict.failed) {
		ksft_print_msg("%s:%d:fuzz:%s\n", __FILE__, __LINE__,
			       verdict.why);
		n = verdict.steps + 1;
		ksft_print_msg("replay: %s -s 0x%llx -n %zu %s\n", argv[0],
			       (unsigned long long)seed, n, bdf);
	}
	if (verdict.failed && !verdict.warned) {
		n = shrink(bdf, ops, list, n);
		ksft_print_msg("%zu of them are enough:\n", n);
		again = run(bdf, ops, list, n, EACH);
		ksft_print_msg("%s\n", again.failed ? again.why :
						      "but not every time");
	}
	ksft_test_result(!verdict.failed, TEST_NAME "\n");
	ksft_finished();
}
