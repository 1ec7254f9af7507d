// The second part of the seam: what a machine does for vCPUs. As core/machine.hpp, resolved at link time.
#pragma once

#include "hypervisor/abi/trap.hpp"
#include "hypervisor/base/result.hpp"
#include "hypervisor/domain/vcpu.hpp"

namespace xylem::machine {

/// Gives a new vCPU its FPU image and its GDT and LDT windows. @return NoMemory
Result<void> create_vcpu_state(Vcpu& vcpu);
void destroy_vcpu_state(Vcpu& vcpu);

/// The guest registers of a vCPU: those on the stack if it is the one that runs here, else the saved ones. For any
/// other vCPU the caller has it paused.
GuestRegs& guest_regs(Vcpu& vcpu);

/// For the running vCPU. The base is canonical.
void set_segment_base(Vcpu& current, abi::SegmentBase which, u64 base);
/// Loads the selector into the user GS; one that does not load becomes null.
void load_user_gs(Vcpu& current, u16 selector);
/// Sets or clears TS as the guest sees it.
void set_task_switched(Vcpu& current, bool on);
/// Loads LDTR from Vcpu::ldt_base and ldt_entries.
void load_ldt(Vcpu& current);
/// Loads the debug registers from Vcpu::debug_registers.
void load_debug_registers(Vcpu& current);
/// Sets a stopped vCPU's FPU image: `fxsave` is 512 bytes, or null for the reset state.
void set_fpu_state(Vcpu& vcpu, const void* fxsave);
/// Copies a stopped or running vCPU's legacy FPU image (512 bytes).
void get_fpu_state(Vcpu& vcpu, void* fxsave);

/// XSAVE: the components that guests may use, and the size of an image with all of them; 0 without XSAVE.
u64 extended_state_mask();
u32 extended_state_size();
/// Gives a stopped vCPU an XSAVE image (standard format, extended_state_size() bytes). @return Invalid  not loadable
Result<void> set_extended_state(Vcpu& vcpu, u64 xcr0, const u8* image);

/// The iret hypercall for the running vCPU: loads the frame that its stack pointer shows. A bad one ends the domain.
void iret(Vcpu& current);

/// Copies from the memory of the running vCPU as its kernel sees it, whichever root is loaded. @return bytes not copied
u64 copy_from_guest_kernel(Vcpu& current, void* to, u64 address, u64 bytes);

/// What pvclock needs: ns = ((tsc - tsc_base) << shift) * mul >> 32 + ns_base.
struct TimeScale {
    u64 tsc_base;
    u64 ns_base;
    u32 mul;
    i8 shift;
    bool stable; ///< the TSC counts at one rate on all processors, always
    u32 khz;
};
TimeScale time_scale();

/// The wall clock: seconds since 1970 at system time 0, and nanoseconds.
struct WallClock {
    u64 seconds;
    u32 nanoseconds;
};
WallClock wall_clock();
void set_wall_clock(WallClock at_system_time_zero);

struct ProcessorIds {
    u32 apic, acpi;
};
ProcessorIds processor_ids(CpuId cpu);

/// Writes the values that dom0's ACPI took for its sleep state; returns if the machine stays on.
void acpi_power_off(u16 pm1a, u16 pm1b);
/// Ends it all, as dom0 asks. Never returns.
enum class PowerAction : u8 {
    halt, ///< dom0 has powered off without ACPI: the machine stands still
    reboot,
    reboot_after_crash, ///< reboots, unless noreboot was given: then the console can be read
};
[[noreturn]] void end_of_machine(PowerAction action);

}
