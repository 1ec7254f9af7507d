# Small guests: the mini kernel (frontends/guest/) and one ELF for each folder of tests/guest/.

GUEST_OBJ := $(BUILD)/obj/guest
GUEST_CXXFLAGS := -std=c++20 -O2 -g $(WARNINGS) $(INCLUDES) -fno-exceptions -fno-rtti -fno-threadsafe-statics -fno-use-cxa-atexit \
    -mno-red-zone -mgeneral-regs-only -mcmodel=kernel -fno-pie -fno-stack-protector -fno-asynchronous-unwind-tables \
    -fno-omit-frame-pointer -fcf-protection=none -fno-strict-aliasing -ffreestanding
GUEST_KERNEL_SOURCES := $(sort $(wildcard frontends/guest/*.cpp)) hypervisor/base/format.cpp
GUEST_KERNEL_OBJECTS := $(GUEST_OBJ)/frontends/guest/start.S.o $(patsubst %.cpp,$(GUEST_OBJ)/%.o,$(GUEST_KERNEL_SOURCES))
GUEST_TESTS := $(patsubst tests/guest/%/main.cpp,%,$(sort $(wildcard tests/guest/*/main.cpp)))
GUEST_TEST_ELFS := $(patsubst %,$(BUILD)/tests/guest/%.elf,$(GUEST_TESTS))

$(GUEST_OBJ)/%.o: %.cpp
	@mkdir -p $(@D)
	@echo "  CXX     $< (guest)"
	@$(CXX) $(GUEST_CXXFLAGS) -MMD -MP -c $< -o $@

$(GUEST_OBJ)/%.S.o: %.S
	@mkdir -p $(@D)
	@echo "  AS      $<"
	@$(CXX) -c $< -o $@

# Its objects are the prerequisites.
define link_guest
@mkdir -p $(@D)
@echo "  LINK    $@"
@ld -nostdlib -static -no-pie -z max-page-size=4096 -z noexecstack --no-warn-rwx-segments --build-id=none \
    -T frontends/guest/guest.lds $(filter %.o,$^) -o $@
endef

$(BUILD)/tests/guest/%.elf: $(GUEST_KERNEL_OBJECTS) $(GUEST_OBJ)/tests/guest/%/main.o frontends/guest/guest.lds
	$(link_guest)

.SECONDARY: $(GUEST_KERNEL_OBJECTS)
.PRECIOUS: $(GUEST_OBJ)/%.o
-include $(GUEST_KERNEL_OBJECTS:.o=.d) $(patsubst %,$(GUEST_OBJ)/tests/guest/%/main.d,$(GUEST_TESTS))
