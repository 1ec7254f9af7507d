# The one list of the core's sources: the hypervisor without its machine. Built freestanding into build/xylem.elf
# (hypervisor.mk), and hosted, against a fake machine, into unit tests and fuzzers (core-tests.mk).

CORE_SOURCES := $(sort $(filter-out hypervisor/arch/% hypervisor/abi/%, \
    $(wildcard hypervisor/*/*.cpp event_channels/*.cpp grant_tables/*.cpp)))
