// Running a function on all other processors: one such request at a time.

#include "hypervisor/arch/x86_64/apic.hpp"
#include "hypervisor/arch/x86_64/irq.hpp"
#include "hypervisor/arch/x86_64/machine.hpp"
#include "hypervisor/base/lock.hpp"
#include "hypervisor/core/machine.hpp"

namespace xylem::arch {
namespace {

// Whoever has set `busy` owns the rest. `outstanding` counts processors that have not run the function, `asked` says
// which.
bool busy = false;
void (*wanted)() = nullptr;
u32 outstanding = 0;
bool asked[max_cpus];

}

void serve_call()
{
    atomic_and(&cpu().work, ~static_cast<u32>(work_call));
    if (!atomic_exchange(&asked[cpu().index], false))
        return; // the interrupt of a request that a wait loop has served
    wanted();
    __atomic_sub_fetch(&outstanding, 1, __ATOMIC_SEQ_CST);
}

void call_others(void (*function)())
{
    while (atomic_exchange(&busy, true))
        machine::relax();
    wanted = function;
    const unsigned count = machine::cpu_count();
    atomic_store(&outstanding, count - 1);
    for (u32 i = 0; i < count; ++i) {
        if (CpuId(i) == machine::this_cpu())
            continue;
        Cpu& other = cpu_data(CpuId(i));
        atomic_store(&asked[i], true);
        atomic_or(&other.work, static_cast<u32>(work_call));
        send_ipi(other.apic_id, vector_call);
    }
    while (atomic_load(&outstanding) != 0)
        machine::relax();
    atomic_store(&busy, false);
}

}
