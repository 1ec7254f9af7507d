// See disk_counters.hpp.
#include "dom0/lib/disk_counters.hpp"

#include "dom0/lib/fd.hpp"

#include <algorithm>
#include <fcntl.h>
#include <filesystem>
#include <new>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>
#include <utility>

namespace xylem::dom0 {

static_assert(std::atomic<u64>::is_always_lock_free && sizeof(std::atomic<u64>) == sizeof(u64));
static_assert(sizeof(DiskCount) == sizeof(DiskCounters), "a reader's copy is the writer's, number by number");

void DiskCounters::Operation::count(u64 sectors_done, u64 nanoseconds, bool good)
{
    const auto bound = std::ranges::lower_bound(latency_bounds_us, (nanoseconds + 999) / 1000);
    add(by_latency[static_cast<std::size_t>(bound - latency_bounds_us.begin())], 1);
    add(time_ns, nanoseconds);
    add(requests, 1);
    if (good)
        add(sectors, sectors_done);
    else
        add(errors, 1);
}

std::string disk_counters_path(const std::string& folder, DomId domain, u32 number)
{
    return folder + "/" + std::to_string(domain.value) + "-" + std::to_string(number);
}

static DiskCounters* map_counters(int fd)
{
    const int flags = fd < 0 ? MAP_PRIVATE | MAP_ANONYMOUS : MAP_SHARED;
    void* memory = mmap(nullptr, sizeof(DiskCounters), PROT_READ | PROT_WRITE, flags, fd, 0);
    if (memory == MAP_FAILED)
        throw_errno("cannot map a disk's counters");
    return std::launder(static_cast<DiskCounters*>(memory)); // all zero, or as a predecessor made them
}

/// A file whose folder is missing is tried again with one.
static Fd open_counters(const std::string& path, int flags)
{
    Fd fd(open(path.c_str(), flags, 0644));
    if (fd || errno != ENOENT)
        return fd;
    std::error_code ignored; // the second try tells
    std::filesystem::create_directories(std::filesystem::path(path).parent_path(), ignored);
    return Fd(open(path.c_str(), flags, 0644));
}

SharedDiskCounters::SharedDiskCounters() : counters_(map_counters(-1)) {}

SharedDiskCounters::SharedDiskCounters(const std::string& path, Begin begin)
{
    if (const auto left = read_disk_counters(path); begin == Begin::anew || !left)
        unlink(path.c_str()); // whoever still reads the old one reads the old one
    const Fd fd = open_counters(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW);
    if (!fd || ftruncate(fd.get(), sizeof(DiskCounters)) < 0)
        throw_errno("cannot make the file " + path + " for a disk's counters");
    counters_ = map_counters(fd.get());
    counters_->version.store(DiskCounters::current_version, std::memory_order_release);
}

SharedDiskCounters::~SharedDiskCounters()
{
    if (counters_)
        munmap(counters_, sizeof(DiskCounters));
}

SharedDiskCounters::SharedDiskCounters(SharedDiskCounters&& other) noexcept
    : counters_(std::exchange(other.counters_, nullptr))
{
}

SharedDiskCounters& SharedDiskCounters::operator=(SharedDiskCounters&& other) noexcept
{
    std::swap(counters_, other.counters_);
    return *this;
}

std::optional<DiskCount> read_disk_counters(const std::string& path)
{
    // By reading, not by mapping: a file that is cut short meanwhile ends a read, where it would end the reader.
    const Fd fd(open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK));
    DiskCount count;
    if (!fd || read(fd.get(), &count, sizeof count) != static_cast<ssize_t>(sizeof count) ||
        count.version != DiskCounters::current_version)
        return std::nullopt;
    return count;
}

}
