// Where things lie in the store, and who may do what there.
#pragma once

#include "hypervisor/base/types.hpp"
#include "xenstore/client/client.hpp"

#include <fmt/format.h>

namespace xylem::xl {

inline std::string domain_path(DomId domain)
{
    return fmt::format("/local/domain/{}", domain.value);
}
inline std::string libxl_path(DomId domain)
{
    return fmt::format("/libxl/{}", domain.value);
}
inline std::string vm_path(const std::string& uuid)
{
    return "/vm/" + uuid;
}

using Permissions = std::array<xenstore::Permission, 2>;

inline constexpr DomId dom0_id{0};

/// dom0's, readable for the guest.
inline Permissions read_only_for(DomId guest)
{
    return {{{dom0_id, xenstore::Access::none}, {guest, xenstore::Access::read}}};
}
/// A frontend's: the guest's, readable for the domain of its backend.
inline Permissions owned_by(DomId guest, DomId backend)
{
    return {{{guest, xenstore::Access::none}, {backend, xenstore::Access::read}}};
}
/// A backend's: its domain's, readable for the guest.
inline Permissions served_by(DomId backend, DomId guest)
{
    return {{{backend, xenstore::Access::none}, {guest, xenstore::Access::read}}};
}

/// Removes a node and those above it that it leaves empty, up to but not including /local/domain/ID, /libxl or /vm.
void remove_with_empty_parents(xenstore::StoreView& store, const std::string& path);

}
