// What a command works with: the hypervisor and the store.
#pragma once

#include "dom0/lib/hypervisor.hpp"
#include "xenstore/client/client.hpp"

namespace xylem::xl {

struct Session {
    Session() { store.batch_changes(); }

    dom0::Hypervisor hypervisor;
    xenstore::Client store;
};

}
