# SPDX-License-Identifier: GPL-2.0-only
#
# Builds lib/libpci_mmap.a of $(OUTPUT), the code that the programs here share.
# To be included after lib.mk, which says where $(OUTPUT) is.

LIBPCI_MMAP_C := access.c
LIBPCI_MMAP_C += access_stress.c
LIBPCI_MMAP_C += debugfs.c
LIBPCI_MMAP_C += device.c
LIBPCI_MMAP_C += edu.c
LIBPCI_MMAP_C += fail_nth.c
LIBPCI_MMAP_C += fuzz_model.c
LIBPCI_MMAP_C += qemu.c
LIBPCI_MMAP_C += reader_pool.c
LIBPCI_MMAP_C += samples.c
LIBPCI_MMAP_C += sysfs.c

LIBPCI_MMAP := $(OUTPUT)/lib/libpci_mmap.a
LIBPCI_MMAP_O := $(patsubst %.c,$(OUTPUT)/lib/%.o,$(LIBPCI_MMAP_C))
LIBPCI_MMAP_AR := $(if $(LLVM),llvm-ar,$(CROSS_COMPILE)ar)

CFLAGS += -Ilib/include

$(LIBPCI_MMAP_O): $(OUTPUT)/lib/%.o: lib/%.c $(LOCAL_HDRS)
	$(call msg,CC,,$@)
	$(Q)mkdir -p $(@D)
	$(Q)$(CC) $(CFLAGS) $(CPPFLAGS) $(TARGET_ARCH) -c $< -o $@

# Anew each time: a file that is no longer on the list must not stay in there
$(LIBPCI_MMAP): $(LIBPCI_MMAP_O) lib/libpci_mmap.mk
	$(call msg,AR,,$@)
	$(Q)$(RM) $@
	$(Q)$(LIBPCI_MMAP_AR) rcs $@ $(LIBPCI_MMAP_O)

EXTRA_CLEAN += $(LIBPCI_MMAP) $(LIBPCI_MMAP_O)
