# What a person can type.

define HELP_TEXT
make               install what is missing, and build everything below build/
make run           boot into dom0's shell in QEMU, with the serial console on this terminal
make demo          the same unattended: a guest starts, uses its disk and network, shuts down; what it wrote is checked
make test          the tests for every change (under 25 minutes on two cores); ONLY='system/demo*' picks some
make test-all      all tests (under 3 hours)
make unit          the unit tests alone                  make test-list     the names of all tests
make tsan          the core's threaded tests under ThreadSanitizer
make mutants       seeded flaws, each of which its test must find; ONLY='xsa-4*' picks some
make fuzz          all fuzz targets, SECONDS=300 each; ONLY='xz' picks some
make bench         native Linux, real Xen and Xylem side by side, in instructions
make lint          what a machine can check of the code   make format        clang-format over the sources
make debug         gdb on the hypervisor from its first instruction
make debian        Debian with systemd on a disk of its own, in build/debian: for a guest, or for dom0's root (installed as root)
make guests        the programs of frontends/programs as guests, in build/guests
make new-driver NAME=clock     lay out a driver, both halves, that builds at once; docs/writing-a-driver.md leads on
make new-guest NAME=clock      the same for a small guest's program
make deps          install the Debian packages that the above need      make clean   remove build/

For run, demo and debug:
  BOOT=kernel|iso SMP=2 CPU=qemu64 MEM=2G MACHINE=pc|q35   the machine; QEMU="..." further words for QEMU
  GUEST_CMDLINE="token=abc"                                 words for the demo's guest's kernel
  HYP=xylem|xen TOOLS=xylem|debian                          whose hypervisor, and whose xl, xenstored, backends
DEBUG=-g           programs with variables for a debugger, in a fresh build/; else they have line numbers alone
XYLEM_CACHE=DIR    where downloaded Debian packages are kept ($(XYLEM_CACHE))
endef

.PHONY: help
export HELP_TEXT
help:
	@echo "$$HELP_TEXT"
