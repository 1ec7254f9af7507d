# The fuzz targets of tests/fuzz/. `make fuzz` builds each with clang's libFuzzer and runs all of them, one after the other,
# SECONDS each, and prints a table; new inputs are kept below build/fuzz/NAME, and what fails lies there with a name that tells
# how. `make fuzz-merge` takes of those found what reaches new code into tests/fuzz/corpus/, whose inputs the unit test
# `fuzz_corpus` repeats in `make test`. `make test-all` has each look for a short time.

SECONDS ?= 300
FUZZ_CORE := page_tables grants events
FUZZ_CORE_SUPPORT := $(addprefix tests/,unit/grant_tables/grant_domain.cpp unit/event_channels/event_domain.cpp model/page_type_spec.cpp)
FUZZ_OTHER := instructions xenstore_wire xl_config elf bzimage xz gzip multiboot qcow2 ring_block ring_net ring_console ring_rng
FUZZ_OTHER_SOURCES := $(UNPACK_SOURCES) $(addprefix hypervisor/,boot/bzimage.cpp boot/elf.cpp \
    arch/x86_64/decode.cpp arch/x86_64/emulate_write.cpp arch/x86_64/boot_info.cpp arch/x86_64/boot_memory.cpp) \
    tests/unit/xenstore/store_test.cpp $(wildcard xenstore/store/*.cpp tools/xl/config/*.cpp) $(BACKENDS_LIB) $(addprefix dom0/lib/,disk_counters.cpp fd.cpp gntdev.cpp) \
    $(BACKENDS_QCOW2) $(addprefix backends/,block/disk.cpp block/queue.cpp block/request.cpp net/packet.cpp net/receive.cpp net/transmit.cpp \
    console/ring.cpp rng/device.cpp) tests/unit/backends/fake_peer.cpp
FUZZ_LDLIBS := -lgtest -lfmt -lZydis -lz -lzstd -lpthread

# ---- The unit test: all targets in one. What the core's archive has of the sources is left to it.
$(eval $(call unit_test,fuzz_corpus,tests/fuzz/corpus_test.cpp $(patsubst %,tests/fuzz/%.cpp,$(FUZZ_CORE) $(FUZZ_OTHER)) \
    $(FUZZ_CORE_SUPPORT) $(filter-out $(CORE_SOURCES),$(FUZZ_OTHER_SOURCES)),,$(CORE_TEST_LIB) -lfmt -lZydis -lz -lzstd))
$(BUILD)/tests/unit/fuzz_corpus: $(CORE_TEST_LIB)

# ---- The fuzzers
FUZZ_APT_DEPS := clang libclang-rt-14-dev
FUZZ_CXX := clang++
FUZZ_OBJ := $(BUILD)/obj/fuzz
# The core lays objects over raw frames, and GCC's warnings are not clang's.
FUZZ_CXXFLAGS := -std=c++20 -O1 -g -w $(INCLUDES) -D_GNU_SOURCE -fno-strict-aliasing -fno-omit-frame-pointer \
    -fsanitize=fuzzer-no-link,address,undefined -fno-sanitize-recover=all
fuzz_objects = $(patsubst %.cpp,$(FUZZ_OBJ)/%.o,$(1))
FUZZERS := $(patsubst %,$(BUILD)/fuzz/%/fuzzer,$(FUZZ_CORE) $(FUZZ_OTHER))

$(FUZZ_OBJ)/%.o: %.cpp
	@mkdir -p $(@D)
	@echo "  CXX     $< (fuzz)"
	@$(FUZZ_CXX) $(FUZZ_CXXFLAGS) -MMD -MP -c $< -o $@

# Archives, so that each fuzzer takes what it needs.
$(BUILD)/lib/fuzz-core.a: $(call fuzz_objects,$(CORE_TEST_SOURCES))
$(BUILD)/lib/fuzz-other.a: $(call fuzz_objects,$(FUZZ_OTHER_SOURCES))
$(BUILD)/lib/fuzz-core.a $(BUILD)/lib/fuzz-other.a:
	@mkdir -p $(@D); rm -f $@
	@echo "  AR      $@"
	@ar rcs $@ $^

define fuzzer
$(BUILD)/fuzz/$(1)/fuzzer: $$(call fuzz_objects,tests/fuzz/$(1).cpp tests/fuzz/libfuzzer.cpp) $(2)
	@mkdir -p $$(@D)
	@echo "  LINK    $$@"
	@$$(FUZZ_CXX) -fsanitize=fuzzer,address,undefined $$^ $$(FUZZ_LDLIBS) -o $$@
-include $$(patsubst %,$(FUZZ_OBJ)/%.d,tests/fuzz/$(1) tests/fuzz/libfuzzer)
endef
# The events' support has a scheduler of its own, in the place of the core's.
$(foreach name,$(FUZZ_CORE),$(eval $(call fuzzer,$(name),$(call fuzz_objects,$(FUZZ_CORE_SUPPORT)) $(BUILD)/lib/fuzz-core.a)))
$(foreach name,$(FUZZ_OTHER),$(eval $(call fuzzer,$(name),$(BUILD)/lib/fuzz-other.a)))
-include $(patsubst %.cpp,$(FUZZ_OBJ)/%.d,$(CORE_TEST_SOURCES) $(FUZZ_CORE_SUPPORT) $(FUZZ_OTHER_SOURCES))

.PHONY: fuzz fuzz-merge
fuzz:
	@tools/deps.sh $(FUZZ_APT_DEPS)
	$(call with_deps,$(FUZZERS))
	@python3 -m tests.fuzz.run --seconds $(SECONDS) --only "$(ONLY)"

fuzz-merge:
	@python3 -m tests.fuzz.run --merge --only "$(ONLY)"
