# SPDX-License-Identifier: GPL-2.0-only

BASE ?= 6.12
VARIANT ?= series
DEBUG ?=
ARCH ?=
ONLY ?=
TREE ?=

.PHONY: help run check test leaks guest bench kernel series apply clean

help:
	@echo 'What to do first'
	@echo '  make run             show what happens to a BAR, in a VM and in a guest in it'
	@echo '  make check           all tests; ends with "N passed, N failed, N skipped"'
	@echo
	@echo 'On your own tree'
	@echo '  make apply TREE=DIR  put the series on a kernel tree, all of it or nothing'
	@echo '  make series          write the patches to build/BASE/patches, for git am'
	@echo '  make kernel          build build/BASE/VARIANT[-debug|-kcsan]/bzImage'
	@echo
	@echo 'While working on it'
	@echo '  make test            build VARIANT and run the self-tests on it'
	@echo '  make leaks           count accesses to a device that does not answer, on each variant'
	@echo '  make guest           have stock guests lose their devices, on each variant'
	@echo '  make bench           measure what mapping a BAR costs, on each variant'
	@echo '  make clean           remove build/'
	@echo
	@echo 'Variables'
	@echo '  BASE=$(BASE)            kernel to work with: $(notdir $(wildcard series/*))'
	@echo '  VARIANT=$(VARIANT)       series, upstream (as it is), fixes (its first patches alone)'
	@echo '                       or eager (as Linux 5.7 was)'
	@echo '  DEBUG=1              with KASAN, lockdep and the like; DEBUG=kcsan finds data races'
	@echo '  ARCH=arm64           of test and kernel: for that; ARCH=arm64-64k has pages of 64 KiB'
	@echo '  ONLY=NAME            run just this program, or program:test, of the self-tests'
	@echo '  KSRC=DIR             kernel tree to build from; else a Debian package is used'
	@echo '  ACCEL=kvm            let QEMU use KVM; else it emulates'
	@echo
	@echo 'Tested with'
	@sed -n '/^Tested with/,/^QEMU/s/^\t/  /p' README

export KSRC ACCEL

run:
	@scripts/run.sh '$(BASE)'

check:
	@scripts/check.sh '$(BASE)'

test:
	@scripts/test.sh '$(BASE)' '$(VARIANT)' '$(or $(ARCH),$(DEBUG))' '$(ONLY)'

leaks:
	@scripts/leaks.sh '$(BASE)'

guest:
	@scripts/guest.sh '$(BASE)'

bench:
	@scripts/bench.sh '$(BASE)'

kernel:
	@scripts/kernel.sh '$(BASE)' '$(VARIANT)' '$(or $(ARCH),$(DEBUG))'

series:
	@scripts/series.sh '$(BASE)'

apply:
	@scripts/apply.sh '$(TREE)'

clean:
	rm -rf build
