/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The protocol of drivers/vfio/pci/vfio_pci_quiesce.c, for spin: two functions of a
 * slot, held by one process with a thread (ONE_PROCESS) or by two.
 *
 * A task is a proctype, a lock a variable, and what a function of the driver or of the
 * PCI core does between two points where others can see it is one step. Every task ends
 * by itself: one that cannot go on for ever is an invalid end state, which spin reports.
 *
 * RESET, FLR and RECOVERY say which of these happen: all interleavings of two of them are
 * searched in seconds, those of three are too many.
 *
 * FIRST_EDITION has accesses wait for errors as for resets, and no signal end that.
 * NO_ZAP leaves the zap out where an error is announced. Each must be found wrong.
 */

#define N 2
#ifdef ONE_PROCESS
#define ROUNDS 3
#else
#define ROUNDS 1
#endif

/* Of each function. An entry is a page-table entry for the BAR, of parent and child */
byte resets[N];			/* that hardware is in */
bool command[N] = true;		/* decode in hardware: a reset clears it */
bool entry[N], child[N];
bool decode[N] = true;		/* as user space has set it; covered by memory_lock */
bool lost[N], absent[N];
bool restoring[N];		/* the work item is scheduled */
byte counted[N];		/* by the PCI core */
bool quiesced[N];
bool open[N] = true;
bool signal[N];			/* for the task that waits in a fault */

byte readers[N];		/* memory_lock, or quiesce.lock, held for read */
bool memory_lock[N];		/* held for write */
bool quiesce_lock[N];		/* held for write */
bool device_lock[N];

bool removing;			/* of function 1: the user was asked to let go */
bool bus_busy;			/* the lock of the port: one reset or recovery at a time */

/* Hardware completes what a page table leads it to; it must not do so while it is off */
inline access(f) {
	assert(!(entry[f] || child[f]) || (resets[f] == 0 && command[f]))
}

inline zap(f) {
	entry[f] = false;	/* parent before child, as i_mmap has them */
	child[f] = false
}

/* vfio_pci_quiesce_notify(): who holds the lock for read is through before it begins */
inline begin_notify(f) {
	atomic { readers[f] == 0 && !quiesce_lock[f] -> quiesce_lock[f] = true;
		 quiesced[f] = counted[f] > 0 }
	zap(f)
}

inline end_notify(f) {
	quiesce_lock[f] = false
}

inline quiesce(f) {
	counted[f]++;
	begin_notify(f);
	end_notify(f)
}

/* The device is asked whether it has kept its configuration */
inline ask(f) {
	atomic {
		if
		:: !quiesced[f] && !lost[f] ->
			absent[f] = command[f] != decode[f];
			restoring[f] = restoring[f] || absent[f]
		:: else
		fi
	}
}

inline unquiesce(f) {
	counted[f]--;
	begin_notify(f);
	ask(f);
	end_notify(f)
}

inline begin_reset(f) { atomic { resets[f]++; command[f] = false; access(f) } }
inline end_reset(f) { resets[f]-- }

inline lock_device(f) { atomic { !device_lock[f] -> device_lock[f] = true } }
inline unlock_device(f) { device_lock[f] = false }

#ifdef FIRST_EDITION
#define must_wait(f) (quiesced[f] || lost[f])
#define wait_is_over(f) (!must_wait(f))
#else
#define must_wait(f) (quiesced[f] && !lost[f])
#define wait_is_over(f) (!must_wait(f) || signal[f])
#endif

/* A fault: vfio_pci_fault_lock_memory(), then vfio_pci_insert() */
inline fault(f) {
	do
	:: atomic { !memory_lock[f] && !quiesce_lock[f] -> readers[f]++ }
	   if
	   :: must_wait(f) ->
		readers[f]--;
		wait_is_over(f);
		if
		:: signal[f] -> signal[f] = false; break
		:: else
		fi
	   :: else ->
		if
		:: !lost[f] && !absent[f] && decode[f] ->
			atomic { entry[f] = true; access(f) }
		:: else		/* ones, or SIGBUS */
		fi;
		readers[f]--;
		break
	   fi
	od
}

/* Turns decode off or on: vfio_basic_config_write(). A device in reset drops it */
inline write_command(f) {
	atomic { readers[f] == 0 && !memory_lock[f] -> memory_lock[f] = true }
	zap(f);
	decode[f] = !decode[f];
	atomic {
		if
		:: resets[f] == 0 -> command[f] = decode[f]
		:: else
		fi;
		access(f)
	}
	atomic { readers[f] == 0 && !quiesce_lock[f] -> quiesce_lock[f] = true }
	ask(f);
	end_notify(f);
	memory_lock[f] = false
}

/* What fork() copies it copies under the page-table lock, where it looks again */
inline fork_and_exit(f) {
	atomic { child[f] = entry[f]; access(f) }
	child[f] = false
}

inline close_function(f) {
	atomic { entry[f] = false; child[f] = false; open[f] = false }
}

/* A thread that uses functions a..b, and lets go of function 1 when asked */
inline use(a, b) {
	byte f, n;

	for (n : 1 .. ROUNDS) {
		if
		:: f = a
		:: f = b
		fi;
		if
		:: open[f] ->
			if
			:: fault(f)
			:: write_command(f)
			:: fork_and_exit(f)
			fi
		:: else
		fi;
		if
		:: removing && b == 1 && open[1] -> close_function(1)
		:: else
		fi
	}
	/* It goes on with its life until it is asked */
	if
	:: b == 1 -> removing; close_function(1)
	:: else
	fi
}

#ifdef ONE_PROCESS
active proctype user() { use(0, 1) }
#else
active proctype user0() { use(0, 0) }
active proctype user1() { use(1, 1) }
#endif

active proctype signaller() {
	atomic { signal[0] = true; signal[1] = true }
}

#ifdef RESET
/* pci_reset_function() of function 0 by sysfs: restores what it has saved */
active proctype reset() {
	bool saved;

	atomic { !bus_busy -> bus_busy = true }
	lock_device(0);
	quiesce(0);
	saved = command[0];
	begin_reset(0);
	end_reset(0);
	command[0] = saved;
	unquiesce(0);
	unlock_device(0);
	bus_busy = false
}

#endif

#ifdef FLR
/* pcie_flr() that a driver calls for its VF, function 1, without any lock */
active proctype flr() {
	quiesce(1);
	begin_reset(1);
	end_reset(1);
	unquiesce(1)
}

#endif

#ifdef RECOVERY
/* pcie_do_recovery() after a fatal error: takes each device lock in turn */
active proctype recovery() {
	byte f;

	atomic { !bus_busy -> bus_busy = true }
	for (f : 0 .. 1) {
		lock_device(f);
		lost[f] = true;
#ifndef NO_ZAP
		begin_notify(f);
		end_notify(f);
#endif
		begin_reset(f);		/* the link may be down from here on */
		unlock_device(f)
	}
	for (f : 0 .. 1) { quiesce(f) }
	atomic { for (f : 0 .. 1) { end_reset(f) } }
	for (f : 0 .. 1) { unquiesce(f) }
	for (f : 0 .. 1) {
		lock_device(f);
		begin_notify(f);
		lost[f] = false;
		ask(f);
		end_notify(f);
		unlock_device(f)
	}
	bus_busy = false
}

#endif

/* vfio_pci_quiesce_restore() */
active proctype worker() {
	byte f;

end_idle:
	do
	:: restoring[0] || restoring[1] ->
		f = (restoring[0] -> 0 : 1);
		restoring[f] = false;
		atomic { readers[f] == 0 && !memory_lock[f] -> memory_lock[f] = true }
		atomic {
			if
			:: resets[f] == 0 && open[f] -> command[f] = decode[f]
			:: else
			fi
		}
		atomic { readers[f] == 0 && !quiesce_lock[f] -> quiesce_lock[f] = true }
		if
		:: !quiesced[f] -> absent[f] = command[f] != decode[f]; zap(f)
		:: else
		fi;
		end_notify(f);
		memory_lock[f] = false
	od
}

/* Function 1 is removed: waits with its lock held until its user has let go */
active proctype remove() {
	lock_device(1);
	removing = true;
	!open[1];
	unlock_device(1)
}
