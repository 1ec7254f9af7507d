// Several vCPUs. The first runs the program, its tasks and its drivers; each other one runs the function that it is
// given, which may compute and call the hypervisor, but leaves tasks, events and the heap to the first.
#pragma once

#include "frontends/guest/guest.hpp"

namespace xylem::guest {

inline constexpr unsigned max_vcpus = abi::legacy_max_vcpus;

/// How many this domain has, running or not.
unsigned vcpus();
/// The number of the one that runs this.
unsigned current_vcpu();
abi::VcpuInfo& current_vcpu_info();

/// Starts vCPU `number`, not the first, which must be down: it calls `function(argument)` and goes down.
/// @return NoEntry  there is no such vCPU
///         Busy     it runs
Result<void> start_vcpu(unsigned number, void (*function)(void* argument), void* argument);
/// Whether it has come to the end of its function, or was never started.
bool vcpu_is_down(unsigned number);

/// For data that several vCPUs touch. Waiters give their processor away: the holder may need it.
class SpinLock {
public:
    void lock();
    void unlock() { __atomic_store_n(&held_, false, __ATOMIC_RELEASE); }

private:
    bool held_ = false;
};

/// Gives the processor to another vCPU that wants it.
void relax();

}
