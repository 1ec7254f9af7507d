// grant_table_op: walks the list of operations, finds the domains they name, and lets grant_tables/ do each. Operations
// answer in their own status field; the call itself fails only for what concerns the list as a whole. A long list is
// continued by advancing the list and reducing the count. (xen/include/public/grant_table.h; docs/pv-abi.md 4.4)

#include "grant_tables/grant_tables.hpp"
#include "hypervisor/core/guest_ptr.hpp"
#include "hypervisor/hypercall/hypercall.hpp"

#include <stddef.h>

namespace xylem::hypercall {

namespace {

using grant_tables::Status;

/// Translations are flushed once for so many unmappings.
constexpr u32 unmap_batch = 32;

struct Call {
    Vcpu& self;
    Domain& caller;
    Arguments& args;
    u64 list;
    u32 count;

    grant_tables::Mapper mapper() const { return {caller.grants, caller.memory, MachineAddress(self.kernel_root)}; }
};

/// What is left after `done` operations of `bytes` each becomes the arguments of the call to continue.
i64 continue_after(const Call& call, u32 done, u64 bytes)
{
    call.args.a[1] = call.list + done * bytes;
    call.args.a[2] = call.count - done;
    return preempted;
}

/// Runs `operate` on each operation of the list, and writes it back.
template <typename Op, typename Operate> i64 for_each(const Call& call, Operate operate)
{
    const GuestInOut<Op> list(call.list);
    for (u32 i = 0; i < call.count; ++i) {
        if (i != 0 && should_preempt())
            return continue_after(call, i, sizeof(Op));
        Result<Op> op = list.copy_in(i);
        if (!op.ok())
            return to_errno(op.error());
        operate(op.value());
        const Result<void> written = list.copy_out(op.value(), i);
        if (!written.ok())
            return to_errno(written.error());
    }
    return 0;
}

/// The one operation of calls that take no list.
template <typename Op, typename Operate> i64 single(const Call& call, Operate operate)
{
    return call.count == 1 ? for_each<Op>(call, operate) : to_errno(Error::Invalid);
}

/// The domain whose table an operation is about: the caller's own, or another's by privilege.
Status find_subject(const Call& call, abi::RawDomId id, DomainRef& subject)
{
    Result<DomainRef> found = find_domain_or_self(call.caller, DomId(id));
    if (!found.ok())
        return Status::bad_domain;
    if (found.value().get() != &call.caller && !call.caller.privileged())
        return Status::permission_denied;
    subject = found.take();
    return Status::okay;
}

/// A granter, kept from one operation of a list to the next.
class Granter {
public:
    /// @return null if there is no such domain
    Domain* find(abi::RawDomId id)
    {
        if (domain_.get() && domain_->id == DomId(id))
            return domain_.get();
        Result<DomainRef> found = find_domain(DomId(id));
        if (!found.ok())
            return nullptr;
        domain_ = found.take();
        return domain_.get();
    }

private:
    DomainRef domain_;
};

i64 map_grant_ref(const Call& call)
{
    Granter granter;
    const grant_tables::Mapper mapper = call.mapper();
    return for_each<abi::GnttabMapGrantRef>(call, [&](abi::GnttabMapGrantRef& op) {
        if (Domain* domain = granter.find(op.dom))
            grant_tables::map(mapper, domain->grants, op);
        else
            op.status = Status::bad_domain;
    });
}

/// Unmaps up to `unmap_batch` operations from `first` on: statuses, then one flush, then what the mappings held is put.
template <typename Op, typename Unmap> Result<void> unmap_some(const Call& call, u32 first, u32 count, Unmap unmap)
{
    grant_tables::Unmapped unmapped[unmap_batch];
    const grant_tables::Mapper mapper = call.mapper();
    const GuestInOut<Op> list(call.list);
    Result<void> result;
    for (u32 i = 0; i < count && result.ok(); ++i) {
        Result<Op> op = list.copy_in(first + i);
        if (!op.ok()) {
            result = op.error();
            break;
        }
        op.value().status = unmap(mapper, op.value(), unmapped[i]);
        result = list.copy_out(op.value(), first + i);
    }
    bool any = false;
    for (const grant_tables::Unmapped& one : unmapped)
        any |= (one.halves & grant_tables::mapping_host) != 0;
    if (any)
        machine::flush_tlb({atomic_load(&call.caller.memory.dirty_cpus.bits)});
    for (const grant_tables::Unmapped& one : unmapped)
        grant_tables::finish_unmap(call.caller.grants, one);
    return result;
}

template <typename Op, typename Unmap> i64 unmap_list(const Call& call, Unmap unmap)
{
    for (u32 done = 0; done < call.count;) {
        if (done != 0 && should_preempt())
            return continue_after(call, done, sizeof(Op));
        const u32 some = call.count - done < unmap_batch ? call.count - done : unmap_batch;
        const Result<void> result = unmap_some<Op>(call, done, some, unmap);
        if (!result.ok())
            return to_errno(result.error());
        done += some;
    }
    return 0;
}

/// The operation of a call that tells frames: none if the list it gives cannot be written to.
template <typename Op, typename Operate> i64 single_with_frames(const Call& call, Operate operate)
{
    bool reachable = true;
    const i64 result = single<Op>(call, [&](Op& op) {
        reachable = guest_range_ok(op.frame_list.address, u64{op.nr_frames} * sizeof(abi::RawFrame));
        if (reachable)
            op.status = operate(op);
    });
    return result == 0 && !reachable ? to_errno(Error::Fault) : result;
}

/// Grows the table and tells its frames.
/// @param unfinished  set if the table has grown for a while, and something better waits: call again
Status setup(const Call& call, const abi::GnttabSetupTable& op, bool& unfinished)
{
    DomainRef subject;
    const Status found = find_subject(call, op.dom, subject);
    if (found != Status::okay)
        return found;
    if (op.nr_frames > grant_tables::frame_limit(subject->grants))
        return Status::general_error;
    const GuestOut<abi::RawFrame> frames(op.frame_list.address);
    const u32 grown_until_asked = grant_tables::frame_count(subject->grants) + 8;
    for (u32 i = 0; i < op.nr_frames; ++i) {
        unfinished = i >= grown_until_asked && should_preempt();
        if (unfinished)
            return Status::okay;
        Result<Mfn> frame = subject->grants.shared_frame(i);
        if (!frame.ok())
            return Status::general_error;
        if (!frames.copy_out(frame.value().value, i).ok())
            return Status::bad_virt_addr;
    }
    return Status::okay;
}

i64 setup_table(const Call& call)
{
    bool unfinished = false;
    const i64 result =
        single_with_frames<abi::GnttabSetupTable>(call, [&](auto& op) { return setup(call, op, unfinished); });
    return unfinished ? preempted : result;
}

Status query_size(const Call& call, abi::GnttabQuerySize& op)
{
    DomainRef subject;
    const Status found = find_subject(call, op.dom, subject);
    if (found == Status::okay) {
        op.nr_frames = grant_tables::frame_count(subject->grants);
        op.max_nr_frames = grant_tables::frame_limit(subject->grants);
    }
    return found;
}

/// There are as many as the table has grown to have: none of version 1.
Status get_status_frames(const Call& call, const abi::GnttabGetStatusFrames& op)
{
    DomainRef subject;
    const Status found = find_subject(call, op.dom, subject);
    if (found != Status::okay)
        return found;
    if (op.nr_frames > grant_tables::status_frame_count(subject->grants))
        return Status::general_error;
    const GuestOut<abi::RawFrame> frames(op.frame_list.address);
    for (u32 i = 0; i < op.nr_frames; ++i) {
        Result<Mfn> frame = subject->grants.status_frame(i);
        if (!frame.ok())
            return Status::general_error; // the version has changed meanwhile
        if (!frames.copy_out(frame.value().value, i).ok())
            return Status::bad_virt_addr;
    }
    return Status::okay;
}

i64 set_version(const Call& call)
{
    const GuestInOut<abi::GnttabSetVersion> pointer(call.list);
    Result<abi::GnttabSetVersion> op = pointer.copy_in();
    if (!op.ok())
        return to_errno(op.error());
    const Result<void> result = grant_tables::set_version(call.caller.grants, op.value().version);
    const Result<void> written = pointer.copy_out({.version = grant_tables::version(call.caller.grants)});
    return to_wire(written.ok() ? result : written);
}

i64 get_version(const Call& call)
{
    const GuestInOut<abi::GnttabGetVersion> pointer(call.list);
    Result<abi::GnttabGetVersion> op = pointer.copy_in();
    if (!op.ok())
        return to_errno(op.error());
    DomainRef subject;
    const Status found = find_subject(call, op.value().dom, subject);
    if (found != Status::okay)
        return to_errno(found == Status::bad_domain ? Error::NoSuchDomain : Error::NotPermitted);
    op.value().version = grant_tables::version(subject->grants);
    return to_wire(pointer.copy_out(op.value()));
}

/// One side of a copy, kept from one operation of a list to the next: drivers copy many pieces of one page in a row.
struct CopySide {
    DomainRef domain; // outlives the page
    grant_tables::CopyPage page;
    abi::GnttabCopy::Pointer held{};
    bool holds = false;
    bool held_by_ref = false;

    bool same(const abi::GnttabCopy::Pointer& wanted, bool by_ref) const
    {
        if (!holds || held_by_ref != by_ref || held.domid != wanted.domid)
            return false;
        return by_ref ? held.u.ref == wanted.u.ref : held.u.gmfn == wanted.u.gmfn;
    }
};

/// @return permission_denied  another's frame, by number; bad_domain
Status find_copy_domain(const Call& call, const abi::GnttabCopy::Pointer& wanted, bool by_ref, DomainRef& domain)
{
    if (!by_ref && DomId(wanted.domid) != domid_self)
        return Status::permission_denied;
    Result<DomainRef> found = find_domain_or_self(call.caller, DomId(wanted.domid));
    if (!found.ok())
        return Status::bad_domain;
    domain = found.take();
    return Status::okay;
}

Status hold(const Call& call, CopySide& side, const abi::GnttabCopy::Pointer& wanted, bool by_ref,
            grant_tables::Access access)
{
    if (side.same(wanted, by_ref))
        return Status::okay;
    side.holds = false;
    side.page.put();
    Status status = find_copy_domain(call, wanted, by_ref, side.domain);
    if (status != Status::okay)
        return status;
    status = by_ref ? side.page.take_granted(side.domain->grants, wanted.u.ref, call.caller.id, access)
                    : side.page.take_own(call.caller.id, Mfn(wanted.u.gmfn), access);
    if (status != Status::okay)
        return status;
    side.held = wanted;
    side.held_by_ref = by_ref;
    side.holds = true;
    return Status::okay;
}

Status copy_one(const Call& call, CopySide& source, CopySide& destination, const abi::GnttabCopy& op)
{
    Status status = hold(call, source, op.source, op.flags & abi::gntcopy_source_gref, grant_tables::Access::read_only);
    if (status == Status::okay)
        status = hold(call, destination, op.dest, op.flags & abi::gntcopy_dest_gref, grant_tables::Access::writable);
    if (status != Status::okay)
        return status;
    return grant_tables::copy_bytes(source.page, op.source.offset, destination.page, op.dest.offset, op.len);
}

i64 copy(const Call& call)
{
    CopySide source, destination;
    return for_each<abi::GnttabCopy>(call,
                                     [&](abi::GnttabCopy& op) { op.status = copy_one(call, source, destination, op); });
}

/// As in Xen, the frame leaves the caller before anybody is asked whether he wants it.
Status transfer(const Call& call, const abi::GnttabTransfer& op)
{
    grant_tables::Transfer transfer(call.caller.memory);
    const Status taken = transfer.take(Mfn(op.mfn));
    if (taken != Status::okay)
        return taken;
    Result<DomainRef> recipient = find_domain(DomId(op.domid));
    return recipient.ok() ? transfer.give(recipient.value()->grants, op.ref) : Status::bad_domain;
}

i64 dispatch(const Call& call, abi::GnttabCmd command)
{
    switch (command) {
    case abi::GnttabCmd::map_grant_ref:
        return map_grant_ref(call);
    case abi::GnttabCmd::unmap_grant_ref:
        return unmap_list<abi::GnttabUnmapGrantRef>(call, grant_tables::unmap);
    case abi::GnttabCmd::unmap_and_replace:
        return unmap_list<abi::GnttabUnmapAndReplace>(call, grant_tables::unmap_and_replace);
    case abi::GnttabCmd::copy:
        return copy(call);
    case abi::GnttabCmd::setup_table:
        return setup_table(call);
    case abi::GnttabCmd::query_size:
        return single<abi::GnttabQuerySize>(call, [&](auto& op) { op.status = query_size(call, op); });
    case abi::GnttabCmd::get_status_frames:
        return single_with_frames<abi::GnttabGetStatusFrames>(call,
                                                              [&](auto& op) { return get_status_frames(call, op); });
    case abi::GnttabCmd::set_version:
        return set_version(call);
    case abi::GnttabCmd::get_version:
        return get_version(call);
    case abi::GnttabCmd::swap_grant_ref:
        return for_each<abi::GnttabSwapGrantRef>(
            call, [&](auto& op) { op.status = grant_tables::swap_entries(call.caller.grants, op.ref_a, op.ref_b); });
    case abi::GnttabCmd::transfer:
        return for_each<abi::GnttabTransfer>(call, [&](auto& op) { op.status = transfer(call, op); });
    case abi::GnttabCmd::dump_table:
    case abi::GnttabCmd::cache_flush:
        break;
    }
    return to_errno(unknown_operation(call.caller, "grant_table_op", static_cast<u64>(command)));
}

}

i64 grant_table_op(Vcpu& self, Arguments& args)
{
    const auto count = static_cast<u32>(args.a[2]);
    if (static_cast<i32>(count) < 0)
        return to_errno(Error::Invalid);
    const auto command = static_cast<u32>(args.a[0]);
    constexpr unsigned progress_shift = 12;
    if (command >> progress_shift)
        return to_errno(Error::Invalid); // the progress of cache_flush, which is not served
    const Call call{self, *self.domain, args, args.a[1], count};
    return dispatch(call, static_cast<abi::GnttabCmd>(command));
}

}
