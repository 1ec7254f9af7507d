// The exchange of a domain's frames for others, run by run. (XENMEM_exchange)
#pragma once

#include "hypervisor/base/result.hpp"
#include "hypervisor/mm/owner.hpp"

namespace xylem::mm {

/// Frames taken from a domain, and the runs that it is to get for them: as many frames in all. What is not committed
/// goes back: the domain keeps its frames, the heap the runs.
class Exchange {
public:
    explicit Exchange(Owner& owner) : owner_(owner) {}
    Exchange(const Exchange&) = delete;
    Exchange& operator=(const Exchange&) = delete;
    ~Exchange();

    /// @return NoMemory
    Result<void> allocate(unsigned order, unsigned max_address_bits);
    /// @return Invalid  not the domain's, or still referred to
    Result<void> take(Mfn mfn);
    /// Gives the next allocated run to the domain in the order of allocation, numbered from `first_pfn` in the M2P.
    /// Call once for each run. @return Invalid  the domain is dying
    Result<Mfn> give(Pfn first_pfn);
    /// Ends it: what was taken returns to the heap. After as many give()s as allocate()s.
    void commit();

private:
    Owner& owner_;
    FrameList taken_, runs_;
    unsigned order_ = 0;
};

}
