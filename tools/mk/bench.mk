# What things cost, in instructions that QEMU counts: native Linux, real Xen, Xylem.

APT_DEPS += gcc libc6-dev
BENCH_PROGRAMS := $(addprefix $(BUILD)/bench/,osbench stamp until_line)
BENCH_SKIP ?=

$(BENCH_PROGRAMS): $(BUILD)/bench/%: tests/bench/%.c
	@mkdir -p $(@D)
	@echo "  CC      $<"
	@gcc -O2 -static -Wall -Wextra -o $@ $<

BENCH_HYPERVISORS := $(filter-out $(BENCH_SKIP),xen xylem)
BENCH_FILES = $(BENCH_PROGRAMS) $(BUILD)/dom0/vmlinuz $(BUILD)/tests/guest/hello.elf $(if $(filter xen,$(BENCH_HYPERVISORS)),$(BUILD)/xen.elf $(BUILD)/dom0/initrd-debian.img) \
  $(if $(filter xylem,$(BENCH_HYPERVISORS)),$(BUILD)/xylem.elf $(BUILD)/dom0/initrd.img)

.PHONY: bench
bench:
	$(call with_deps,$(BENCH_FILES))
	@python3 -m tests.bench.bench --skip $(BENCH_SKIP)
