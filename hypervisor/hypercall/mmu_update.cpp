// mmu_update: a list of writes to page-table entries, by machine address, and to the M2P.
// (xen/include/public/xen.h, HYPERVISOR_mmu_update; docs/pv-abi.md 3.6)
//
// Linux sends nearly all of its thousands of updates a process one by one, for its own tables and frames, and asks for
// no count: such a call needs nobody to be named, no list and no progress, and goes the short way (update_one).

#include "hypervisor/domain/lifecycle.hpp"
#include "hypervisor/hypercall/hypercall.hpp"
#include "hypervisor/hypercall/paging_common.hpp"
#include "hypervisor/mm/references.hpp"
#include "hypervisor/mm/update.hpp"

namespace xylem::hypercall {
namespace {

/// Who the argument `foreigndom` names: the owner of the data in its low half, that of the tables, plus one, in its
/// high half.
struct Named {
    NamedOwner data;
    DomainRef tables_ref;
    Domain* tables;

    static Result<Named> by(Domain& self, u32 foreigndom)
    {
        Named named{.data = {}, .tables_ref = {}, .tables = &self};
        if (const u32 tables = foreigndom >> 16) {
            const DomId id(static_cast<u16>(tables - 1));
            if (id != self.id) {
                named.tables_ref = TRY(find_domain(id));
                named.tables = named.tables_ref.get();
            }
        }
        if (!named.tables->vcpu(VcpuId(0)))
            return Error::Invalid;
        named.data = TRY(named_owner(self, DomId(static_cast<u16>(foreigndom))));
        if (named.tables != &self && !self.privileged())
            return Error::NotPermitted;
        return named;
    }
};

/// Notes what pseudo-physical number the guest gives to a frame. A wrong one harms only whoever owns the frame.
Result<void> update_machphys(Domain& self, const Named& named, const abi::MmuUpdate& request)
{
    if (named.tables != &self)
        return Error::NotPermitted;
    const Mfn mfn = mfn_of(MachineAddress(request.ptr));
    const mm::PageRef page = TRY(mm::get_page(mfn, named.data.owner->id));
    atomic_store(&mm::m2p[mfn.value], request.val);
    return {};
}

constexpr abi::MmuUpdateCmd command_of(const abi::MmuUpdate& request)
{
    return static_cast<abi::MmuUpdateCmd>(request.ptr & abi::mmu_update_cmd_mask);
}

constexpr bool updates_table(abi::MmuUpdateCmd command)
{
    return command == abi::MmuUpdateCmd::normal_pt_update || command == abi::MmuUpdateCmd::pt_update_preserve_ad ||
           command == abi::MmuUpdateCmd::pt_update_no_translate;
}

/// For commands of updates_table().
inline Result<void> update_table(const mm::Parties& parties, const abi::MmuUpdate& request, mm::FlushNeeded& flush)
{
    const MachineAddress entry(request.ptr & ~abi::mmu_update_cmd_mask);
    const bool preserves = command_of(request) == abi::MmuUpdateCmd::pt_update_preserve_ad;
    return mm::update_entry(parties, entry, request.val,
                            preserves ? mm::AccessedDirty::preserve : mm::AccessedDirty::replace, flush);
}

Result<void> update(Domain& self, const Named& named, const abi::MmuUpdate& request, mm::FlushNeeded& flush)
{
    const mm::Parties parties{.tables = named.tables->memory, .data = *named.data.owner, .caller = self.memory};
    if (updates_table(command_of(request)))
        return update_table(parties, request, flush);
    if (command_of(request) == abi::MmuUpdateCmd::machphys_update)
        return update_machphys(self, named, request);
    return Error::NotImplemented;
}

/// Works through the list. `finished` counts the entries that are done.
Result<void> update_list(Domain& self, const Named& named, GuestIn<abi::MmuUpdate> list, u32 count, u32& finished,
                         mm::FlushNeeded& flush)
{
    for (; finished < count; ++finished) {
        if (finished && should_preempt())
            return Error::Preempted;
        const abi::MmuUpdate request = TRY(list.copy_in(finished));
        TRY(update(self, named, request, flush));
    }
    return {};
}

void flush_if_needed(const Domain& tables, mm::FlushNeeded flush)
{
    if (flush == mm::FlushNeeded::all_of_owner) [[unlikely]]
        machine::flush_tlb(translation_holders(tables));
}

[[gnu::noinline]] i64 update_many(Domain& domain, Arguments& args)
{
    Progress progress(args);
    const Result<Named> named = Named::by(domain, static_cast<u32>(args.a[3]));
    if (!named.ok())
        return to_errno(named.error());
    mm::Owner& tables = named.value().tables->memory;

    u32 finished = 0;
    mm::FlushNeeded flush = mm::FlushNeeded::none;
    Result<void> result = mm::finish_pending(tables);
    if (result.ok() && !progress.only_pending())
        result =
            update_list(domain, named.value(), GuestIn<abi::MmuUpdate>(args.a[0]), progress.count(), finished, flush);
    flush_if_needed(*named.value().tables, flush);
    return progress.end(result, finished, sizeof(abi::MmuUpdate), tables);
}

/// Whether the call is of one update, of the caller's own, and nothing is left of earlier ones.
bool is_one_of_its_own(const Domain& domain, const Arguments& args)
{
    constexpr u64 self = domid_self.value;
    return static_cast<u32>(args.a[1]) == 1 && static_cast<u32>(args.a[3]) == self && args.a[2] == 0 &&
           !mm::has_pending(domain.memory);
}

/// Does one update of the caller's own. What is interrupted goes on as a list of one.
i64 update_one(Domain& domain, const abi::MmuUpdate& request, Arguments& args)
{
    const mm::Parties parties{.tables = domain.memory, .data = domain.memory, .caller = domain.memory};
    mm::FlushNeeded flush = mm::FlushNeeded::none;
    const Result<void> result = update_table(parties, request, flush);
    flush_if_needed(domain, flush);
    if (result == Error::Preempted || mm::has_pending(domain.memory)) [[unlikely]]
        return Progress(args).end(result, result.ok() ? 1 : 0, sizeof(abi::MmuUpdate), domain.memory);
    return to_wire(result);
}

}

i64 mmu_update(Vcpu& self, Arguments& args)
{
    Domain& domain = *self.domain;
    if (!is_one_of_its_own(domain, args)) [[unlikely]]
        return update_many(domain, args);
    const Result<abi::MmuUpdate> request = GuestIn<abi::MmuUpdate>(args.a[0]).copy_in();
    if (!request.ok()) [[unlikely]]
        return to_errno(request.error());
    if (!updates_table(command_of(request.value()))) [[unlikely]]
        return update_many(domain, args); // which reads it anew, and decides by what it has read
    return update_one(domain, request.value(), args);
}

}
