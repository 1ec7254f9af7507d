// The second part of the seam (domain/vcpu_machine.hpp), interrupts (core/irq.hpp) and the console (core/console.hpp).

#include "tests/support/fake_vcpu_machine.hpp"

#include "hypervisor/core/console.hpp"
#include "hypervisor/domain/domain.hpp"
#include "hypervisor/mm/descriptors.hpp"
#include "hypervisor/mm/heap.hpp"
#include "hypervisor/mm/roots.hpp"
#include "tests/support/fake_machine.hpp"

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <cstring>

namespace xylem::test {

FakeVcpuMachine& FakeVcpuMachine::get()
{
    static FakeVcpuMachine machine;
    return machine;
}

namespace {

FakeVcpuMachine& fake()
{
    return FakeVcpuMachine::get();
}

/// The page that all windows show behind the guest's descriptors.
Mfn shared_gdt()
{
    static const Mfn page = mm::zero_frame();
    return page;
}

bool same(machine::PciFunction a, machine::PciFunction b)
{
    return a.segment == b.segment && a.bus == b.bus && a.devfn == b.devfn;
}

}

}

namespace xylem::machine {

using test::fake;

Result<void> create_vcpu_state(Vcpu& vcpu)
{
    vcpu.fpu = map(TRY(mm::allocate_frame()));
    vcpu.window = TRY(mm::create_window(vcpu.domain->memory, vcpu.id.value, test::shared_gdt()));
    return {};
}

void destroy_vcpu_state(Vcpu& vcpu)
{
    mm::free_frame(mfn_of_mapped(vcpu.fpu));
}

GuestRegs& guest_regs(Vcpu& vcpu)
{
    return vcpu.regs;
}

void load_ldt(Vcpu& current)
{
    test::FakeMachine::get().note({.kind = test::Event::Kind::load_ldt, .address = current.ldt_base});
}

void load_debug_registers(Vcpu& current)
{
    fake().debug_registers_loaded.push_back(current.debug_registers[7]);
}

void set_segment_base(Vcpu& current, abi::SegmentBase which, u64 base)
{
    (which == abi::SegmentBase::fs        ? current.fs_base
     : which == abi::SegmentBase::gs_user ? current.gs_base_user
                                          : current.gs_base_kernel) = base;
}

void load_user_gs(Vcpu& current, u16 selector)
{
    current.gs = selector;
}

void set_task_switched(Vcpu& current, bool on)
{
    current.ts_virtual = on;
}

void set_fpu_state(Vcpu& vcpu, const void* fxsave)
{
    std::memset(vcpu.fpu, 0, page_size);
    if (fxsave)
        std::memcpy(vcpu.fpu, fxsave, 512);
}

void get_fpu_state(Vcpu& vcpu, void* fxsave)
{
    std::memcpy(fxsave, vcpu.fpu, 512);
}

u64 extended_state_mask()
{
    return fake().xsave_mask;
}

u32 extended_state_size()
{
    return fake().xsave_bytes;
}

Result<void> set_extended_state(Vcpu& vcpu, u64 xcr0, const u8* image)
{
    if (xcr0 & ~extended_state_mask())
        return Error::Invalid;
    std::memcpy(vcpu.fpu, image, extended_state_size());
    vcpu.xcr0 = xcr0;
    return {};
}

void iret(Vcpu& current)
{
    current.regs.rax = 0x1234;
}

u64 copy_from_guest_kernel(Vcpu&, void* to, u64 address, u64 bytes)
{
    return copy_from_guest(to, address, bytes);
}

TimeScale time_scale()
{
    return {.tsc_base = 0, .ns_base = 0, .mul = 0x80000000, .shift = 1, .stable = true, .khz = 1'000'000};
}

WallClock wall_clock()
{
    return fake().clock;
}

void set_wall_clock(WallClock at_system_time_zero)
{
    fake().clock = at_system_time_zero;
}

ProcessorIds processor_ids(CpuId cpu)
{
    return {cpu.value * 2, cpu.value + 1};
}

void acpi_power_off(u16 pm1a, u16 pm1b)
{
    char text[32];
    std::snprintf(text, sizeof text, "S5 %x %x", pm1a, pm1b);
    fake().power.emplace_back(text);
}

void end_of_machine(PowerAction action)
{
    std::fprintf(stderr, "end of the machine: %d\n", static_cast<int>(action));
    std::abort();
}

// ---- Interrupts

unsigned gsi_count()
{
    return test::FakeVcpuMachine::gsis;
}

unsigned irq_count()
{
    return test::FakeVcpuMachine::irqs;
}

Result<void> configure_gsi(u32 gsi, Trigger trigger, Polarity)
{
    if (gsi >= gsi_count())
        return Error::Invalid;
    fake().level[gsi] = trigger == Trigger::level;
    return {};
}

bool irq_is_level(u32 irq)
{
    return fake().level[irq];
}

Result<void> map_gsi(DomId domain, u32 gsi)
{
    if (gsi >= gsi_count())
        return Error::Invalid;
    const auto [at, fresh] = fake().mapped.try_emplace(gsi, domain);
    return fresh || at->second == domain ? Result<void>() : Error::Busy;
}

Result<void> unmap_irq(DomId domain, u32 irq)
{
    const auto at = fake().mapped.find(irq);
    if (at == fake().mapped.end() || at->second != domain)
        return Error::Invalid;
    fake().mapped.erase(at);
    return {};
}

void release_irqs(DomId domain)
{
    std::erase_if(fake().mapped, [&](const auto& one) { return one.second == domain; });
}

Result<u32> find_free_irq()
{
    for (u32 irq = gsi_count(); irq < irq_count(); ++irq)
        if (!fake().mapped.contains(irq))
            return irq;
    return Error::NoSpace;
}

Result<u32> map_message(DomId domain, const MessageRequest& request)
{
    if (!pci_device_known(request.device))
        return Error::NoDevice;
    const u32 irq = TRY(find_free_irq());
    fake().mapped[irq] = domain;
    return irq;
}

Result<void> restore_messages(PciFunction device)
{
    return pci_device_known(device) ? Result<void>() : Error::NoDevice;
}

Result<void> end_of_irq(DomId domain, u32 irq)
{
    const auto at = fake().mapped.find(irq);
    if (at == fake().mapped.end() || at->second != domain)
        return Error::Invalid;
    fake().ended.push_back(irq);
    return {};
}

Result<void> add_pci_device(PciFunction device)
{
    fake().devices.push_back(device);
    return {};
}

Result<void> remove_pci_device(PciFunction device)
{
    return std::erase_if(fake().devices, [&](PciFunction f) { return test::same(f, device); }) ? Result<void>()
                                                                                               : Error::NoDevice;
}

bool pci_device_known(PciFunction device)
{
    return std::ranges::any_of(fake().devices, [&](PciFunction f) { return test::same(f, device); });
}

bool is_pci_config_space(u64 address, u16 segment)
{
    return address == 0xb0000000 && segment == 0;
}

Result<u32> read_io_apic(u64 base, u32 index)
{
    return base == 0xfec00000 ? Result<u32>(index * 3) : Error::Invalid;
}

Result<void> write_io_apic(u64 base, u32, u32)
{
    return base == 0xfec00000 ? Result<void>() : Error::Invalid;
}

// ---- The console

void write_console(const char* text, size_t length)
{
    fake().console_output.append(text, length);
}

size_t read_console(char* into, size_t capacity)
{
    std::string& input = fake().console_input;
    const size_t count = std::min(capacity, input.size());
    input.copy(into, count);
    input.erase(0, count);
    return count;
}

size_t read_log(u64& index, char* into, size_t capacity)
{
    const std::string& log = fake().log;
    index = std::max(index, fake().log_cleared);
    if (index >= log.size())
        return 0;
    const size_t count = log.copy(into, capacity, index);
    index += count;
    return count;
}

void clear_log()
{
    fake().log_cleared = fake().log.size();
}

u64 log_start()
{
    return fake().log_cleared;
}

LogThresholds log_thresholds()
{
    return {2, 1};
}

void set_log_thresholds(LogThresholds) {}

}
