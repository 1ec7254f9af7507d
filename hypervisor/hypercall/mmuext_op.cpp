// mmuext_op: operations on page tables that are not entry updates: pinning, base pointers, TLB, caches, the LDT.
//
// One function a sub-op. A sub-op completes, fails with nothing changed, or says Preempted: the guest then re-enters at
// the first entry that is not done. (xen/include/public/xen.h, HYPERVISOR_mmuext_op; docs/pv-abi.md 3.8)

#include "hypervisor/abi/x86_64/layout.hpp"
#include "hypervisor/domain/vcpu_machine.hpp"
#include "hypervisor/hypercall/hypercall.hpp"
#include "hypervisor/hypercall/paging_common.hpp"
#include "hypervisor/mm/descriptors.hpp"
#include "hypervisor/mm/references.hpp"
#include "hypervisor/mm/roots.hpp"

#include <string.h>

namespace xylem::hypercall {
namespace {

using abi::MmuextCmd;
using abi::MmuextOp;

constexpr u32 max_ldt_entries = 8192;

/// Who asks, and whose frames the list is about.
struct Request {
    Vcpu& self;
    mm::Owner& owner;

    Domain& domain() const { return *self.domain; }
    bool foreign() const { return &owner != &domain().memory; }
};

Result<void> pin_table(const Request& request, const MmuextOp& op, mm::PageType type)
{
    return mm::pin(request.owner, Mfn(op.arg1.mfn), type);
}

Result<void> new_base_pointer(const Request& request, const MmuextOp& op)
{
    return request.foreign() ? Error::NotPermitted : new_kernel_root(request.self, Mfn(op.arg1.mfn));
}

/// Makes `mfn` the root that the vCPU's user mode runs on; 0: it has none.
Result<void> new_user_base_pointer(const Request& request, const MmuextOp& op)
{
    if (request.foreign())
        return Error::NotPermitted;
    Vcpu& self = request.self;
    const Mfn old = mfn_of(MachineAddress(self.user_root)), root(op.arg1.mfn);
    if (root == old)
        return {};
    if (root != Mfn(0))
        TRY(mm::take_root(request.owner, root, mm::RootUse::user));
    self.user_root = address_of(root).value;
    if (old != Mfn(0))
        mm::put_root(old);
    return {};
}

Result<CpuMask> named_holders(const Request& request, const MmuextOp& op)
{
    const Result<CpuMask> cpus = holders_by_vcpu(request.domain(), op.arg2.vcpumask.address);
    return cpus.ok() ? cpus.value() : Result<CpuMask>(Error::Invalid);
}

Result<void> flush_all(const Request& request, CpuMask cpus)
{
    if (request.foreign())
        return Error::NotPermitted;
    machine::flush_tlb(cpus);
    return {};
}

Result<void> flush_page(const Request& request, const MmuextOp& op, CpuMask cpus)
{
    if (request.foreign())
        return Error::NotPermitted;
    const u64 address = op.arg1.linear_addr;
    if (abi::is_canonical(address) && !abi::in_hypervisor_hole(address))
        machine::flush_tlb_page(cpus, VirtualAddress(address));
    return {};
}

Result<void> flush_named(const Request& request, const MmuextOp& op)
{
    if (request.foreign())
        return Error::NotPermitted;
    const CpuMask cpus = TRY(named_holders(request, op));
    return op.cmd == MmuextCmd::tlb_flush_multi ? flush_all(request, cpus) : flush_page(request, op, cpus);
}

Result<void> flush_caches(const Request& request, Error without_privilege)
{
    if (request.foreign())
        return Error::NotPermitted;
    if (!request.owner.cache_control)
        return without_privilege;
    machine::flush_all_caches();
    return {};
}

Result<void> set_ldt(const Request& request, const MmuextOp& op)
{
    if (request.foreign())
        return Error::NotPermitted;
    const u32 entries = op.arg2.nr_ents;
    const u64 base = entries ? op.arg1.linear_addr : 0;
    if ((base & ~page_mask) || entries > max_ldt_entries || !guest_range_ok(base, u64{entries} * sizeof(u64)))
        return Error::Invalid;
    Vcpu& self = request.self;
    if (self.ldt_entries == entries && self.ldt_base == base)
        return {};
    mm::drop_ldt_pages(self);
    self.ldt_base = base;
    self.ldt_entries = entries;
    machine::load_ldt(self);
    return {};
}

Result<void> clear_page(const Request& request, const MmuextOp& op)
{
    const mm::TypeRef page = TRY(mm::get_page_and_type(Mfn(op.arg1.mfn), request.owner.id, mm::PageType::writable));
    memset(machine::map(page.mfn()), 0, page_size);
    return {};
}

Result<void> copy_page(const Request& request, const MmuextOp& op)
{
    const mm::PageRef from = TRY(mm::get_page(Mfn(op.arg2.src_mfn), request.owner.id));
    const mm::TypeRef to = TRY(mm::get_page_and_type(Mfn(op.arg1.mfn), request.owner.id, mm::PageType::writable));
    memmove(machine::map(to.mfn()), machine::map(from.mfn()), page_size);
    return {};
}

Result<void> operate(const Request& request, const MmuextOp& op)
{
    switch (op.cmd) {
    case MmuextCmd::pin_l1_table:
        return pin_table(request, op, mm::PageType::l1);
    case MmuextCmd::pin_l2_table:
        return pin_table(request, op, mm::PageType::l2);
    case MmuextCmd::pin_l3_table:
        return pin_table(request, op, mm::PageType::l3);
    case MmuextCmd::pin_l4_table:
        return pin_table(request, op, mm::PageType::l4);
    case MmuextCmd::unpin_table:
        return mm::unpin(request.owner, Mfn(op.arg1.mfn));
    case MmuextCmd::new_baseptr:
        return new_base_pointer(request, op);
    case MmuextCmd::new_user_baseptr:
        return new_user_base_pointer(request, op);
    case MmuextCmd::tlb_flush_local:
        return flush_all(request, CpuMask::of(machine::this_cpu()));
    case MmuextCmd::tlb_flush_all:
        return flush_all(request, translation_holders(request.domain()));
    case MmuextCmd::invlpg_local:
        return flush_page(request, op, CpuMask::of(machine::this_cpu()));
    case MmuextCmd::invlpg_all:
        return flush_page(request, op, translation_holders(request.domain()));
    case MmuextCmd::tlb_flush_multi:
    case MmuextCmd::invlpg_multi:
        return flush_named(request, op);
    case MmuextCmd::flush_cache:
        return flush_caches(request, Error::Access);
    case MmuextCmd::flush_cache_global:
        return flush_caches(request, Error::Invalid);
    case MmuextCmd::set_ldt:
        return set_ldt(request, op);
    case MmuextCmd::clear_page:
        return clear_page(request, op);
    case MmuextCmd::copy_page:
        return copy_page(request, op);
    case MmuextCmd::mark_super:
    case MmuextCmd::unmark_super:
        return Error::NotSupported;
    }
    return unknown_operation(request.domain(), "mmuext_op", static_cast<u64>(op.cmd));
}

/// Works through the list. An unpin that has left tables to invalidate is done only once they are.
Result<void> operate_list(const Request& request, GuestIn<MmuextOp> list, u32 count, u32& finished)
{
    for (; finished < count; ++finished) {
        if (finished) {
            if (should_preempt())
                return Error::Preempted;
            TRY(mm::finish_pending(request.owner));
        }
        const MmuextOp op = TRY(list.copy_in(finished));
        TRY(operate(request, op));
    }
    return {};
}

}

Result<void> new_kernel_root(Vcpu& self, Mfn mfn)
{
    const MachineAddress old(self.kernel_root), root = address_of(mfn);
    if (root == old) {
        machine::load_root(root);
        return {};
    }
    TRY(mm::take_root(self.domain->memory, mfn, mm::RootUse::kernel));
    self.kernel_root = root.value;
    mm::drop_ldt_pages(self);
    machine::load_root(root);
    mm::put_root(mfn_of(old));
    return {};
}

i64 mmuext_op(Vcpu& self, Arguments& args)
{
    const Result<NamedOwner> named = named_owner(*self.domain, DomId(static_cast<u16>(args.a[3])));
    if (!named.ok())
        return to_errno(named.error());
    mm::Owner& owner = *named.value().owner;
    if (&owner == &mm::io_owner() || &owner == &mm::xen_owner())
        return to_errno(Error::Invalid);

    Progress progress(args);
    u32 finished = 0;
    Result<void> result = mm::finish_pending(owner);
    if (result.ok() && !progress.only_pending())
        result = operate_list({.self = self, .owner = owner}, GuestIn<MmuextOp>(args.a[0]), progress.count(), finished);
    return progress.end(result, finished, sizeof(MmuextOp), owner);
}

}
