# Booting in QEMU. BOOT=kernel|iso SMP= CPU= MEM= MACHINE=pc|q35 GUEST_CMDLINE= choose the machine;
# HYP=xylem|xen and TOOLS=xylem|debian which half is whose (see docs/), Xylem's own by default.

APT_DEPS += qemu-system-x86 python3 gdb

BOOT ?= iso
SMP ?= 2
CPU ?= qemu64
MEM ?= 2G
MACHINE ?= pc
HYP ?= xylem
TOOLS ?= xylem
GUEST_CMDLINE ?=
QEMU ?=

MACHINE_WORDS = --boot="$(BOOT)" --smp="$(SMP)" --cpu="$(CPU)" --mem="$(MEM)" --machine="$(MACHINE)" --hyp="$(HYP)" \
  --tools="$(TOOLS)" --qemu="$(QEMU)"
# By the environment, so that no shell but the guest's kernel takes the words apart.
export GUEST_CMDLINE

# What a boot needs, by whose hypervisor and tools it takes.
HYPERVISOR_xylem := $(BUILD)/xylem.elf
HYPERVISOR_xen := $(BUILD)/xen.elf
INITRD_xylem := $(BUILD)/dom0/initrd.img
INITRD_debian := $(BUILD)/dom0/initrd-debian.img
BOOT_FILES = $(HYPERVISOR_$(HYP)) $(INITRD_$(TOOLS)) $(BUILD)/dom0/vmlinuz

.PHONY: run demo debug
run:
	$(call with_deps,$(BOOT_FILES))
	@python3 -m tools.run.run $(MACHINE_WORDS)

demo:
	$(call with_deps,$(BOOT_FILES))
	@python3 -m tools.run.demo $(MACHINE_WORDS) --guest-cmdline="$$GUEST_CMDLINE"

# The machine stops before its first instruction; gdb runs on the terminal, the console goes to build/logs/debug.log.
debug:
	$(call with_deps,$(BOOT_FILES) $(BUILD)/xylem-syms.elf)
	@python3 -m tools.run.debug $(MACHINE_WORDS)
