// What the block backend asks of the thing that holds a guest's data.
#pragma once

#include "hypervisor/base/types.hpp"

#include <cstddef>
#include <sys/uio.h>
#include <vector>

namespace xylem::backends::block {

enum class Access { read_only, read_write };

struct Geometry {
    u64 bytes = 0;
    u32 sector_bytes = 512;          ///< smallest unit that can be addressed
    u32 physical_sector_bytes = 512; ///< smallest unit that is written without reading
    Access access = Access::read_write;
    bool discards = false;
    u32 discard_granularity = 0;
    /// The kernel holds a job's pages until the operation is over, be we dead by then. Pages mapped from a grant may
    /// not be held so: Linux's gntdev then unmaps them after our end, when the place where they were mapped is gone,
    /// and takes dom0 for broken.
    bool holds_pages = false;

    u64 sectors() const { return bytes / 512; }
};

/// One operation on a disk. Its owner keeps it, and the memory it points to, in place until done() was called.
class DiskJob {
public:
    /// `rest`: nothing is coming for a while, or ever; the disk tidies up what it kept ready. Others have ended before.
    enum class Kind { read, write, flush, discard, rest };

    virtual ~DiskJob() = default;
    /// Called exactly once, perhaps before submit() returns. `error` is 0 or an errno.
    virtual void done(int error) = 0;

    /// Notes that `moved` bytes of what was left are done.
    /// @return whether all is
    bool advance(u64 moved);
    /// The file has ended within this transfer: behind our back, unless the job says that it may.
    /// @return how the job ends
    int end_of_file();

    Kind kind = Kind::read;
    u64 offset = 0;              ///< bytes, for all but flush
    u64 bytes = 0;               ///< for all but flush
    std::vector<iovec> vectors;  ///< for read and write: `bytes` in all; spent by the disk
    bool zeros_past_end = false; ///< for read: beyond the end of a file there are zeros, not an error

    // The disk's own, from submit() to done().
    int fd = -1;
    std::size_t first_vector = 0; ///< where a short transfer stands: the first vector with something left
};

class Disk {
public:
    virtual ~Disk() = default;
    virtual const Geometry& geometry() const = 0;
    virtual void submit(DiskJob& job) = 0;
};

}
