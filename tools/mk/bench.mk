# What things cost, in instructions that QEMU counts: native Linux, real Xen, Xylem.

APT_DEPS += gcc libc6-dev
BENCH_PROGRAMS := $(addprefix $(BUILD)/bench/,osbench stamp until_line store_echo)
STORE_LOAD := $(BUILD)/bench/store-load
STORE_LOAD_OBJECTS := $(call host_objects,tests/bench/store_load.cpp)
BENCH_SKIP ?=

$(BENCH_PROGRAMS): $(BUILD)/bench/%: tests/bench/%.c
	@mkdir -p $(@D)
	@echo "  CC      $<"
	@gcc -O2 -static -Wall -Wextra -o $@ $<

$(STORE_LOAD): $(STORE_LOAD_OBJECTS) $(BUILD)/lib/xenstore.a
	@mkdir -p $(@D)
	@echo "  LINK    $@"
	@$(CXX) $^ -lfmt -o $@

-include $(STORE_LOAD_OBJECTS:.o=.d)

BENCH_HYPERVISORS := $(filter-out $(BENCH_SKIP),xen xylem)
BENCH_FILES = $(BENCH_PROGRAMS) $(BUILD)/dom0/vmlinuz $(BUILD)/guests/hello.elf $(if $(filter xen,$(BENCH_HYPERVISORS)),$(BUILD)/xen.elf $(BUILD)/dom0/initrd-debian.img $(STORE_LOAD)) \
  $(if $(filter xylem,$(BENCH_HYPERVISORS)),$(BUILD)/xylem.elf $(BUILD)/dom0/initrd.img)

.PHONY: bench
bench:
	$(call with_deps,$(BENCH_FILES))
	@python3 -m tests.bench.bench --skip $(BENCH_SKIP)
