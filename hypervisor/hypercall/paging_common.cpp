// Shared parts of mmu_update, update_va_mapping and mmuext_op.

#include "hypervisor/hypercall/paging_common.hpp"

#include "hypervisor/domain/lifecycle.hpp"

namespace xylem::hypercall {

Result<NamedOwner> named_owner(Domain& self, DomId id)
{
    if (id == domid_self)
        return NamedOwner{&self.memory, {}};
    if (id == self.id)
        return Error::NoSuchDomain;
    if (id == domid_io)
        return NamedOwner{&mm::io_owner(), {}};
    if (id == domid_xen) {
        if (!self.privileged())
            return Error::NotPermitted;
        return NamedOwner{&mm::xen_owner(), {}};
    }
    DomainRef found = TRY(find_domain(id));
    if (!self.privileged())
        return Error::NotPermitted;
    mm::Owner* owner = &found->memory;
    return NamedOwner{owner, std::move(found)};
}

CpuMask translation_holders(const Domain& domain)
{
    // This processor may hold translations whether or not the context switch has said so.
    return CpuMask{atomic_load(&domain.memory.dirty_cpus.bits)} | CpuMask::of(machine::this_cpu());
}

Result<CpuMask> holders_by_vcpu(const Domain& domain, u64 bitmap)
{
    CpuMask cpus;
    for (unsigned word = 0; word * 64 < domain.vcpu_limit; ++word) {
        u64 vcpus = TRY(GuestIn<u64>(bitmap).copy_in(word));
        for (; vcpus; vcpus &= vcpus - 1) {
            const Vcpu* vcpu = domain.vcpu(VcpuId(word * 64 + static_cast<unsigned>(std::countr_zero(vcpus))));
            if (vcpu)
                cpus = cpus | CpuMask::of(vcpu->unit.cpu);
        }
    }
    return cpus & translation_holders(domain);
}

void Progress::tell_done(u32 finished)
{
    if (done_.null())
        return;
    u32 done = 0;
    if (args_.a[1] & abi::mmu_update_preempted) {
        const Result<u32> before = done_.copy_in();
        done = before.ok() ? before.value() : 0;
    }
    // The count is a courtesy: what has been done stays done if it cannot be written.
    (void)done_.copy_out(done + finished).ok();
}

i64 Progress::end(const Result<void>& result, u32 finished, u64 entry_bytes, mm::Owner& owner)
{
    if (!only_pending())
        tell_done(finished);
    if (result == Error::Preempted) {
        args_.a[0] += finished * entry_bytes;
        args_.a[1] = (count() - finished) | abi::mmu_update_preempted;
        return preempted;
    }
    const i64 answer = only_pending() ? former_result() : to_wire(result);
    // What has just been left unfinished was left because something waits.
    if (mm::has_pending(owner) && (should_preempt() || !mm::finish_pending(owner).ok())) {
        args_.a[0] = 0;
        args_.a[1] = abi::mmu_update_preempted;
        args_.a[2] = static_cast<u64>(answer);
        return preempted;
    }
    return answer;
}

}
