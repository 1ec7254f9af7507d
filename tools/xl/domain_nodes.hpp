// The part of the store that is a domain's own.
#pragma once

#include "dom0/builder/builder.hpp"
#include "tools/xl/config/domain_config.hpp"
#include "xenstore/client/client.hpp"

#include <optional>
#include <string>

namespace xylem::xl {

/// What xl allows a console of output that nobody reads. (bytes)
inline constexpr unsigned console_limit = 1 << 20;

struct DomainRings {
    dom0::builder::BuildResult frames;
    Port store_port;
    Port console_port;
};

/// `config` has its uuid.
void write_domain_nodes(xenstore::StoreView& store, DomId domain, const config::DomainConfig& config,
                        const DomainRings& rings);
/// Gives the domain another name and UUID.
void rename_domain_nodes(xenstore::StoreView& store, DomId domain, const std::string& name, const std::string& uuid);
/// @return the name that the domain had
std::optional<std::string> remove_domain_nodes(xenstore::StoreView& store, DomId domain);

}
