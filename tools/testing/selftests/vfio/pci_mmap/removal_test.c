// SPDX-License-Identifier: GPL-2.0-only
/*
 * Errors, resets and removal against each other come to an end
 *
 * Whatever happens to a device, who has it goes on reading, hears that it is wanted
 * back, and lets go; then what wanted it ends. Two events at a time, a few milliseconds
 * apart, in both orders; on functions that one process holds, which has to run in order
 * to let go, and on functions that two hold.
 *
 *	removal_test [-n ROUNDS] FUNCTION FUNCTION PLUGGED VF
 *
 * The functions are the two behind QEMU's port2, PLUGGED is in the slot of port4. ROUNDS
 * of each pair of events may be in the environment as well.
 */
#define _GNU_SOURCE
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <glob.h>
#include <libgen.h>
#include <limits.h>
#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <net/if.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <linux/ethtool.h>
#include <linux/pci_regs.h>
#include <linux/sockios.h>
#include <linux/vfio.h>

#include "harness.h"
#include "access.h"
#include "device.h"
#include "qemu.h"
#include "sysfs.h"

#define MAX_FUNCTIONS 2
/* One loads from the BAR, one calls read() */
#define READERS 2
/* Reads of each reader between being asked for the device and letting go */
#define READS 20
/* Microseconds between two events, at most */
#define APART 20000
/* After so many seconds it is for good */
#define FOR_GOOD (4 * PATIENCE)

static const char *bdfs[4];
static int rounds = 5;

#define LOAD(lvalue) __atomic_load_n(&(lvalue), __ATOMIC_SEQ_CST)
#define STORE(lvalue, value) __atomic_store_n(&(lvalue), value, __ATOMIC_SEQ_CST)
#define ADD(lvalue, value) __atomic_add_fetch(&(lvalue), value, __ATOMIC_SEQ_CST)

/**
 * struct function - A function, as all processes see it
 * @bdf: its address
 * @reads: what each reader has done; atomic
 * @sigbus: how many reads raised a signal; atomic
 * @asked: whoever holds it has been asked for it; atomic
 * @leaving: reading it ends now; atomic
 */
struct function {
	const char *bdf;
	unsigned long reads[READERS];
	unsigned long sigbus;
	bool asked;
	bool leaving;
};

/**
 * struct scene - What events happen to
 * @n: number of functions
 * @function: the functions
 * @port: address of the port that they are behind
 * @port_name: what QEMU calls it
 * @port_fd: configuration space of the port
 * @pf: address of the physical function, if they are virtual
 * @one: which function an event is for that is for one
 * @ready: how many processes read; atomic
 * @started: how many events have started; atomic
 */
struct scene {
	int n;
	struct function function[MAX_FUNCTIONS];
	char port[16];
	const char *port_name;
	int port_fd;
	char pf[16];
	int one;
	int ready;
	int started;
};

/**
 * struct holder - A process that holds functions
 * @pid: the process, 0 if there is none
 * @first: the first function
 * @n: how many it holds
 * @seen: what each reader had done by @since, or all of them
 * @since: when that was
 * @d_since: since when some thread has been in state D, and nothing has been done
 */
struct holder {
	pid_t pid;
	int first;
	int n;
	unsigned long seen[MAX_FUNCTIONS][READERS];
	time_t since[MAX_FUNCTIONS][READERS];
	unsigned long d_seen;
	time_t d_since;
};

/**
 * struct event - Something that happens to functions
 * @run: have it happen to those of @scene, to @one if it is for one; return 0 or a
 *	negative errno when it is over
 */
struct event {
	int (*run)(struct scene *scene, int one);
};

static time_t now(void)
{
	struct timespec time;

	clock_gettime(CLOCK_MONOTONIC, &time);
	return time.tv_sec;
}

static bool read_line(const char *path, char *line, size_t size)
{
	FILE *file = fopen(path, "r");
	bool ok = file && fgets(line, size, file);

	if (file)
		fclose(file);
	if (ok)
		line[strcspn(line, "\n")] = 0;
	return ok;
}

/* State of a thread as a letter, 0 if there is none */
static char thread_state(pid_t pid, pid_t tid)
{
	char path[64], line[256], state = 0;
	FILE *file;

	snprintf(path, sizeof(path), "/proc/%d/task/%d/status", pid, tid);
	file = fopen(path, "r");
	while (file && !state && fgets(line, sizeof(line), file))
		sscanf(line, "State: %c", &state);
	if (file)
		fclose(file);
	return state;
}

/* Call @each for each thread of a process, until it returns true */
static bool each_thread(pid_t pid, bool (*each)(pid_t pid, pid_t tid))
{
	struct dirent *entry;
	bool found = false;
	char path[64];
	DIR *dir;

	snprintf(path, sizeof(path), "/proc/%d/task", pid);
	dir = opendir(path);
	while (dir && !found && (entry = readdir(dir)))
		found = atoi(entry->d_name) && each(pid, atoi(entry->d_name));
	if (dir)
		closedir(dir);
	return found;
}

static bool in_state_d(pid_t pid, pid_t tid)
{
	return thread_state(pid, tid) == 'D';
}

static bool show_thread(pid_t pid, pid_t tid)
{
	char path[64], line[256];
	FILE *file;

	fprintf(stderr, "# process %d, thread %d, state %c\n", pid, tid,
		thread_state(pid, tid) ?: '-');
	snprintf(path, sizeof(path), "/proc/%d/task/%d/stack", pid, tid);
	file = fopen(path, "r");
	while (file && fgets(line, sizeof(line), file))
		fprintf(stderr, "#   %s", line);
	if (file)
		fclose(file);
	return false;
}

/*
 * The events
 */

/* The file of a device may be gone, or go as it is written, where another removes it */
static int if_there(int ret)
{
	return ret == -ENOENT || ret == -ENODEV ? 0 : ret;
}

/* The thread of the kernel that recovers from errors at a port, or 0 */
static pid_t aer_thread(const char *port)
{
	char path[PATH_MAX], want[32], comm[32];
	struct dirent *entry;
	pid_t pid = 0;
	glob_t irqs;
	DIR *proc;
	size_t i;

	snprintf(path, sizeof(path), "/sys/bus/pci/devices/%s/msi_irqs/*", port);
	if (glob(path, 0, NULL, &irqs))
		return 0;
	proc = opendir("/proc");
	while (proc && !pid && (entry = readdir(proc))) {
		if (!atoi(entry->d_name))
			continue;
		snprintf(path, sizeof(path), "/proc/%s/comm", entry->d_name);
		if (!read_line(path, comm, sizeof(comm)))
			continue;
		for (i = 0; i < irqs.gl_pathc; i++) {
			snprintf(want, sizeof(want), "irq/%s-aerdrv",
				 basename(irqs.gl_pathv[i]));
			if (!strcmp(comm, want))
				pid = atoi(entry->d_name);
		}
	}
	if (proc)
		closedir(proc);
	globfree(&irqs);
	return pid;
}

/*
 * The port counts an error before it recovers, and has its thread sleep when that is
 * over. An error that comes right after another may be taken for the same.
 */
static int error_at_port(struct scene *scene, const char *name, const char *counter)
{
	char path[PATH_MAX], before[32], count[32], command[64];
	pid_t thread = aer_thread(scene->port);
	int idle = 0;

	snprintf(path, sizeof(path), "/sys/bus/pci/devices/%s/%s", scene->port, counter);
	if (!thread || !read_line(path, before, sizeof(before)))
		return -ENODEV;
	snprintf(command, sizeof(command), "pcie_aer_inject_error %s %s",
		 scene->port_name, name);
	tell_qemu(command);
	do {
		usleep(1000);
		if (!read_line(path, count, sizeof(count)))
			return -EIO;
		idle = thread_state(thread, thread) == 'S' ? idle + 1 : 0;
	} while (!idle || (!strcmp(count, before) && idle < 200));
	return 0;
}

static int run_fatal(struct scene *scene, int one)
{
	return error_at_port(scene, "DLP", "aer_rootport_total_err_fatal");
}

static int run_nonfatal(struct scene *scene, int one)
{
	return error_at_port(scene, "COMP_TIME", "aer_rootport_total_err_nonfatal");
}

/* It does not wait for who removes a function behind the port */
static int run_reset_below(struct scene *scene, int one)
{
	int ret;

	while ((ret = sysfs_write(scene->port, "reset_subordinate", "1")) == -EAGAIN)
		usleep(1000);
	return ret;
}

static int run_remove(struct scene *scene, int one)
{
	return if_there(sysfs_write(scene->function[one].bdf, "remove", "1"));
}

/* What pressing the button does after some seconds */
static int run_unplug(struct scene *scene, int one)
{
	char address[32], power[PATH_MAX];
	const char *path;
	int ret = -ENOENT;
	glob_t slots;
	size_t i;

	if (glob("/sys/bus/pci/slots/*/address", 0, NULL, &slots))
		return ret;
	for (i = 0; i < slots.gl_pathc; i++) {
		path = slots.gl_pathv[i];
		if (!read_line(path, address, sizeof(address)) ||
		    strncmp(address, scene->function[0].bdf, strlen(address)))
			continue;
		snprintf(power, sizeof(power), "%.*s/power",
			 (int)(strrchr(path, '/') - path), path);
		/* Pulled out, it has no power left to take away */
		ret = if_there(file_write(power, "0"));
	}
	globfree(&slots);
	return ret;
}

/* Not by port_pull(): the kernel may change Slot Control at the same time */
static int run_pull(struct scene *scene, int one)
{
	return file_write("/sys/module/pci_gaps/parameters/pull", scene->port) ?:
	       port_wait_off(scene->port_fd);
}

static int run_no_vfs(struct scene *scene, int one)
{
	return sysfs_write(scene->pf, "sriov_numvfs", "0");
}

static int run_reset_pf(struct scene *scene, int one)
{
	return sysfs_write(scene->pf, "reset", "1");
}

static int run_reset_vf(struct scene *scene, int one)
{
	return if_there(sysfs_write(scene->function[0].bdf, "reset", "1"));
}

static const struct event fatal = { run_fatal };
static const struct event nonfatal = { run_nonfatal };
static const struct event reset_below = { run_reset_below };
static const struct event remove_one = { run_remove };
static const struct event unplug = { run_unplug };
static const struct event pull = { run_pull };
static const struct event no_vfs = { run_no_vfs };
static const struct event reset_pf = { run_reset_pf };
static const struct event reset_vf = { run_reset_vf };

/*
 * Who holds functions
 */

/**
 * struct held - A function that this process holds
 * @function: what others see of it
 * @dev: the device, and @map its BAR
 * @request: says that somebody wants it back
 * @reader: those who read it, until @stop; atomic
 * @asked_at: what they had done when it was wanted back, and all events had started
 */
static struct held {
	struct function *function;
	struct device dev;
	void *map;
	int request;
	pthread_t reader[READERS];
	bool stop;
	bool lingers;
	unsigned long asked_at[READERS];
} held[MAX_FUNCTIONS];

static bool terminated;

static void terminate(int sig)
{
	STORE(terminated, true);
}

static void *load_loop(void *arg)
{
	struct held *h = arg;
	uint32_t value;

	while (!LOAD(h->stop)) {
		if (try_read(h->map, &value))
			ADD(h->function->sigbus, 1);
		ADD(h->function->reads[0], 1);
	}
	return NULL;
}

/* A signal is for the other thread, so none ends a call early */
static void *call_loop(void *arg)
{
	struct held *h = arg;
	uint32_t value;

	while (!LOAD(h->stop)) {
		if (pread(h->dev.fd, &value, sizeof(value), h->dev.bar_offset) !=
		    sizeof(value))
			ADD(h->function->sigbus, 1);
		ADD(h->function->reads[1], 1);
	}
	return NULL;
}

/* Return 0 once it answers: what it was reset to is restored after it was opened */
static int hold(struct held *h)
{
	uint32_t value = ALL_ONES;
	time_t start = now();

	h->map = device_map(&h->dev, getpagesize(), 0);
	if (h->map == MAP_FAILED)
		return -errno;
	while (try_read(h->map, &value) || value == ALL_ONES) {
		if (now() - start > PATIENCE)
			return -EIO;
		usleep(1000);
	}
	h->request = irq_open(&h->dev, VFIO_PCI_REQ_IRQ_INDEX);
	if (h->request < 0)
		return h->request;
	return -(pthread_create(&h->reader[0], NULL, load_loop, h) ?:
		 pthread_create(&h->reader[1], NULL, call_loop, h));
}

static void let_go(struct held *h)
{
	int i;

	STORE(h->function->leaving, true);
	STORE(h->stop, true);
	for (i = 0; i < READERS; i++)
		pthread_join(h->reader[i], NULL);
	munmap(h->map, getpagesize());
	close(h->request);
	device_close(&h->dev);
	h->request = -1;
}

/*
 * Is it time to let go of @want? All that this process has must have been read since:
 * a process that could not run would not let go either.
 */
static bool may_let_go(struct scene *scene, struct held *want, int n)
{
	struct held *h;
	int i;

	if (LOAD(scene->started) < 2)
		return false;
	for (h = held; h < held + n; h++) {
		for (i = 0; i < READERS && h->request >= 0; i++) {
			if (!want->lingers)
				h->asked_at[i] = LOAD(h->function->reads[i]);
			else if (LOAD(h->function->reads[i]) < h->asked_at[i] + READS)
				return false;
		}
	}
	if (want->lingers)
		return true;
	want->lingers = true;
	return false;
}

static void serve(struct scene *scene, int n)
{
	const struct timespec soon = { .tv_nsec = 1000000 };
	struct pollfd polls[MAX_FUNCTIONS];
	bool asked = false;
	sigset_t none;
	int i;

	sigemptyset(&none);
	while (!LOAD(terminated)) {
		for (i = 0; i < n; i++) {
			/* None is polled that has been heard of */
			polls[i].fd = held[i].request;
			if (held[i].request >= 0 && LOAD(held[i].function->asked))
				polls[i].fd = -1;
			polls[i].events = POLLIN;
			polls[i].revents = 0;
		}
		ppoll(polls, n, asked ? &soon : NULL, &none);
		asked = false;
		for (i = 0; i < n; i++) {
			if (held[i].request < 0)
				continue;
			if (polls[i].revents)
				STORE(held[i].function->asked, true);
			if (!LOAD(held[i].function->asked))
				continue;
			if (may_let_go(scene, &held[i], n))
				let_go(&held[i]);
			else
				asked = true;
		}
	}
}

static void be_holder(struct scene *scene, struct device *dev, struct holder *holder)
{
	struct sigaction action = { .sa_handler = terminate };
	sigset_t term;
	int i;

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	sigemptyset(&term);
	sigaddset(&term, SIGTERM);
	sigprocmask(SIG_BLOCK, &term, NULL);
	sigaction(SIGTERM, &action, NULL);

	for (i = 0; i < scene->n; i++) {
		if (i < holder->first || i >= holder->first + holder->n)
			device_close(&dev[i]);
	}
	for (i = 0; i < holder->n; i++) {
		held[i].function = &scene->function[holder->first + i];
		held[i].dev = dev[holder->first + i];
		if (hold(&held[i]))
			_exit(EXIT_FAILURE);
	}
	ADD(scene->ready, 1);
	serve(scene, holder->n);
	for (i = 0; i < holder->n; i++) {
		if (held[i].request >= 0)
			let_go(&held[i]);
	}
	_exit(EXIT_SUCCESS);
}

/*
 * Who starts them, has the events happen and looks on
 */

/**
 * struct round - What runs
 * @holder: those who hold the functions
 * @event: the processes of the events
 */
struct round {
	struct holder holder[MAX_FUNCTIONS];
	pid_t event[2];
};

/* Nothing of this ends by itself: leave no more of it than can be helped */
static void give_up(struct round *round)
{
	int i;

	for (i = 0; i < MAX_FUNCTIONS; i++) {
		if (round->holder[i].pid > 0)
			each_thread(round->holder[i].pid, show_thread);
	}
	for (i = 0; i < 2; i++) {
		if (round->event[i] > 0)
			each_thread(round->event[i], show_thread);
	}
	file_write("/proc/sysrq-trigger", "w");
	for (i = 0; i < MAX_FUNCTIONS; i++) {
		if (round->holder[i].pid > 0)
			kill(round->holder[i].pid, SIGKILL);
	}
	for (i = 0; i < 2; i++) {
		if (round->event[i] > 0)
			kill(round->event[i], SIGKILL);
	}
}

/* Has a process ended? Then @pid is 0, and @status how. */
static bool ended(pid_t *pid, int *status)
{
	if (*pid <= 0 || waitpid(*pid, status, WNOHANG) != *pid)
		return false;
	*pid = 0;
	return true;
}

/* What is wrong with a holder, or NULL */
static const char *wrong_with(struct scene *scene, struct holder *holder)
{
	unsigned long done = 0, reads;
	struct function *function;
	int i, j;

	for (i = 0; i < holder->n; i++) {
		function = &scene->function[holder->first + i];
		done += LOAD(function->leaving);
		for (j = 0; j < READERS; j++) {
			reads = LOAD(function->reads[j]);
			done += reads;
			if (reads != holder->seen[i][j] || LOAD(function->leaving))
				holder->since[i][j] = now();
			holder->seen[i][j] = reads;
			if (now() - holder->since[i][j] > FOR_GOOD)
				return j ? "a call of read() does not return" :
					   "a load does not end";
		}
	}
	if (done != holder->d_seen || !each_thread(holder->pid, in_state_d))
		holder->d_since = now();
	holder->d_seen = done;
	return now() - holder->d_since > FOR_GOOD ? "a thread stays in state D" : NULL;
}

/* Look at the holders; fail if one is not as it has to be */
static void look(struct __test_metadata *_metadata, struct scene *scene,
		 struct round *round)
{
	struct holder *holder;
	const char *wrong;
	int status;

	for (holder = round->holder; holder < round->holder + MAX_FUNCTIONS; holder++) {
		if (holder->pid <= 0)
			continue;
		if (ended(&holder->pid, &status)) {
			give_up(round);
			ASSERT_EQ(-1, status)
				TH_LOG("who holds %s has ended too early",
				       scene->function[holder->first].bdf);
		}
		wrong = wrong_with(scene, holder);
		if (wrong) {
			give_up(round);
			ASSERT_EQ(NULL, wrong)
				TH_LOG("who holds %s: %s",
				       scene->function[holder->first].bdf, wrong);
		}
	}
}

static void start_holders(struct __test_metadata *_metadata, struct scene *scene,
			  struct round *round, int processes)
{
	struct device dev[MAX_FUNCTIONS];
	time_t start = now();
	int i, j, ret;

	/* A recovery that was late may reset what has come back: VFIO does not wait for it */
	do
		ret = device_open(&dev[0], scene->function[0].bdf, -1, -1);
	while (ret == -EAGAIN && now() - start <= PATIENCE && !usleep(1000));
	ASSERT_EQ(0, ret);
	if (scene->n > 1)
		ASSERT_LT(0, device_open_beside(dev, scene->function[1].bdf));
	for (i = 0; i < processes; i++) {
		struct holder *holder = &round->holder[i];

		holder->first = i;
		holder->n = processes == 1 ? scene->n : 1;
		holder->d_since = start;
		for (j = 0; j < MAX_FUNCTIONS * READERS; j++)
			holder->since[j / READERS][j % READERS] = start;
		fflush(NULL);
		holder->pid = fork();
		if (!holder->pid)
			be_holder(scene, dev, holder);
		ASSERT_LT(0, holder->pid);
	}
	for (i = 0; i < scene->n; i++)
		device_close(&dev[i]);
	while (LOAD(scene->ready) < processes) {
		look(_metadata, scene, round);
		usleep(1000);
	}
}

static void start_event(struct __test_metadata *_metadata, struct scene *scene,
			struct round *round, int i, const struct event *event, int one)
{
	fflush(NULL);
	round->event[i] = fork();
	if (!round->event[i]) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		ADD(scene->started, 1);
		_exit(-event->run(scene, one));
	}
	ASSERT_LT(0, round->event[i]);
	while (LOAD(scene->started) <= i)
		sched_yield();
}

static void end_holders(struct __test_metadata *_metadata, struct scene *scene,
			struct round *round)
{
	struct holder *holder;
	time_t start = now();
	int status;

	for (holder = round->holder; holder < round->holder + MAX_FUNCTIONS; holder++) {
		if (holder->pid > 0)
			kill(holder->pid, SIGTERM);
	}
	for (holder = round->holder; holder < round->holder + MAX_FUNCTIONS; holder++) {
		while (holder->pid > 0) {
			if (ended(&holder->pid, &status)) {
				EXPECT_EQ(0, status);
				break;
			}
			if (now() - start > FOR_GOOD) {
				give_up(round);
				ASSERT_EQ(0, holder->pid)
					TH_LOG("a process does not end on SIGTERM");
			}
			usleep(1000);
		}
	}
}

/* One round: @event[0] and then @event[1], while @processes hold the functions */
static void play(struct __test_metadata *_metadata, struct scene *scene,
		 const struct event *const event[2], int processes)
{
	bool ends_amid = !(rand() % 4);
	struct round round = {};
	time_t start;
	int i, status;

	STORE(scene->ready, 0);
	STORE(scene->started, 0);
	for (i = 0; i < scene->n; i++) {
		const char *bdf = scene->function[i].bdf;

		scene->function[i] = (struct function){ .bdf = bdf };
	}

	start_holders(_metadata, scene, &round, processes);
	start_event(_metadata, scene, &round, 0, event[0], scene->one);
	usleep(rand() % APART);
	start_event(_metadata, scene, &round, 1, event[1], scene->n - 1 - scene->one);

	/* Who holds a device may let go of it without being asked */
	if (ends_amid) {
		usleep(rand() % APART);
		end_holders(_metadata, scene, &round);
	}

	start = now();
	while (round.event[0] || round.event[1]) {
		for (i = 0; i < 2; i++) {
			if (!ended(&round.event[i], &status))
				continue;
			EXPECT_TRUE(WIFEXITED(status));
			EXPECT_EQ(0, WEXITSTATUS(status))
				TH_LOG("event %d of 2: %s", i + 1,
				       strerror(WEXITSTATUS(status)));
		}
		look(_metadata, scene, &round);
		if (now() - start > FOR_GOOD) {
			give_up(&round);
			ASSERT_EQ(0, round.event[0] ?: round.event[1])
				TH_LOG("event %d of 2 does not end",
				       round.event[0] ? 1 : 2);
		}
		usleep(1000);
	}
	end_holders(_metadata, scene, &round);
	for (i = 0; i < scene->n; i++)
		EXPECT_EQ(0, scene->function[i].sigbus);
}

static bool is_there(const char *bdf)
{
	char path[PATH_MAX];

	snprintf(path, sizeof(path), "/sys/bus/pci/devices/%s", bdf);
	return !access(path, F_OK);
}

/* The name of what a link of a device points to, or of the folder that it is in */
static bool find_name(const char *bdf, const char *link, char *name, size_t size)
{
	char path[PATH_MAX], target[PATH_MAX];

	snprintf(path, sizeof(path), "/sys/bus/pci/devices/%s/%s", bdf, link);
	if (!realpath(path, target))
		return false;
	return snprintf(name, size, "%s", basename(target)) < (int)size;
}

static struct scene *create(void)
{
	struct scene *scene = mmap(NULL, sizeof(*scene), PROT_READ | PROT_WRITE,
				   MAP_SHARED | MAP_ANONYMOUS, -1, 0);

	if (scene == MAP_FAILED)
		abort();
	srand(1);
	return scene;
}

static void play_both_orders(struct __test_metadata *_metadata, struct scene *scene,
			     const struct event *const event[2], int processes,
			     int (*restore)(struct scene *scene), int times)
{
	const struct event *const swapped[2] = { event[1], event[0] };
	int i;

	for (i = 0; i < times; i++) {
		scene->one = i / 2 % 2 && scene->n > 1;
		play(_metadata, scene, i % 2 ? swapped : event, processes);
		ASSERT_EQ(0, restore(scene));
	}
}

/*
 * Two functions behind one port
 */

FIXTURE(twins)
{
	struct scene *scene;
};

FIXTURE_VARIANT(twins)
{
	const struct event *event[2];
};

FIXTURE_VARIANT_ADD(twins, fatal_and_fatal)
{
	.event = { &fatal, &fatal },
};

FIXTURE_VARIANT_ADD(twins, fatal_and_nonfatal)
{
	.event = { &fatal, &nonfatal },
};

FIXTURE_VARIANT_ADD(twins, fatal_and_reset_below)
{
	.event = { &fatal, &reset_below },
};

FIXTURE_VARIANT_ADD(twins, fatal_and_remove_one)
{
	.event = { &fatal, &remove_one },
};

FIXTURE_VARIANT_ADD(twins, nonfatal_and_nonfatal)
{
	.event = { &nonfatal, &nonfatal },
};

FIXTURE_VARIANT_ADD(twins, nonfatal_and_reset_below)
{
	.event = { &nonfatal, &reset_below },
};

FIXTURE_VARIANT_ADD(twins, nonfatal_and_remove_one)
{
	.event = { &nonfatal, &remove_one },
};

FIXTURE_VARIANT_ADD(twins, reset_below_and_reset_below)
{
	.event = { &reset_below, &reset_below },
};

FIXTURE_VARIANT_ADD(twins, reset_below_and_remove_one)
{
	.event = { &reset_below, &remove_one },
};

FIXTURE_VARIANT_ADD(twins, remove_one_and_remove_one)
{
	.event = { &remove_one, &remove_one },
};

/* A BAR of registers that goes on and off is more than QEMU 7.2 can take */
static int leave_out_registers(const char *bdf)
{
	char path[PATH_MAX];
	uint32_t none = 0;
	ssize_t n;
	int fd;

	snprintf(path, sizeof(path), "/sys/bus/pci/devices/%s/config", bdf);
	fd = open(path, O_WRONLY | O_CLOEXEC);
	n = pwrite(fd, &none, sizeof(none), PCI_BASE_ADDRESS_0);
	close(fd);
	return n == sizeof(none) ? 0 : -EIO;
}

static int bring_back(struct scene *scene)
{
	int ret = 0, uevents = uevent_open(), i;
	char driver[32];
	const char *bdf;

	if (uevents < 0)
		return uevents;
	for (i = 0; !ret && i < scene->n; i++) {
		bdf = scene->function[i].bdf;
		if (!is_there(bdf))
			ret = file_write("/sys/bus/pci/rescan", "1");
		if (ret || find_name(bdf, "driver", driver, sizeof(driver)))
			continue;
		ret = leave_out_registers(bdf);
		if (!ret)
			ret = vfio_bind(bdf, uevents);
	}
	close(uevents);
	return ret;
}

static struct scene *create_twins(void)
{
	struct scene *scene = create();

	scene->n = 2;
	scene->function[0].bdf = bdfs[0];
	scene->function[1].bdf = bdfs[1];
	scene->port_name = "port2";
	return find_name(bdfs[0], "..", scene->port, sizeof(scene->port)) ? scene : NULL;
}

FIXTURE_SETUP(twins)
{
	self->scene = create_twins();
	ASSERT_NE(NULL, self->scene);
}

FIXTURE_TEARDOWN(twins)
{
	bring_back(self->scene);
}

TEST_F(twins, held_by_one)
{
	play_both_orders(_metadata, self->scene, variant->event, 1, bring_back, rounds);
}

TEST_F(twins, held_by_two)
{
	play_both_orders(_metadata, self->scene, variant->event, 2, bring_back, rounds);
}

/*
 * A device in a slot. What takes the power off it takes seconds.
 */

FIXTURE(plugged)
{
	struct scene *scene;
};

FIXTURE_VARIANT(plugged)
{
	const struct event *event[2];
};

FIXTURE_VARIANT_ADD(plugged, unplug_and_reset_below)
{
	.event = { &unplug, &reset_below },
};

FIXTURE_VARIANT_ADD(plugged, unplug_and_fatal)
{
	.event = { &unplug, &fatal },
};

FIXTURE_VARIANT_ADD(plugged, pull_and_reset_below)
{
	.event = { &pull, &reset_below },
};

FIXTURE_VARIANT_ADD(plugged, pull_and_fatal)
{
	.event = { &pull, &fatal },
};

FIXTURE_VARIANT_ADD(plugged, unplug_and_nonfatal)
{
	.event = { &unplug, &nonfatal },
};

FIXTURE_VARIANT_ADD(plugged, unplug_and_remove)
{
	.event = { &unplug, &remove_one },
};

FIXTURE_VARIANT_ADD(plugged, unplug_and_pull)
{
	.event = { &unplug, &pull },
};

FIXTURE_VARIANT_ADD(plugged, pull_and_nonfatal)
{
	.event = { &pull, &nonfatal },
};

FIXTURE_VARIANT_ADD(plugged, pull_and_remove)
{
	.event = { &pull, &remove_one },
};

static int plug(struct scene *scene)
{
	const char *bdf = scene->function[0].bdf;
	int uevents, ret;

	if (is_there(bdf))
		return 0;
	uevents = uevent_open();
	if (uevents < 0)
		return uevents;
	ret = port_wait_off(scene->port_fd);
	if (!ret) {
		tell_qemu("device_add edu,id=plugged,bus=port4");
		ret = uevent_wait(uevents, bdf, "ACTION=add");
	}
	if (!ret)
		ret = vfio_bind(bdf, uevents);
	close(uevents);
	return ret;
}

FIXTURE_SETUP(plugged)
{
	struct scene *scene = create();

	self->scene = scene;
	scene->n = 1;
	scene->function[0].bdf = bdfs[2];
	scene->port_name = "port4";
	scene->port_fd = port_open(bdfs[2]);
	ASSERT_LE(0, scene->port_fd);
	ASSERT_TRUE(find_name(bdfs[2], "..", scene->port, sizeof(scene->port)));
}

FIXTURE_TEARDOWN(plugged)
{
	plug(self->scene);
}

TEST_F(plugged, held_by_one)
{
	play_both_orders(_metadata, self->scene, variant->event, 1, plug,
			 (rounds + 4) / 5 * 2);
}

/*
 * A virtual function
 */

FIXTURE(vf)
{
	struct scene *scene;
};

FIXTURE_VARIANT(vf)
{
	const struct event *event[2];
};

FIXTURE_VARIANT_ADD(vf, no_vfs_and_reset_pf)
{
	.event = { &no_vfs, &reset_pf },
};

FIXTURE_VARIANT_ADD(vf, no_vfs_and_reset_vf)
{
	.event = { &no_vfs, &reset_vf },
};

FIXTURE_VARIANT_ADD(vf, no_vfs_and_fatal)
{
	.event = { &no_vfs, &fatal },
};

FIXTURE_VARIANT_ADD(vf, no_vfs_and_nonfatal)
{
	.event = { &no_vfs, &nonfatal },
};

FIXTURE_VARIANT_ADD(vf, no_vfs_and_remove)
{
	.event = { &no_vfs, &remove_one },
};

FIXTURE_VARIANT_ADD(vf, reset_pf_and_reset_vf)
{
	.event = { &reset_pf, &reset_vf },
};

FIXTURE_VARIANT_ADD(vf, fatal_and_remove)
{
	.event = { &fatal, &remove_one },
};

static int enable_vfs(struct scene *scene)
{
	const char *bdf = scene->function[0].bdf;
	int uevents, ret;

	if (is_there(bdf))
		return 0;
	uevents = uevent_open();
	if (uevents < 0)
		return uevents;
	/* It may have been removed alone */
	ret = sysfs_write(scene->pf, "sriov_numvfs", "0");
	if (!ret)
		ret = sysfs_write(scene->pf, "sriov_numvfs", "1");
	if (!ret)
		ret = vfio_bind(bdf, uevents);
	close(uevents);
	return ret;
}

static struct scene *create_vf(void)
{
	struct scene *scene = create();

	scene->n = 1;
	scene->function[0].bdf = bdfs[3];
	scene->port_name = "port3";
	if (!find_name(bdfs[3], "physfn", scene->pf, sizeof(scene->pf)) ||
	    !find_name(bdfs[3], "physfn/..", scene->port, sizeof(scene->port)))
		return NULL;
	return scene;
}

FIXTURE_SETUP(vf)
{
	self->scene = create_vf();
	ASSERT_NE(NULL, self->scene);
}

FIXTURE_TEARDOWN(vf)
{
	enable_vfs(self->scene);
}

TEST_F(vf, held_by_one)
{
	play_both_orders(_metadata, self->scene, variant->event, 1, enable_vfs, rounds);
}

/*
 * A physical function that goes while somebody wants virtual ones of it
 */

#define ENABLE_SRIOV "/sys/module/vfio_pci/parameters/enable_sriov"

FIXTURE(pf)
{
	struct scene *twins;
	struct scene *scene;
	struct device dev;
};

FIXTURE_SETUP(pf)
{
	self->twins = create_twins();
	ASSERT_NE(NULL, self->twins);
	self->scene = create_vf();
	ASSERT_NE(NULL, self->scene);
	ASSERT_EQ(0, sysfs_write(self->scene->pf, "sriov_numvfs", "0"));
	/* Should it have virtual functions when it goes, not every driver disables them */
	ASSERT_EQ(0, file_write(ENABLE_SRIOV, "1"));
	ASSERT_EQ(0, if_there(sysfs_write(self->scene->pf, "driver/unbind",
					  self->scene->pf)));
	ASSERT_EQ(0, driver_bind(self->scene->pf, "vfio-pci"));
}

FIXTURE_TEARDOWN(pf)
{
	file_write(ENABLE_SRIOV, "0");
	bring_back(self->twins);
	sysfs_write(self->scene->pf, "sriov_drivers_autoprobe", "0");
	enable_vfs(self->scene);
}

/* In a process that does not hold @dev */
static pid_t start_write(const char *bdf, const char *file, struct device *dev)
{
	pid_t pid;

	fflush(NULL);
	pid = fork();
	if (!pid) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		device_close(dev);
		_exit(-sysfs_write(bdf, file, "1"));
	}
	/* Until it is as far as it gets */
	usleep(200000);
	return pid;
}

/* One removal waits for a user, and the others for each other */
TEST_F(pf, removed_while_vfs_are_enabled)
{
	pid_t pids[3];
	time_t start;
	int i, status;

	ASSERT_EQ(0, device_open(&self->dev, bdfs[0], -1, -1));
	pids[0] = start_write(bdfs[0], "remove", &self->dev);
	pids[1] = start_write(self->scene->pf, "remove", &self->dev);
	pids[2] = start_write(self->scene->pf, "sriov_numvfs", &self->dev);
	for (i = 0; i < 3; i++)
		ASSERT_EQ(0, waitpid(pids[i], &status, WNOHANG));
	device_close(&self->dev);

	start = now();
	for (i = 0; i < 3; i++) {
		while (!ended(&pids[i], &status) && now() - start <= FOR_GOOD)
			usleep(1000);
		ASSERT_EQ(0, pids[i]) {
			show_thread(pids[1], pids[1]);
			show_thread(pids[2], pids[2]);
		}
		EXPECT_TRUE(WIFEXITED(status));
		EXPECT_EQ(0, if_there(-WEXITSTATUS(status)));
	}
}

/*
 * A function that comes while those beside it are reset
 */

FIXTURE(newcomer)
{
	struct scene *scene;
};

FIXTURE_SETUP(newcomer)
{
	self->scene = create_twins();
	ASSERT_NE(NULL, self->scene);
}

/*
 * A rescan writes the control register of the bridge back as it has read it, and with it
 * the bit that resets the bus: what was on the bus may have lost its BARs.
 */
FIXTURE_TEARDOWN(newcomer)
{
	run_remove(self->scene, 0);
	run_remove(self->scene, 1);
	bring_back(self->scene);
}

/* A reset unlocks and restores those that it has locked and saved, and nobody else */
TEST_F(newcomer, added_during_reset_below)
{
	int i, status;
	pid_t pid;

	/* The reset is over within milliseconds */
	for (i = 0; i < 4 * rounds; i++) {
		ASSERT_EQ(0, run_remove(self->scene, 1));
		fflush(NULL);
		pid = fork();
		if (!pid) {
			prctl(PR_SET_PDEATHSIG, SIGKILL);
			_exit(-run_reset_below(self->scene, 0));
		}
		usleep(rand() % 4000);
		EXPECT_EQ(0, file_write("/sys/bus/pci/rescan", "1"));
		ASSERT_EQ(pid, waitpid(pid, &status, 0));
		EXPECT_EQ(0, status);
		ASSERT_EQ(0, bring_back(self->scene));
	}
}

/*
 * A lock that a driver wants, and who accesses the device beside it holds
 */

FIXTURE(neighbour)
{
	struct scene *scene;
};

FIXTURE_SETUP(neighbour)
{
	char driver[32];

	self->scene = create_twins();
	ASSERT_NE(NULL, self->scene);
	ASSERT_EQ(0, sysfs_write(bdfs[1], "driver/unbind", bdfs[1]));
	ASSERT_EQ(0, driver_bind(bdfs[1], "pci_others"));
	if (!find_name(bdfs[1], "driver", driver, sizeof(driver)))
		SKIP(return, "pci_others.ko, which waits for the lock, is not loaded");
}

FIXTURE_TEARDOWN(neighbour)
{
	sysfs_write(bdfs[1], "driver/unbind", bdfs[1]);
	bring_back(self->scene);
}

/* The kernel copies to the BAR with the lock of the network held */
static void *copy_loop(void *arg)
{
	struct held *h = arg;
	uint32_t *command = h->map + getpagesize() - sizeof(*command);
	struct ifreq request = { .ifr_name = "lo", .ifr_data = (void *)command };
	int fd = socket(AF_UNIX, SOCK_DGRAM, 0);

	while (!LOAD(h->stop)) {
		*command = ETHTOOL_GLINK;
		if (ioctl(fd, SIOCETHTOOL, &request))
			break;
		ADD(h->function->reads[0], 1);
	}
	close(fd);
	return NULL;
}

TEST_F(neighbour, takes_lock_of_reader)
{
	struct function function = {};
	struct held h = { .function = &function };
	time_t start = now();
	pthread_t copier;
	int i, status;
	pid_t pid;

	ASSERT_EQ(0, device_open(&h.dev, bdfs[0], -1, -1));
	h.map = mmap(NULL, 2 * getpagesize(), PROT_READ | PROT_WRITE,
		     MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	ASSERT_NE(MAP_FAILED, h.map);
	ASSERT_NE(MAP_FAILED, mmap(h.map + getpagesize(), getpagesize(),
				   PROT_READ | PROT_WRITE, MAP_SHARED | MAP_FIXED,
				   h.dev.fd, h.dev.bar_offset));
	ASSERT_EQ(0, pthread_create(&copier, NULL, copy_loop, &h));
	while (LOAD(function.reads[0]) < READS)
		sched_yield();

	fflush(NULL);
	pid = fork();
	if (!pid) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		for (i = 0; i < 4 * rounds; i++) {
			if (run_reset_below(self->scene, 0))
				_exit(1);
		}
		_exit(0);
	}
	while (!waitpid(pid, &status, WNOHANG)) {
		ASSERT_GE(FOR_GOOD, now() - start)
			TH_LOG("a reset waits for who accesses the device, who waits for it");
		usleep(1000);
	}
	EXPECT_EQ(0, status);
	STORE(h.stop, true);
	pthread_join(copier, NULL);
	device_close(&h.dev);
}

/*
 * A signal for who waits
 */

static int signals;

static void count_signal(int sig)
{
	ADD(signals, 1);
}

/**
 * struct resets - Another process resets the port
 * @under_way: one is under way; atomic
 * @done: how many are over; atomic
 * @error: of the first that failed
 */
struct resets {
	bool under_way;
	int done;
	int error;
};

static void be_resetter(struct scene *scene, struct resets *resets, int n)
{
	int i, ret;

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	for (i = 0; i < n; i++) {
		STORE(resets->under_way, true);
		ret = run_reset_below(scene, 0);
		STORE(resets->under_way, false);
		STORE(resets->done, i + 1);
		if (ret && !resets->error)
			resets->error = ret;
		usleep(5000);
	}
	_exit(0);
}

static pid_t reader_tid;

static void *signalled_loop(void *arg)
{
	STORE(reader_tid, gettid());
	return load_loop(arg);
}

/* Does the reader wait in a reset of which there are @done before? */
static bool reader_waits(struct resets *resets, int done)
{
	char state = thread_state(getpid(), LOAD(reader_tid));

	return (state == 'S' || state == 'D') && LOAD(resets->under_way) &&
	       LOAD(resets->done) == done;
}

FIXTURE(signal)
{
	struct scene *scene;
};

FIXTURE_SETUP(signal)
{
	self->scene = create_twins();
	ASSERT_NE(NULL, self->scene);
}

FIXTURE_TEARDOWN(signal)
{
}

TEST_F(signal, ends_no_read)
{
	struct sigaction action = { .sa_handler = count_signal };
	int n = 4 * rounds, done, before, sent = 0, in_time = 0;
	struct function function = {};
	struct held h = { .function = &function };
	struct resets *resets;
	unsigned long reads;
	pthread_t reader;
	pid_t pid;

	resets = mmap(NULL, sizeof(*resets), PROT_READ | PROT_WRITE,
		      MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	ASSERT_NE(MAP_FAILED, resets);
	ASSERT_EQ(0, device_open(&h.dev, bdfs[0], -1, -1));
	h.map = device_map(&h.dev, getpagesize(), 0);
	ASSERT_NE(MAP_FAILED, h.map);
	ASSERT_EQ(0, sigaction(SIGUSR1, &action, NULL));
	ASSERT_EQ(0, pthread_create(&reader, NULL, signalled_loop, &h));
	while (!LOAD(reader_tid))
		sched_yield();

	pid = fork();
	if (!pid)
		be_resetter(self->scene, resets, n);
	while ((done = LOAD(resets->done)) < n) {
		if (!reader_waits(resets, done))
			continue;
		before = LOAD(signals);
		sent++;
		pthread_kill(reader, SIGUSR1);
		while (LOAD(resets->done) == done && LOAD(signals) == before)
			sched_yield();
		in_time += LOAD(signals) != before && LOAD(resets->under_way) &&
			   LOAD(resets->done) == done;
		while (LOAD(resets->done) == done)
			sched_yield();
	}
	ASSERT_EQ(pid, waitpid(pid, NULL, 0));
	EXPECT_EQ(0, resets->error);
	reads = LOAD(function.reads[0]);
	while (LOAD(function.reads[0]) < reads + READS)
		sched_yield();
	STORE(h.stop, true);
	pthread_join(reader, NULL);
	device_close(&h.dev);
	EXPECT_EQ(0, function.sigbus);
	EXPECT_EQ(sent, signals);
	TH_LOG("%d signals of %d were handled during one of %d resets", in_time, sent, n);
	if (!sent)
		SKIP(return, "no access waits for a reset");
	EXPECT_LT(0, in_time);
}

static int usage(void)
{
	fprintf(stderr, "use: removal_test [-n ROUNDS] FUNCTION FUNCTION PLUGGED VF\n");
	return KSFT_FAIL;
}

int main(int argc, char **argv)
{
	const char *text;

	device_arguments(&argc, argv, bdfs, 4);
	text = take_option(&argc, argv, "-n") ?: getenv("ROUNDS");
	if (text)
		rounds = atoi(text);
	if (rounds < 1)
		return usage();
	return test_harness_run(argc, argv);
}
