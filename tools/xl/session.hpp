// What a command works with: the hypervisor and the store.
#pragma once

#include "dom0/lib/hypervisor.hpp"
#include "xenstore/client/client.hpp"

#include <array>

namespace xylem::xl {

struct Session {
    Session() { store.batch_changes(); }

    /// The descriptors that it works with.
    std::array<int, 3> files() { return {hypervisor.privcmd().fd(), hypervisor.privcmd().memory().fd(), store.fd()}; }

    dom0::Hypervisor hypervisor;
    xenstore::Client store;
};

}
