// update_va_mapping: one L1 entry, by the virtual address that it maps in the caller's own tables, with a flush.
// (xen/include/public/xen.h, HYPERVISOR_update_va_mapping; docs/pv-abi.md 3.7)

#include "hypervisor/hypercall/hypercall.hpp"
#include "hypervisor/hypercall/paging_common.hpp"
#include "hypervisor/mm/update.hpp"

namespace xylem::hypercall {
namespace {

/// The processors that `flags` names: this one, all, or those of a bitmap of vCPUs. @return Fault
Result<CpuMask> flush_targets(const Domain& domain, u64 flags)
{
    const u64 where = flags & ~abi::uvmf_flushtype_mask;
    if (where == abi::uvmf_local)
        return CpuMask::of(machine::this_cpu());
    return where == abi::uvmf_all ? translation_holders(domain) : holders_by_vcpu(domain, where);
}

Result<void> flush(const Domain& domain, VirtualAddress address, u64 flags)
{
    const u64 type = flags & abi::uvmf_flushtype_mask;
    if (type != abi::uvmf_tlb_flush && type != abi::uvmf_invlpg)
        return {};
    const CpuMask cpus = TRY(flush_targets(domain, flags));
    if (type == abi::uvmf_tlb_flush)
        machine::flush_tlb(cpus);
    else
        machine::flush_tlb_page(cpus, address);
    return {};
}

Result<void> update(Vcpu& self, mm::Owner& data, VirtualAddress address, u64 value, u64 flags)
{
    Domain& domain = *self.domain;
    const MachineAddress entry = TRY(mm::find_l1_entry(MachineAddress(self.kernel_root), address));
    const unsigned index = abi::page_table_index(address.value, 1);
    const mm::Parties parties{.tables = domain.memory, .data = data, .caller = domain.memory};
    TRY(mm::update_l1_entry(parties, mfn_of(entry), index, value, mm::AccessedDirty::replace));
    return flush(domain, address, flags);
}

}

i64 update_va_mapping(Vcpu& self, Arguments& args)
{
    return to_wire(update(self, self.domain->memory, VirtualAddress(args.a[0]), args.a[1], args.a[2]));
}

i64 update_va_mapping_otherdomain(Vcpu& self, Arguments& args)
{
    const Result<NamedOwner> named = named_owner(*self.domain, DomId(static_cast<u16>(args.a[3])));
    if (!named.ok())
        return to_errno(named.error());
    return to_wire(update(self, *named.value().owner, VirtualAddress(args.a[0]), args.a[1], args.a[2]));
}

}
