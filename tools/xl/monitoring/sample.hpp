// One look at the machine: what its domains and their devices have used until then. `xl top` shows the difference of
// two, `xl metrics` prints one.
#pragma once

#include "dom0/lib/disk_counters.hpp"
#include "tools/xl/session.hpp"

#include <chrono>
#include <ctime>
#include <map>

namespace xylem::xl {

struct VcpuUse {
    u32 number;
    bool online;
    u64 cpu_ns;
    /// Nanoseconds running, runnable, blocked and offline; nothing where the hypervisor does not tell (Xen's does not).
    std::optional<std::array<u64, 4>> states;
};

/// What an interface in dom0 has counted: what it received is what the guest sent.
struct InterfaceUse {
    struct Direction {
        u64 bytes = 0, packets = 0, errors = 0, dropped = 0;
    };
    u32 number = 0;
    Direction received, sent;
};

struct DiskUse {
    u32 number = 0;         ///< as in the store: 51712 is xvda
    bool is_counted = true; ///< false: its backend tells nothing, and the rest is 0
    u64 waits = 0, reads = 0, writes = 0, sectors_read = 0, sectors_written = 0;
    std::optional<dom0::DiskCount> details; ///< of a disk that our backend serves
};

struct DomainUse {
    u16 id = 0;
    std::string name;
    std::string uuid;
    u32 flags = 0; ///< dominf_*, with the reason of a shutdown
    u64 cpu_ns = 0;
    u64 memory_bytes = 0;
    std::optional<u64> max_memory_bytes; ///< nothing: no limit
    u32 ssid = 0;
    std::vector<VcpuUse> vcpus;
    std::vector<InterfaceUse> interfaces;
    std::vector<DiskUse> disks;
    std::map<std::string, u64> store; ///< what it holds of the store, by the names of xenstored's quotas

    bool is(u32 flag) const { return flags & flag; }
    bool has_crashed() const;
};

struct Sample {
    std::chrono::steady_clock::time_point at;
    std::time_t time = 0;
    std::string version; ///< of the hypervisor, as 4.17.0
    u64 memory_bytes = 0, free_bytes = 0;
    u32 cpus = 0;
    u64 cpu_khz = 0;
    std::vector<DomainUse> domains; ///< by id
    std::map<std::string, u64> store_quotas;

    const DomainUse* find(u16 domain) const;
};

enum class StoreDetail { none, use }; ///< to ask xenstored costs a request a domain
Sample take_sample(Session& session, StoreDetail detail);

// What take_sample() reads of dom0 itself.

/// Nothing if there is no such interface. `sys` is /sys.
std::optional<InterfaceUse> read_interface(const std::string& sys, const std::string& name, u32 number);
/// From our backend's counters in the folder `counters`, else from those of Linux's backend.
DiskUse read_disk(const std::string& counters, const std::string& sys, DomId domain, u32 number);
/// Numbers behind names and colons, as `xenstore-control quota` prints them.
std::map<std::string, u64> parse_store_numbers(const std::string& text);

}
