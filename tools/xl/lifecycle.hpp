// Domains made and unmade.
#pragma once

#include "tools/xl/config/domain_config.hpp"
#include "tools/xl/session.hpp"

namespace xylem::xl {

/// Makes the domain that `config` asks for, and leaves it paused.
/// @throws Failure and the errors of the hypervisor, the builder and the store; then nothing of it is left
DomId create_domain(Session& session, config::DomainConfig config);

/// Ends a domain and removes all that was made for it.
void destroy_domain(Session& session, DomId domain);

/// Calls a domain `name`, with a UUID that no other has.
void give_new_identity(Session& session, DomId domain, const std::string& name);

/// One creation at a time, so that two cannot take one name.
class CreationLock {
public:
    CreationLock();

private:
    dom0::Fd file_;
};

/// Which processors `list` means: "all", or "0-3,^1" of numbers and ranges, in order, a ^ taking away.
dom0::CpuMap parse_cpu_list(const std::string& list, std::size_t cpus);

}
