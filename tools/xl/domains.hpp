// Domains as people name them.
#pragma once

#include "tools/xl/session.hpp"

namespace xylem::xl {

/// The name that the store has for a domain.
std::optional<std::string> find_name(Session& session, DomId domain);
std::string name_or_null(Session& session, DomId domain);

/// The one of `domains` that is called `name`.
std::optional<dom0::DomainInfo> find_by_name(Session& session, const std::vector<dom0::DomainInfo>& domains,
                                             const std::string& name);
/// The domain that is called `name`.
std::optional<DomId> find_by_name(Session& session, const std::string& name);

/// A domain by its name, or by its number where nobody has that for a name.
/// @throws Failure  there is no such domain
dom0::DomainInfo resolve(Session& session, const std::string& name_or_id);
/// The same, refusing dom0.
dom0::DomainInfo resolve_guest(Session& session, const std::string& name_or_id, const char* what);

/// The domain that is to serve a device of `guest`, which may not be made yet: dom0 if `name_or_id` is empty.
/// `what` is the device, for an error.
/// @throws Failure  it is none, has ended, or is the guest
DomId resolve_backend(Session& session, const std::string& name_or_id, const std::string& what,
                      std::optional<DomId> guest = std::nullopt);

inline DomId id_of(const dom0::DomainInfo& info)
{
    return DomId(info.domain);
}

/// A domain's handle as a UUID is written.
std::string uuid_text(const abi::DomainHandle& handle);
abi::DomainHandle uuid_bytes(const std::string& text);
std::string new_uuid();

/// Of the domains of `names`, or of all of them.
std::vector<dom0::DomainInfo> select(Session& session, const std::vector<std::string>& names);

}
