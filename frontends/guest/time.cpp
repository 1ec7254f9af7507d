// See time.hpp. Both records are written by the hypervisor at any time: an odd version means that it is at it.

#include "frontends/guest/time.hpp"

#include "frontends/guest/vcpus.hpp"

namespace xylem::guest {
namespace {

/// Our copy of a record whose version was even, and the same before and after.
template <typename Copy> auto read_record(const u32& version, Copy copy)
{
    for (;;) {
        const u32 before = __atomic_load_n(&version, __ATOMIC_ACQUIRE);
        const auto record = copy();
        __atomic_thread_fence(__ATOMIC_ACQUIRE);
        if (!(before & 1) && __atomic_load_n(&version, __ATOMIC_RELAXED) == before)
            return record;
    }
}

u64 scaled(u64 ticks, const abi::VcpuTimeInfo& time)
{
    ticks = time.tsc_shift < 0 ? ticks >> -time.tsc_shift : ticks << time.tsc_shift;
    return static_cast<u64>(static_cast<unsigned __int128>(ticks) * time.tsc_to_system_mul >> 32);
}

}

u64 system_time()
{
    const abi::VcpuTimeInfo& shared = current_vcpu_info().time;
    return read_record(shared.version, [&] {
        const abi::VcpuTimeInfo time = shared;
        u32 low, high;
        asm volatile("lfence; rdtsc" : "=a"(low), "=d"(high)::"memory");
        return time.system_time + scaled((u64{high} << 32 | low) - time.tsc_timestamp, time);
    });
}

u64 wall_clock()
{
    const abi::SharedInfo& shared = shared_info();
    const u64 at_start = read_record(
        shared.wc_version, [&] { return (u64{shared.wc_sec_hi} << 32 | shared.wc_sec) * second + shared.wc_nsec; });
    return at_start + system_time();
}

}
