// Images made and judged by QEMU's tools, and our own disks on them, for tests.
#pragma once

#include "backends/block/open.hpp"

#include <random>
#include <span>
#include <string>
#include <vector>

namespace xylem::backends::block::test {

using Bytes = std::vector<std::byte>;

/// A folder of files that ends with the test.
class Folder {
public:
    /// @param where  tmpfs, or a file system on a disk for io_uring
    explicit Folder(const std::string& where = "/dev/shm");
    ~Folder();
    std::string operator/(const std::string& name) const { return path_ + "/" + name; }

private:
    std::string path_;
};

/// Runs a command of the shell. @return its exit code; `output` gets what it said
int run(const std::string& command, std::string* output = nullptr);
/// The same, and it must succeed.
void must(const std::string& command);

void write_file(const std::string& path, const Bytes& bytes);
Bytes read_file(const std::string& path);
/// What QEMU reads in an image.
Bytes qemu_reads(const std::string& image, const Folder& folder);

/// Data of which about a third are zeros, in runs; the rest can be compressed.
Bytes some_data(std::size_t bytes, u32 seed);

/// Has a disk do one thing as if it blocked. @return 0 or an errno; negative if it does not end
/// @param bytes  of what comes without data
int perform(EventLoop& loop, Disk& disk, DiskJob::Kind kind, u64 offset, std::span<std::byte> data, u64 bytes = 0);

/// A disk that is used as if it blocked.
class SyncDisk {
public:
    SyncDisk(const std::string& params, Access access);
    explicit SyncDisk(std::unique_ptr<Disk> disk) : disk_(std::move(disk)) {}

    u64 bytes() const { return disk_->geometry().bytes; }
    int read(u64 offset, std::span<std::byte> into) { return run_job(DiskJob::Kind::read, offset, into); }
    int write(u64 offset, std::span<std::byte> from) { return run_job(DiskJob::Kind::write, offset, from); }
    int flush() { return run_job(DiskJob::Kind::flush, 0, {}); }
    int discard(u64 offset, u64 bytes) { return run_job(DiskJob::Kind::discard, offset, {}, bytes); }
    int rest() { return run_job(DiskJob::Kind::rest, 0, {}); }
    Bytes read_all();
    EventLoop& loop() { return loop_; }

private:
    int run_job(DiskJob::Kind kind, u64 offset, std::span<std::byte> data, u64 bytes = 0)
    {
        return perform(loop_, *disk_, kind, offset, data, bytes);
    }

    EventLoop loop_;
    std::unique_ptr<AsyncIo> io_;
    std::unique_ptr<Disk> disk_;
};

}
