// Cached translations: dropping them here and on other processors, and the clock that tells who has dropped them since
// when.
//
// A remote flush is a ticket: the requester takes the next number of each processor concerned, raises work_flush there,
// and waits until the number has been served. A processor serves all tickets it sees with one flush: when its interrupt
// comes, or while it waits for something itself. So requesters need no lock, and two that wait for each other serve
// each other.
//
// The clock is 32 bits wide and wraps. While it stands at zero every processor counts as stale; it starts again at one
// only after all of them have flushed.

#include "hypervisor/arch/x86_64/tlb.hpp"
#include "hypervisor/arch/x86_64/apic.hpp"
#include "hypervisor/arch/x86_64/irq.hpp"
#include "hypervisor/arch/x86_64/machine.hpp"
#include "hypervisor/base/lock.hpp"
#include "hypervisor/core/machine.hpp"

namespace xylem::arch {
namespace {

u32 clock_now = 1;

struct alignas(64) Tickets {
    u32 taken = 0, served = 0;
};
Tickets tickets[max_cpus];

/// Notes a full flush of this processor that is about to happen.
void stamp_flush()
{
    u32 seen = atomic_load(&clock_now);
    if (seen == 0)
        return;
    cpu().flush_time = __atomic_add_fetch(&clock_now, 1, __ATOMIC_SEQ_CST);
}

void flush_here()
{
    stamp_flush();
    u64 root;
    asm volatile("mov %%cr3, %0\n mov %0, %%cr3" : "=r"(root)::"memory");
}

void for_each(CpuMask cpus, auto&& action)
{
    for (u64 left = cpus.bits; left; left &= left - 1)
        action(CpuId(static_cast<u32>(std::countr_zero(left))));
}

u32 ask_for_flush(CpuId which)
{
    const u32 ticket = atomic_add(&tickets[which.value].taken, 1U) + 1;
    Cpu& target = cpu_data(which);
    if (!(atomic_or(&target.work, static_cast<u32>(work_flush)) & work_flush))
        send_ipi(target.apic_id, vector_flush);
    return ticket;
}

void wait_for_flush(CpuId which, u32 ticket)
{
    while (static_cast<i32>(atomic_load(&tickets[which.value].served) - ticket) < 0)
        machine::relax();
}

}

void serve_flush_requests()
{
    Cpu& c = cpu();
    atomic_and(&c.work, ~static_cast<u32>(work_flush));
    const u32 taken = atomic_load(&tickets[c.index].taken);
    flush_here();
    atomic_store(&tickets[c.index].served, taken);
}

void restart_flush_clock_if_wrapped()
{
    if (atomic_load(&clock_now) != 0)
        return;
    machine::flush_tlb(CpuMask{~u64{0} >> (64 - machine::cpu_count())});
    u32 expected = 0;
    atomic_compare_exchange(&clock_now, expected, 1U);
}

}

namespace xylem::machine {

using namespace arch;

void flush_tlb(CpuMask cpus)
{
    const CpuMask others = cpus.without(this_cpu());
    u32 wanted[max_cpus];
    for_each(others, [&](CpuId which) { wanted[which.value] = ask_for_flush(which); });
    if (cpus.contains(this_cpu()))
        flush_here();
    for_each(others, [&](CpuId which) { wait_for_flush(which, wanted[which.value]); });
}

void flush_tlb_page(CpuMask cpus, VirtualAddress address)
{
    if (cpus.contains(this_cpu()))
        asm volatile("invlpg (%0)" ::"r"(address.value) : "memory");
    const CpuMask others = cpus.without(this_cpu());
    if (!others.empty())
        flush_tlb(others);
}

u32 tlb_clock()
{
    return atomic_load(&clock_now);
}

CpuMask stale_cpus(CpuMask cpus, u32 stamp)
{
    const u32 now = tlb_clock();
    CpuMask stale{};
    for_each(cpus, [&](CpuId which) {
        const u32 flushed = cpu_data(which).flush_time;
        // A stamp above the clock is from before a wrap: everything has been flushed since.
        if (now == 0 || (flushed <= stamp && stamp <= now))
            stale = stale | CpuMask::of(which);
    });
    return stale;
}

void load_root(MachineAddress root)
{
    stamp_flush();
    cpu().loaded_root = root.value;
    asm volatile("mov %0, %%cr3" ::"r"(root.value) : "memory");
}

}
