# Small guests: the mini kernel and the frontends, and one ELF for each folder of frontends/programs/ and tests/guest/.

GUEST_OBJ := $(BUILD)/obj/guest
GUEST_CXXFLAGS := -std=c++20 -O2 -g $(WARNINGS) $(INCLUDES) -fno-exceptions -fno-rtti -fno-threadsafe-statics -fno-use-cxa-atexit \
    -mno-red-zone -mgeneral-regs-only -mcmodel=kernel -fno-pie -fno-stack-protector -fno-asynchronous-unwind-tables \
    -fno-omit-frame-pointer -fcf-protection=none -fno-strict-aliasing -ffreestanding
GUEST_LIBRARY_SOURCES := $(sort $(filter-out frontends/lwip/%,$(wildcard frontends/*/*.cpp))) hypervisor/base/format.cpp
GUEST_LIBRARY_OBJECTS := $(patsubst %.cpp,$(GUEST_OBJ)/%.o,$(GUEST_LIBRARY_SOURCES))
GUEST_KERNEL_OBJECTS := $(GUEST_OBJ)/frontends/guest/start.S.o $(BUILD)/lib/guest.a
GUEST_PROGRAMS := $(patsubst frontends/programs/%/main.cpp,%,$(sort $(wildcard frontends/programs/*/main.cpp)))
GUEST_PROGRAM_ELFS := $(patsubst %,$(BUILD)/guests/%.elf,$(GUEST_PROGRAMS))
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

$(BUILD)/lib/guest.a: $(GUEST_LIBRARY_OBJECTS)
	@mkdir -p $(@D); rm -f $@
	@echo "  AR      $@"
	@ar rcs $@ $^

# Its objects are the prerequisites; of the library it takes what the program uses.
define link_guest
@mkdir -p $(@D)
@echo "  LINK    $@"
@ld -nostdlib -static -no-pie -z max-page-size=4096 -z noexecstack --no-warn-rwx-segments --build-id=none \
    -T frontends/guest/guest.lds $(filter %.o,$^) --start-group $(filter %.a,$^) --end-group -o $@
endef

$(BUILD)/tests/guest/%.elf: $(GUEST_KERNEL_OBJECTS) $(GUEST_OBJ)/tests/guest/%/main.o frontends/guest/guest.lds
	$(link_guest)

# $(call guest_program_objects,NAMES): all that lies in the folders of programs.
guest_program_objects = $(patsubst %.cpp,$(GUEST_OBJ)/%.o,$(sort $(wildcard $(1:%=frontends/programs/%/*.cpp))))

define guest_program
$(BUILD)/guests/$(1).elf: $(GUEST_KERNEL_OBJECTS) $(call guest_program_objects,$(1)) frontends/guest/guest.lds
	$$(link_guest)
endef
$(foreach name,$(GUEST_PROGRAMS),$(eval $(call guest_program,$(name))))

.PHONY: guests
guests:
	$(call with_deps,$(GUEST_PROGRAM_ELFS))

.SECONDARY: $(GUEST_KERNEL_OBJECTS)
.PRECIOUS: $(GUEST_OBJ)/%.o
-include $(GUEST_LIBRARY_OBJECTS:.o=.d) $(patsubst %.o,%.d,$(call guest_program_objects,$(GUEST_PROGRAMS))) $(patsubst %,$(GUEST_OBJ)/tests/guest/%/main.d,$(GUEST_TESTS))
