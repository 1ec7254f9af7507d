// xAPIC registers lie in a page, 16 bytes apart; x2APIC registers are MSRs, and its command register is one of 64 bits.

#include "hypervisor/arch/x86_64/apic.hpp"

namespace xylem::arch {

volatile u8* xapic_registers = nullptr;

namespace {

constexpr u32 msr_x2apic = 0x800;
constexpr u32 command_pending = 1 << 12;

volatile u32* place(ApicRegister which)
{
    return reinterpret_cast<volatile u32*>(xapic_registers + static_cast<u32>(which) * 16);
}

u32 xapic_read(ApicRegister which)
{
    return *place(which);
}
void xapic_write(ApicRegister which, u32 value)
{
    *place(which) = value;
}
void xapic_command(u32 destination, u32 low)
{
    while (xapic_read(ApicRegister::command) & command_pending)
        asm volatile("pause");
    xapic_write(ApicRegister::command_high, destination << 24);
    xapic_write(ApicRegister::command, low);
}

u32 x2apic_msr(ApicRegister which)
{
    return msr_x2apic + static_cast<u32>(which);
}
u32 x2apic_read(ApicRegister which)
{
    return static_cast<u32>(apic_msr_read(x2apic_msr(which)));
}
void x2apic_write(ApicRegister which, u32 value)
{
    apic_msr_write(x2apic_msr(which), value);
}
void x2apic_command(u32 destination, u32 low)
{
    // Writes to x2APIC registers are not ordered behind earlier stores: what the interrupted processor is to see must
    // be out.
    asm volatile("mfence" ::: "memory");
    apic_msr_write(x2apic_msr(ApicRegister::command), u64{destination} << 32 | low);
}

}

const ApicAccess xapic_access{xapic_read, xapic_write, xapic_command, 24};
const ApicAccess x2apic_access{x2apic_read, x2apic_write, x2apic_command, 0};

}
