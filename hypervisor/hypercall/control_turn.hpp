// One control operation at a time, in the whole machine: domctl, and the audit.
//
// They stop vCPUs and wait until those stand still, and change what else is the domain's own business. Two at once
// could wait for each other, or do the same thing twice. Who finds another at it comes again, as after any preemption.
#pragma once

#include "hypervisor/base/bits.hpp"

namespace xylem::hypercall {

class ControlTurn {
public:
    ControlTurn() : ours_(!atomic_exchange(&taken_, true)) {}
    ~ControlTurn()
    {
        if (ours_)
            atomic_store(&taken_, false);
    }
    ControlTurn(const ControlTurn&) = delete;
    ControlTurn& operator=(const ControlTurn&) = delete;
    /// Whether it is our turn; else the hypercall is to be issued again.
    bool ours() const { return ours_; }

private:
    static inline bool taken_ = false;
    bool ours_;
};

}
