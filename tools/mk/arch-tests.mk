# Host tests of what the architecture's part computes without a machine: tables of the firmware and the boot loader, the command
# line, register numbers, messages, the arithmetic of time.

$(eval $(call unit_test,arch,$(wildcard tests/unit/arch/*.cpp) $(addprefix hypervisor/arch/x86_64/, \
    acpi.cpp apic_access.cpp boot_info.cpp boot_memory.cpp command_line.cpp msi_message.cpp time_math.cpp)))
