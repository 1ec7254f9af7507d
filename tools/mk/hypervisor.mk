# hypervisor/: build/xylem-syms.elf (with symbols, for gdb) and build/xylem.elf (what a boot loader takes).
#
# Both are the same ELF64 image, linked at its virtual address with physical load addresses from 2 MiB up. GRUB reads it by
# its Multiboot2 header. A Multiboot1 loader (qemu -kernel) takes it by the address fields of the Multiboot1 header, as a
# plain run of bytes: file offsets and load addresses run in step (the linker script lays them so).
#
# The backtrace of a panic needs function names: the image is linked once without them, the names are read off the result
# (text does not move any more, since the table lies behind it), and it is linked again with the table.

HV_ARCH := hypervisor/arch/x86_64
HV_OBJ := $(BUILD)/obj/hypervisor
HV_SOURCES := $(CORE_SOURCES) $(sort $(wildcard $(HV_ARCH)/*.cpp)) hypervisor/main.cpp
HV_SOURCES := $(filter-out $(HV_ARCH)/asm_offsets.cpp,$(HV_SOURCES))
HV_ASM := $(sort $(wildcard $(HV_ARCH)/*.S))
HV_OBJECTS := $(patsubst %.cpp,$(HV_OBJ)/%.o,$(HV_SOURCES)) $(patsubst %.S,$(HV_OBJ)/%.S.o,$(HV_ASM))

# DEBUG=1: the ranks of locks are asserted.
HV_DEFINES := $(if $(DEBUG),-DXYLEM_DEBUG)
HV_CXXFLAGS := -std=c++20 -O2 -g $(WARNINGS) $(INCLUDES) $(HV_DEFINES) -fno-exceptions -fno-rtti -fno-threadsafe-statics \
    -fno-use-cxa-atexit -mno-red-zone -mgeneral-regs-only -fpie -fvisibility=hidden -fno-stack-protector \
    -fno-asynchronous-unwind-tables -fno-unwind-tables -fno-omit-frame-pointer -fno-optimize-sibling-calls \
    -fcf-protection=none -fno-strict-aliasing -fno-tree-loop-distribute-patterns
HV_ASFLAGS := $(INCLUDES) -I$(HV_OBJ) -g -fpie
HV_LDFLAGS := -nostdlib -static -no-pie -z max-page-size=4096 -z noexecstack --no-relax --build-id=none -T $(HV_ARCH)/xylem.lds

.PHONY: hypervisor
hypervisor: $(BUILD)/xylem.elf

$(HV_OBJ)/%.o: %.cpp
	@mkdir -p $(@D)
	@echo "  CXX     $< (hypervisor)"
	@$(CXX) $(HV_CXXFLAGS) -MMD -MP -c $< -o $@

$(HV_OBJ)/%.S.o: %.S $(HV_OBJ)/asm_offsets.h
	@mkdir -p $(@D)
	@echo "  AS      $<"
	@$(CXX) $(HV_ASFLAGS) -MMD -MP -c $< -o $@

$(HV_OBJ)/asm_offsets.h: $(HV_ARCH)/asm_offsets.cpp
	@mkdir -p $(@D)
	@$(CXX) $(HV_CXXFLAGS) -MMD -MP -MT $@ -MF $(HV_OBJ)/asm_offsets.d -S $< -o $(HV_OBJ)/asm_offsets.s
	@sed -n 's/^#OFFSET \([A-Z0-9_]*\) \(.*\)/#define \1 \2/p' $(HV_OBJ)/asm_offsets.s > $@

$(HV_OBJ)/no_symbols.S: tools/symbols.py
	@mkdir -p $(@D)
	@tools/symbols.py < /dev/null > $@

$(HV_OBJ)/unnamed.elf: $(HV_OBJECTS) $(HV_OBJ)/no_symbols.S $(HV_ARCH)/xylem.lds
	@$(CXX) -c $(HV_OBJ)/no_symbols.S -o $(HV_OBJ)/no_symbols.o
	@ld $(HV_LDFLAGS) $(HV_OBJECTS) $(HV_OBJ)/no_symbols.o -o $@

$(BUILD)/xylem-syms.elf: $(HV_OBJ)/unnamed.elf
	@echo "  LINK    $@"
	@nm -C $< | tools/symbols.py > $(HV_OBJ)/symbols.S
	@$(CXX) -c $(HV_OBJ)/symbols.S -o $(HV_OBJ)/symbols.o
	@ld $(HV_LDFLAGS) $(HV_OBJECTS) $(HV_OBJ)/symbols.o -o $@

$(BUILD)/xylem.elf: $(BUILD)/xylem-syms.elf
	@objcopy -S $< $@

-include $(HV_OBJECTS:.o=.d) $(HV_OBJ)/asm_offsets.d
