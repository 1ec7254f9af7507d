// See grants.hpp.

#include "frontends/guest/grants.hpp"

#include "frontends/guest/memory.hpp"
#include "hypervisor/abi/event_channel.hpp"

namespace xylem::guest {

abi::RawDomId own_domain_id()
{
    // A port that waits for oneself tells one's number.
    const auto event_op = [](abi::EvtchnCmd cmd, auto& argument) {
        return hypercall(abi::HypercallNumber::event_channel_op, static_cast<u64>(cmd), address_of(argument));
    };
    abi::EvtchnAllocUnbound alloc{abi::domid_self, abi::domid_self, 0};
    abi::EvtchnStatus status{};
    status.dom = abi::domid_self;
    if (event_op(abi::EvtchnCmd::alloc_unbound, alloc) != 0)
        return abi::domid_invalid;
    status.port = alloc.port;
    const bool told = event_op(abi::EvtchnCmd::status, status) == 0;
    abi::EvtchnClose close{alloc.port};
    event_op(abi::EvtchnCmd::close, close);
    return told ? status.u.unbound.dom : abi::domid_invalid;
}

namespace {

constexpr u32 entries_per_frame = page_size / sizeof(abi::GrantEntryV1), most_frames = 8;

abi::GrantEntryV1* table; // room for most_frames
u32 frames_mapped;

// References given back, each with the next one in `frame`; and the first that was never used.
u32 free_refs = 0, next_ref = abi::grant_nr_reserved_entries;

bool map_next_frame()
{
    if (!table)
        table = static_cast<abi::GrantEntryV1*>(allocate_pages(most_frames));
    if (!table || frames_mapped == most_frames)
        return false;
    u64 frames[most_frames] = {};
    abi::GnttabSetupTable setup{
        abi::domid_self, frames_mapped + 1, abi::GnttabStatus::general_error, {address_of(frames)}};
    if (grant_op(abi::GnttabCmd::setup_table, setup) != 0 || setup.status != abi::GnttabStatus::okay)
        return false;
    const void* place = table + frames_mapped * entries_per_frame;
    if (update_va_mapping(place, frames[frames_mapped] << page_shift | kernel_page) != 0)
        return false;
    ++frames_mapped;
    return true;
}

u32 take_ref()
{
    if (const u32 ref = free_refs) {
        free_refs = table[ref].frame;
        return ref;
    }
    if (next_ref >= frames_mapped * entries_per_frame && !map_next_frame())
        return 0;
    return next_ref++;
}

}

abi::GrantEntryV1* grant_entries()
{
    return frames_mapped || map_next_frame() ? table : nullptr;
}

Result<GrantRef> allocate_grant(DomId domain, const void* page, u16 flags)
{
    const u32 ref = take_ref();
    if (ref == 0)
        return Error::NoSpace;
    grant(ref, domain.value, page, flags);
    return GrantRef(ref);
}

bool end_grant(GrantRef ref)
{
    abi::GrantEntryV1& entry = table[ref.value];
    u16 flags = __atomic_load_n(&entry.flags, __ATOMIC_ACQUIRE);
    do
        if (flags & (abi::gtf_reading | abi::gtf_writing))
            return false;
    while (!__atomic_compare_exchange_n(&entry.flags, &flags, abi::gtf_invalid, false, __ATOMIC_SEQ_CST,
                                        __ATOMIC_ACQUIRE));
    entry.frame = free_refs;
    free_refs = ref.value;
    return true;
}

void grant(abi::RawGrantRef ref, abi::RawDomId domain, const void* page, u16 flags)
{
    abi::GrantEntryV1& entry = grant_entries()[ref];
    entry = {abi::gtf_invalid, domain, static_cast<u32>(mfn_of_address(page))};
    __atomic_store_n(&entry.flags, static_cast<u16>(abi::gtf_permit_access | flags), __ATOMIC_SEQ_CST);
}

abi::GnttabMapGrantRef map_grant(u64 host_address, u32 flags, abi::RawGrantRef ref, abi::RawDomId domain)
{
    abi::GnttabMapGrantRef request{host_address, flags, ref, domain, abi::GnttabStatus::eagain, 0, 0};
    grant_op(abi::GnttabCmd::map_grant_ref, request);
    return request;
}

abi::GnttabStatus unmap_grant(u64 host_address, abi::RawGrantHandle handle, u64 dev_bus_address)
{
    abi::GnttabUnmapGrantRef request{host_address, dev_bus_address, handle, abi::GnttabStatus::eagain};
    grant_op(abi::GnttabCmd::unmap_grant_ref, request);
    return request.status;
}

}
