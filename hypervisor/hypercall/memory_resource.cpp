// XENMEM_acquire_resource: frames that belong to another domain's life, for tools to map: its grant table.
// (docs/pv-abi.md 4.1)

#include "hypervisor/domain/lifecycle.hpp"
#include "hypervisor/hypercall/memory_op.hpp"

namespace xylem::hypercall {
namespace {

Result<DomainRef> remote_domain(Domain& caller, DomId id)
{
    if (id == caller.id)
        return Error::NotPermitted;
    DomainRef domain = TRY(find_domain(id));
    if (!caller.privileged())
        return Error::NotPermitted;
    return domain;
}

/// How many frames the resource has at most. A table of version 1 has no status frames, but may come to have some.
Result<u32> resource_size(Domain& domain, const abi::MemAcquireResource& resource)
{
    if (resource.type != abi::ResourceType::grant_table)
        return Error::NotSupported;
    const u32 frames = grant_tables::frame_limit(domain.grants);
    switch (resource.id) {
    case abi::resource_grant_table_id_shared:
        return frames;
    case abi::resource_grant_table_id_status:
        return (frames * grant_tables::entries_per_frame_v2 + grant_tables::statuses_per_frame - 1) /
               grant_tables::statuses_per_frame;
    default:
        return Error::Invalid;
    }
}

Result<void> tell_frames(Domain& domain, const abi::MemAcquireResource& resource, u64& done)
{
    const GuestOut<abi::RawFrame> out(resource.frame_list.address);
    for (const u64 start = done; done < resource.nr_frames; ++done) {
        if (done != start && should_preempt())
            return Error::Preempted;
        const auto index = static_cast<u32>(resource.frame + done);
        const Mfn mfn = TRY(resource.id == abi::resource_grant_table_id_shared ? domain.grants.shared_frame(index)
                                                                               : domain.grants.status_frame(index));
        TRY(out.copy_out(mfn.value, done));
    }
    return {};
}

Result<void> acquire(const MemoryRequest& request, u64& done)
{
    const auto argument = request.argument<abi::MemAcquireResource>();
    abi::MemAcquireResource resource = TRY(argument.copy_in());
    u32 end = 0;
    if (resource.pad != 0 || resource.frame > UINT32_MAX ||
        __builtin_add_overflow(static_cast<u32>(resource.frame), resource.nr_frames, &end) || done > resource.nr_frames)
        return Error::Invalid;
    const DomainRef domain = TRY(remote_domain(request.caller(), DomId(resource.domid)));
    const u32 size = TRY(resource_size(*domain, resource));
    if (resource.frame_list.is_null()) {
        if (resource.nr_frames != 0)
            return Error::Invalid;
        resource.nr_frames = size;
        return argument.copy_out(resource);
    }
    if (end > size)
        return Error::Invalid;
    return tell_frames(*domain, resource, done);
}

}

i64 acquire_resource(const MemoryRequest& request)
{
    u64 done = request.start();
    const Result<void> result = acquire(request, done);
    return result == Error::Preempted ? request.continue_at(done) : to_wire(result);
}

}
