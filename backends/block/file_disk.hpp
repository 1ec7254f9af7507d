// A raw image file or a block device as a disk.
//
// Three ways to do an operation. Direct I/O by io_uring is the rule: it leaves dom0's page cache alone, so that a
// guest's write is on the device when it is answered, and it never blocks the thread. Where the file cannot do direct
// I/O in units of the guest's sectors, the same goes through the page cache; the guest's flush then makes it durable. A
// file on tmpfs is memory: a plain system call is the shortest way, and cannot block.
#pragma once

#include "backends/block/disk.hpp"
#include "backends/lib/event_loop.hpp"

#include <deque>
#include <liburing.h>
#include <stdexcept>
#include <string>

namespace xylem::backends::block {

/// The kernel's queue of operations of all disks.
class AsyncIo {
public:
    /// @throws std::system_error  the kernel has no io_uring, or forbids it
    explicit AsyncIo(EventLoop& loop);
    ~AsyncIo();
    AsyncIo(const AsyncIo&) = delete;
    AsyncIo& operator=(const AsyncIo&) = delete;

    /// Starts what is left of `job`, at the end of this turn at the latest, or when some of those before it have ended:
    /// there are never more in the kernel than its queue of completions holds.
    void start(DiskJob& job);

private:
    int restrict_to_files();
    io_uring_sqe* next_entry();
    static void describe(const DiskJob& job, io_uring_sqe* entry);
    void submit();
    void submit_soon();
    void reap();
    void completed(DiskJob& job, int result);

    EventLoop& loop_;
    io_uring ring_{};
    EventLoop::Watch watch_;
    std::deque<DiskJob*> waiting_;
    unsigned in_kernel_ = 0;
    bool submit_deferred_ = false;
};

/// Another guest or backend has the disk now; it may be free soon.
class DiskBusy : public std::runtime_error {
    using std::runtime_error::runtime_error;
};

class FileDisk : public Disk {
public:
    /// In what units it is used: its own sectors, or always 512 bytes, as inside of an image.
    enum class Units { own, sectors };

    /// @throws std::runtime_error  with a sentence that names the file and what is wrong with it
    /// @throws DiskBusy  another backend or guest has it
    FileDisk(AsyncIo& io, const std::string& path, Access access, Units units = Units::own);

    const Geometry& geometry() const override { return geometry_; }
    void submit(DiskJob& job) override;

    /// For the log: how it is accessed.
    const char* method() const;
    bool is_device() const { return is_device_; }
    /// With what does not make a sector at a file's end; as it was when it was opened.
    u64 bytes_in_file() const { return bytes_in_file_; }

private:
    enum class Method { direct, buffered, memory };

    void measure_device(Units units);
    void measure_file(u64 bytes);
    void lock(const std::string& path) const;
    Method choose_method() const;
    bool direct_io_works() const;
    int do_now(DiskJob& job) const;

    AsyncIo& io_;
    dom0::Fd fd_;
    Geometry geometry_;
    Method method_ = Method::buffered;
    bool is_device_ = false;
    u64 bytes_in_file_ = 0;
};

}
