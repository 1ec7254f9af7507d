// Grants, as a guest that gives and a guest that takes: the table, entries, maps and unmaps.
#pragma once

#include "frontends/guest/guest.hpp"
#include "hypervisor/abi/grant_table.hpp"

namespace xylem::guest {

/// The number that the others know this domain by.
abi::RawDomId own_domain_id();

template <typename T> int64_t grant_op(abi::GnttabCmd cmd, T& argument, u64 count = 1)
{
    return hypercall(abi::HypercallNumber::grant_table_op, static_cast<u64>(cmd), address_of(argument), count);
}

/// The entries of the table; those of its first frame are there after the first call. Null if the hypervisor gives
/// none.
abi::GrantEntryV1* grant_entries();
/// Lets `domain` use `page`; `flags`: of gtf_*, besides the permission.
void grant(abi::RawGrantRef ref, abi::RawDomId domain, const void* page, u16 flags = 0);

/// Lets `domain` use `page`, by a reference that nothing else uses. @return NoSpace  the table is full
Result<GrantRef> allocate_grant(DomId domain, const void* page, u16 flags = 0);
/// Takes an allocated reference back. @return false  the other side has the page mapped: the grant stands
bool end_grant(GrantRef ref);

/// Maps, unmaps; the hypervisor's status is in what they return.
abi::GnttabMapGrantRef map_grant(u64 host_address, u32 flags, abi::RawGrantRef ref, abi::RawDomId domain);
abi::GnttabStatus unmap_grant(u64 host_address, abi::RawGrantHandle handle, u64 dev_bus_address = 0);

}
