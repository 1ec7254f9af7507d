// What a vCPU has done with its time, as Xylem alone tells dom0.
#pragma once

#include "dom0/lib/privcmd.hpp"

#include <array>
#include <optional>

namespace xylem::dom0 {

/// Nanoseconds in which the vCPU was running, runnable, blocked and offline. Nothing if this hypervisor is not Xylem,
/// or there is no such vCPU.
/// @throws HypercallError
std::optional<std::array<u64, 4>> vcpu_states(Privcmd& privcmd, DomId domain, u32 vcpu);

}
