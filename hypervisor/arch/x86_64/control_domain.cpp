// Dom0's start, as far as it depends on this machine: modules, memory, which ports, frames and interrupts it gets.
// (docs/pv-abi.md 5.9)

#include "hypervisor/arch/x86_64/control_domain.hpp"

#include "hypervisor/arch/x86_64/acpi.hpp"
#include "hypervisor/arch/x86_64/boot_info.hpp"
#include "hypervisor/arch/x86_64/command_line.hpp"
#include "hypervisor/arch/x86_64/console.hpp"
#include "hypervisor/arch/x86_64/guest_msr.hpp"
#include "hypervisor/arch/x86_64/irq.hpp"
#include "hypervisor/arch/x86_64/machine.hpp"
#include "hypervisor/arch/x86_64/processor.hpp"
#include "hypervisor/arch/x86_64/refusal.hpp"
#include "hypervisor/core/log.hpp"
#include "hypervisor/domain/dom0_builder.hpp"
#include "hypervisor/domain/lifecycle.hpp"
#include "hypervisor/domain/policies.hpp"
#include "hypervisor/hypercall/hypercall.hpp"
#include "hypervisor/mm/heap.hpp"
#include "hypervisor/mm/page_type.hpp"
#include "hypervisor/sched/sched.hpp"

#include <string.h>

namespace xylem::arch {
namespace {

struct Range {
    u64 first, last; // inclusive
};

// Ports that the hypervisor keeps or mediates: PICs, PIT, its gate, the RTC, PCI configuration data.
constexpr Range kept_ports[] = {{0x20, 0x21}, {0xa0, 0xa1}, {0x40, 0x43}, {0x61, 0x61}, {0x70, 0x71}, {0xcfc, 0xcff}};
constexpr u32 msr_arch_capabilities = 0x10a, msr_amd_decode_config = 0xc0011029;
constexpr u64 lfence_dispatch = 1 << 1; // in msr_amd_decode_config: LFENCE waits for what comes before it
constexpr u64 message_interrupt_window = 0xfee00000, local_apic = 0xfee00000;
constexpr Range hypertransport{0xfd00000000 >> page_shift, 0xffffffffff >> page_shift};

/// Nothing is allocated for a fault here: at boot there is memory.
void must(const Result<void>& result)
{
    if (!result.ok())
        panic("no memory for dom0's permissions");
}

void permit_ports(Domain& dom0)
{
    must(dom0.io_ports.add(0, 0xffff));
    for (const Range& range : kept_ports)
        must(dom0.io_ports.remove(range.first, range.last));
    if (const u16 timer = acpi().pm_timer_port)
        must(dom0.io_ports.remove(timer, timer + 3u));
    if (options.console_serial)
        must(dom0.io_ports.remove(options.serial_port, options.serial_port + 7u));
}

void permit_frames(Domain& dom0)
{
    mm::RangeSet& frames = dom0.memory.io_memory;
    // No more than the processor can address: it takes an entry with more for one with reserved bits.
    must(frames.add(0, (u64{1} << (cpu_policies.host.physical_address_bits() - page_shift)) - 1));
    must(frames.remove(local_apic >> page_shift, local_apic >> page_shift));
    must(frames.remove(message_interrupt_window >> page_shift, (message_interrupt_window >> page_shift) + 0xff));
    for (unsigned i = 0; i < acpi().io_apic_count; ++i)
        must(frames.remove(acpi().io_apics[i].address >> page_shift, acpi().io_apics[i].address >> page_shift));
    if (cpu_policies.host.vendor == CpuVendor::Amd)
        must(frames.remove(hypertransport.first, hypertransport.last));
    constexpr u32 unusable = 5;
    for (const abi::E820Entry& entry : boot_info().memory_map())
        if (entry.type == unusable && entry.size)
            must(frames.remove(entry.addr >> page_shift, (entry.addr + entry.size - 1) >> page_shift));
    if (const u64 hpet = acpi().hpet_address)
        must(mm::read_only_io_memory().add(hpet >> page_shift, hpet >> page_shift));
    dom0.memory.cache_control = true;
}

struct Dom0Memory {
    u64 pages, max_pages;
};

/// All but a sixteenth, or 128 MiB if that is less, unless the command line says otherwise. A wish for more than there
/// is gets what there is.
Dom0Memory memory_of_dom0()
{
    const u64 available = mm::free_frame_count();
    const u64 sixteenth = available / 16, most_kept = (128 << 20) >> page_shift;
    const u64 kept = sixteenth < most_kept ? sixteenth : most_kept;
    u64 pages = options.dom0_memory.pages(available, available - kept);
    const u64 least = options.dom0_memory_min.pages(available, 0);
    const u64 most = options.dom0_memory_max.pages(available, ~u64{0});
    pages = pages < least ? least : pages;
    pages = pages > most ? most : pages;
    constexpr u64 for_ourselves = (8 << 20) >> page_shift;
    const u64 limit = available > for_ourselves ? available - for_ourselves : 0;
    return {pages < limit ? pages : limit, options.dom0_memory_max.given ? most : ~u32{0}};
}

std::span<const u8> module_bytes(unsigned index)
{
    if (index >= boot_info().module_count)
        return {};
    const BootModule& module = boot_info().modules[index];
    return {machine::map<const u8>(module.start), module.bytes};
}

::xylem::CpuidResult read_cpuid(const void*, u32 leaf, u32 subleaf)
{
    const CpuidResult r = cpuid(leaf, subleaf);
    return {r.a, r.b, r.c, r.d};
}

/// Whether LFENCE, on an AMD processor, waits for what comes before it: on two old families always, later by choice.
bool lfence_waits()
{
    const u32 signature = cpuid(1).a;
    const u32 base_family = signature >> 8 & 0xf,
              family = base_family == 0xf ? 0xf + (signature >> 20 & 0xff) : base_family;
    u64 decode_config = 0;
    return family == 0xf || family == 0x11 ||
           (read_machine_msr(msr_amd_decode_config, decode_config) && decode_config & lfence_dispatch);
}

/// Module frames have been read: they are memory like any other from now on.
void release_modules()
{
    for (unsigned i = 0; i < boot_info().module_count; ++i) {
        const BootModule& module = boot_info().modules[i];
        const Mfn first = mfn_of(MachineAddress(round_up_to_page(module.start.value)));
        const Mfn last = mfn_of(MachineAddress(round_down_to_page(module.start.value + module.bytes)));
        if (first < last)
            mm::add_ram(first, last);
    }
}

}

void create_idle_vcpu(CpuId id)
{
    static abi::VcpuInfo no_info[max_cpus];
    Vcpu* idle = mm::make<Vcpu>();
    XYLEM_ASSERT(idle, "no memory for an idle vCPU");
    idle->domain = &idle_domain();
    idle->id = VcpuId(id.value);
    idle->info = &no_info[id.value];
    Cpu& c = cpu_data(id);
    c.idle = c.current = idle;
    sched::initialise_cpu(id, idle->unit);
}

void make_policies()
{
    MachineFacts facts;
    facts.lfence_dispatch = lfence_waits();
    if (cpuid(0).a >= 7 && cpuid(7).d >> feature::arch_caps % 32 & 1)
        facts.arch_capabilities = read_msr(msr_arch_capabilities);
    make_cpu_policies(cpu_policies, {read_cpuid, nullptr}, facts);
}

void start_control_domain()
{
    if (boot_info().module_count == 0)
        refuse_to_boot("no kernel was given for dom0: add it as the first module");
    Dom0Request request;
    request.kernel = module_bytes(0);
    request.initrd = module_bytes(1);
    request.command_line = boot_info().modules[0].arguments;
    const Dom0Memory memory = memory_of_dom0();
    request.pages = memory.pages;
    request.max_pages = memory.max_pages;
    const unsigned cpus = machine::cpu_count();
    request.vcpus = options.dom0_max_vcpus && options.dom0_max_vcpus <= max_vcpus ? options.dom0_max_vcpus : cpus;
    request.has_vga_text = true;
    request.cursor_x = 0;
    request.cursor_y = release_screen();
    Domain* dom0 = build_dom0(request);
    if (!dom0)
        refuse_to_boot("dom0 could not be built");
    release_modules();
    permit_ports(*dom0);
    permit_frames(*dom0);
    must(dom0->irqs.add(1, gsi_count() - 1));
    // From here on there is somebody to give way to.
    mm::preemption_check = hypercall::should_preempt;
    (void)controller_unpause(*dom0).ok();
}

}
