// INIT and start-up messages, one processor at a time: the trampoline's variables serve one.

#include "hypervisor/arch/x86_64/smp.hpp"

#include "hypervisor/arch/x86_64/acpi.hpp"
#include "hypervisor/arch/x86_64/apic.hpp"
#include "hypervisor/arch/x86_64/control_domain.hpp"
#include "hypervisor/arch/x86_64/machine.hpp"
#include "hypervisor/arch/x86_64/processor.hpp"
#include "hypervisor/arch/x86_64/smp_layout.hpp"
#include "hypervisor/arch/x86_64/time.hpp"
#include "hypervisor/core/log.hpp"
#include "hypervisor/core/machine.hpp"
#include "hypervisor/domain/vcpu_machine.hpp"

#include <string.h>

extern "C" {
extern const char trampoline_start[], trampoline_end[];
// Read by the trampoline.
xylem::u64 trampoline_root, trampoline_stack;
void (*trampoline_entry)();
}

namespace xylem::arch {
namespace {

u32 running = 0;
u64 starters_tsc = 0;

constexpr i64 microsecond = 1000;

/// @return whether `condition` came true within the time.
bool wait_for(auto&& condition, i64 nanoseconds)
{
    const Nanoseconds end = machine::now() + nanoseconds;
    while (!condition() && machine::now() < end)
        asm volatile("pause");
    return condition();
}

/// A started processor's first steps, on its own stack.
void run_other_processor()
{
    const CpuId me(cpu().index);
    initialise_processor(me);
    initialise_local_apic();
    initialise_timer();
    if (read_tsc() < starters_tsc)
        log(LogLevel::warning, "Processor {}: its TSC is behind that of processor 0; system time may step back there",
            me);
    announce_processor();
    start_idle();
}

void start(CpuId id, const AcpiProcessor& processor)
{
    create_cpu_block(id, processor.apic_id);
    create_idle_vcpu(id);
    trampoline_stack = (reinterpret_cast<u64>(&cpu_data(id)) - sizeof(GuestRegs)) & ~u64{15};
    starters_tsc = read_tsc();
    const auto runs = [&] { return atomic_load(&running) > id.value; };
    constexpr u8 page = TRAMPOLINE_ADDRESS / page_size;
    send_init(processor.apic_id);
    wait_for([] { return false; }, 200 * microsecond);
    send_startup(processor.apic_id, page);
    if (wait_for(runs, 10'000 * microsecond))
        return;
    send_startup(processor.apic_id, page); // old processors want it twice
    if (wait_for(runs, 1'000'000 * microsecond))
        return;
    send_init(processor.apic_id); // down again, lest it come up on another's stack
    log(LogLevel::warning, "The processor with APIC id {} does not start; going on without it", processor.apic_id);
}

}

void announce_processor()
{
    __atomic_add_fetch(&running, 1, __ATOMIC_SEQ_CST);
}

void start_other_processors()
{
    memcpy(machine::map<u8>(MachineAddress(TRAMPOLINE_ADDRESS)), trampoline_start,
           static_cast<size_t>(trampoline_end - trampoline_start));
    trampoline_root = template_root().value;
    trampoline_entry = run_other_processor;
    for (const AcpiProcessor& processor : acpi().all_processors()) {
        const bool usable = processor.enabled && processor.apic_id != cpu().apic_id;
        const bool addressable = apic_access == &x2apic_access || processor.apic_id < 0xff;
        if (!usable)
            continue;
        if (running == max_cpus || !addressable) {
            log(LogLevel::warning, "The processor with APIC id {} is left alone: {}", processor.apic_id,
                addressable ? "there are more than Xylem uses" : "its id is too large for this local APIC");
            continue;
        }
        start(CpuId(running), processor);
    }
    log(LogLevel::info, "{} processors run", running);
}

}

namespace xylem::machine {

unsigned cpu_count()
{
    return atomic_load(&arch::running);
}

ProcessorIds processor_ids(CpuId cpu)
{
    const u32 apic_id = arch::cpu_data(cpu).apic_id;
    for (const arch::AcpiProcessor& processor : arch::acpi().all_processors())
        if (processor.apic_id == apic_id)
            return {apic_id, processor.acpi_id};
    return {apic_id, cpu.value};
}

}
