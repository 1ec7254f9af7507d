// What a block backend has done for a device, where others can read it while it works: a file in memory, one a device.
//
// The backend maps it and counts by plain stores, with no system call; xl top and xl metrics read it, and the backend
// never learns of them. The file outlives the backend, so that a successor goes on counting. Each number is written by
// one thread; between two of them a reader may see one request half counted.
#pragma once

#include "hypervisor/base/types.hpp"

#include <array>
#include <atomic>
#include <optional>
#include <string>

namespace xylem::dom0 {

enum class DiskOperation : unsigned { read, write, flush, discard };
inline constexpr std::size_t disk_operations = 4;

/// Upper bounds, in microseconds, of the classes into which requests fall by how long they took; one more class
/// follows.
inline constexpr std::array<u32, 15> latency_bounds_us{
    50, 100, 250, 500, 1'000, 2'500, 5'000, 10'000, 25'000, 50'000, 100'000, 250'000, 500'000, 1'000'000, 2'500'000};

struct DiskCounters {
    static constexpr u64 current_version = 1;
    using Count = std::atomic<u64>;

    struct Operation {
        Count requests; ///< answered, well or not
        Count errors;   ///< of those
        Count sectors;  ///< of 512 bytes
        Count time_ns;  ///< from the taking of a request off the ring to its answer, in sum
        std::array<Count, latency_bounds_us.size() + 1> by_latency;

        void count(u64 sectors_done, u64 nanoseconds, bool good);
    };

    Count version;
    Count waits;   ///< times that a request had to wait for memory or for those before it
    Count refused; ///< requests that do not hold
    std::array<Operation, disk_operations> operations;

    Operation& of(DiskOperation operation) { return operations[static_cast<unsigned>(operation)]; }
    const Operation& of(DiskOperation operation) const { return operations[static_cast<unsigned>(operation)]; }
};

/// There is one writer: no locked instruction is needed.
inline void add(DiskCounters::Count& count, u64 more)
{
    count.store(count.load(std::memory_order_relaxed) + more, std::memory_order_relaxed);
}

inline constexpr const char* disk_counters_folder = "/run/xylem/disks";

/// Where those of the disk `number` of `domain` lie.
std::string disk_counters_path(const std::string& folder, DomId domain, u32 number);

/// The backend's side: counters in a file, or, where there can be none, in memory of its own.
class SharedDiskCounters {
public:
    enum class Begin { anew, as_left };

    SharedDiskCounters();
    /// @param begin  as_left: a predecessor's numbers are kept, if there are any
    /// Makes the file and the folder above it. Readers need no more rights than those of any user.
    /// @throws std::system_error  the file cannot be made
    SharedDiskCounters(const std::string& path, Begin begin);
    ~SharedDiskCounters();
    SharedDiskCounters(SharedDiskCounters&& other) noexcept;
    SharedDiskCounters& operator=(SharedDiskCounters&& other) noexcept;

    DiskCounters& operator*() { return *counters_; }
    DiskCounters* operator->() { return counters_; }

private:
    DiskCounters* counters_;
};

/// A reader's copy; nothing if there is no such file, or it is of another version of the backend.
struct DiskCount {
    struct Operation {
        u64 requests, errors, sectors, time_ns;
        std::array<u64, latency_bounds_us.size() + 1> by_latency;
    };
    u64 version, waits, refused;
    std::array<Operation, disk_operations> operations;

    const Operation& of(DiskOperation operation) const { return operations[static_cast<unsigned>(operation)]; }
};
std::optional<DiskCount> read_disk_counters(const std::string& path);

}
