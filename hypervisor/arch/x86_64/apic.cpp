// Which register file this machine's local APICs have, and what is done with them.

#include "hypervisor/arch/x86_64/apic.hpp"

#include "hypervisor/arch/x86_64/irq.hpp"
#include "hypervisor/arch/x86_64/paging.hpp"
#include "hypervisor/arch/x86_64/processor.hpp"
#include "hypervisor/arch/x86_64/refusal.hpp"

namespace xylem::arch {
namespace {

constexpr u32 msr_apic_base = 0x1b;
constexpr u64 apic_base_enable = 1 << 11, apic_base_x2apic = 1 << 10;
constexpr u32 command_assert = 1 << 14, command_level = 1 << 15, all_but_self = 3 << 18;
constexpr u32 mode_nmi = 4 << 8, mode_init = 5 << 8, mode_startup = 6 << 8;
constexpr u32 masked = 1 << 16, lint_nmi = 4 << 8;

}

u64 apic_msr_read(u32 msr)
{
    return read_msr(msr);
}
void apic_msr_write(u32 msr, u64 value)
{
    write_msr(msr, value);
}

const ApicAccess* apic_access = nullptr;

void choose_apic_access()
{
    const CpuidResult features = cpuid(1);
    if (!(features.d & 1 << 9))
        refuse_to_boot(
            "this processor has no local APIC: Xylem needs one for its timers and interrupts; enable it in the "
            "firmware's setup");
    const u64 base = read_msr(msr_apic_base);
    if (features.c & 1 << 21) {
        apic_access = &x2apic_access;
        return;
    }
    xapic_registers = map_device<volatile u8>(MachineAddress(base & 0x000ffffffffff000), page_size);
    apic_access = &xapic_access;
}

void initialise_local_apic()
{
    u64 base = read_msr(msr_apic_base) | apic_base_enable;
    write_msr(msr_apic_base, base);
    if (apic_access == &x2apic_access)
        write_msr(msr_apic_base, base | apic_base_x2apic);
    apic_access->write(ApicRegister::spurious, 0x100 | vector_spurious);
    apic_access->write(ApicRegister::timer, masked);
    apic_access->write(ApicRegister::performance, masked);
    apic_access->write(ApicRegister::lint0, masked);
    apic_access->write(ApicRegister::lint1, lint_nmi);
    // After LINT0: a tick of the old timer that the firmware left waiting has no vector any more. QEMU's APIC looks at
    // this write whether it still has an interrupt to offer, else it would offer that one to the first guest.
    apic_access->write(ApicRegister::task_priority, 0);
    apic_access->write(ApicRegister::error, vector_apic_error);
    apic_access->write(ApicRegister::error_status, 0);
    // Nothing of the firmware's may stay in service: it would hold back all of ours.
    for (unsigned i = 0; i < 256; ++i) {
        u32 in_service = 0;
        for (u32 word = 0; word < 8; ++word)
            in_service |=
                apic_access->read(static_cast<ApicRegister>(static_cast<u32>(ApicRegister::in_service) + word));
        if (!in_service)
            break;
        apic_eoi();
    }
    cpu().apic_id = local_apic_id();
}

u32 local_apic_id()
{
    return apic_access->read(ApicRegister::id) >> apic_access->id_shift;
}

void send_ipi(u32 apic_id, u8 vector)
{
    apic_access->command(apic_id, command_assert | vector);
}

void send_nmi_to_others()
{
    if (apic_access)
        apic_access->command(0, all_but_self | command_assert | mode_nmi);
}

void send_init(u32 apic_id)
{
    apic_access->command(apic_id, command_level | command_assert | mode_init);
}

void send_startup(u32 apic_id, u8 page)
{
    apic_access->command(apic_id, command_assert | mode_startup | page);
}

}
