// See grants.hpp.

#include "frontends/guest/grants.hpp"

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

abi::GrantEntryV1* grant_entries()
{
    static abi::GrantEntryV1* entries;
    if (entries)
        return entries;
    u64 frames[1] = {};
    abi::GnttabSetupTable setup{abi::domid_self, 1, abi::GnttabStatus::general_error, {address_of(frames)}};
    if (grant_op(abi::GnttabCmd::setup_table, setup) != 0 || setup.status != abi::GnttabStatus::okay)
        return nullptr;
    void* page = allocate_page();
    if (update_va_mapping(page, frames[0] << page_shift | kernel_page) == 0)
        entries = static_cast<abi::GrantEntryV1*>(page);
    return entries;
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
