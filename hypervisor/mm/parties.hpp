// Who takes part in an update of a page table.
#pragma once

#include "hypervisor/mm/owner.hpp"

namespace xylem::mm {

struct Parties {
    Owner& tables;       ///< owns the page table
    Owner& data;         ///< is said to own the frames that L1 entries map (foreigndom)
    const Owner& caller; ///< asks for it: its privilege counts
};

}
