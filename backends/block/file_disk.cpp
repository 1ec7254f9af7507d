// See file_disk.hpp.
#include "backends/block/file_disk.hpp"

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <fcntl.h>
#include <fmt/format.h>
#include <fstream>
#include <linux/fs.h>
#include <linux/magic.h>
#include <sys/file.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/vfs.h>
#include <unistd.h>

namespace xylem::backends::block {

static constexpr unsigned ring_entries = 256;

AsyncIo::AsyncIo(EventLoop& loop) : loop_(loop)
{
    int error = io_uring_queue_init(ring_entries, &ring_, IORING_SETUP_CLAMP | IORING_SETUP_R_DISABLED);
    if (error == 0)
        error = restrict_to_files();
    if (error < 0) {
        errno = -error;
        dom0::throw_errno("cannot set up io_uring (needs Linux 5.13 or later with io_uring allowed)");
    }
    watch_ = loop_.watch_readable(ring_.ring_fd, [this] { reap(); });
}

/// The kernel's queue does what we use it for, and nothing else: no filter of system calls (confine.hpp) sees what is
/// asked for in it.
int AsyncIo::restrict_to_files()
{
    io_uring_restriction allowed[4] = {};
    const u8 operations[] = {IORING_OP_READV, IORING_OP_WRITEV, IORING_OP_FSYNC, IORING_OP_FALLOCATE};
    for (std::size_t i = 0; i < std::size(operations); ++i) {
        allowed[i].opcode = IORING_RESTRICTION_SQE_OP;
        allowed[i].sqe_op = operations[i];
    }
    // By number, for liburing 2.3 declares the functions with names and lacks them.
    const auto fd = static_cast<unsigned>(ring_.ring_fd);
    const int error = io_uring_register(fd, IORING_REGISTER_RESTRICTIONS, allowed, std::size(allowed));
    return error < 0 ? error : io_uring_register(fd, IORING_REGISTER_ENABLE_RINGS, nullptr, 0);
}

AsyncIo::~AsyncIo()
{
    io_uring_queue_exit(&ring_);
}

/// Null if the kernel's queue is full.
io_uring_sqe* AsyncIo::next_entry()
{
    if (in_kernel_ == ring_.cq.ring_entries)
        return nullptr;
    if (io_uring_sqe* entry = io_uring_get_sqe(&ring_))
        return entry;
    submit();
    return io_uring_get_sqe(&ring_);
}

void AsyncIo::start(DiskJob& job)
{
    io_uring_sqe* entry = next_entry();
    if (!entry) {
        waiting_.push_back(&job);
        return;
    }
    ++in_kernel_;
    describe(job, entry);
    io_uring_sqe_set_data(entry, &job);
    submit_soon();
}

void AsyncIo::describe(const DiskJob& job, io_uring_sqe* entry)
{
    const iovec* vectors = job.vectors.data() + job.first_vector;
    const auto count = static_cast<unsigned>(job.vectors.size() - job.first_vector);
    switch (job.kind) {
    case DiskJob::Kind::read:
        io_uring_prep_readv(entry, job.fd, vectors, count, job.offset);
        break;
    case DiskJob::Kind::write:
        io_uring_prep_writev(entry, job.fd, vectors, count, job.offset);
        break;
    case DiskJob::Kind::flush:
        io_uring_prep_fsync(entry, job.fd, IORING_FSYNC_DATASYNC);
        break;
    case DiskJob::Kind::rest: // never comes here
    case DiskJob::Kind::discard:
        io_uring_prep_fallocate(entry, job.fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE,
                                static_cast<off_t>(job.offset), static_cast<off_t>(job.bytes));
        break;
    }
}

void AsyncIo::submit()
{
    if (io_uring_submit(&ring_) < 0)
        submit_soon(); // short of memory, or interrupted: what was not taken is still in the ring
}

/// One system call submits what all disks have started in this turn.
void AsyncIo::submit_soon()
{
    if (std::exchange(submit_deferred_, true))
        return;
    loop_.defer([this] {
        submit_deferred_ = false;
        submit();
        reap(); // what was in the page cache is done already
    });
}

void AsyncIo::reap()
{
    io_uring_cqe* completions[64];
    while (const unsigned count = io_uring_peek_batch_cqe(&ring_, completions, 64)) {
        // A completion's owner may start the next operation: leave the kernel's queue first.
        std::pair<DiskJob*, int> results[64];
        for (unsigned i = 0; i < count; ++i)
            results[i] = {static_cast<DiskJob*>(io_uring_cqe_get_data(completions[i])), completions[i]->res};
        io_uring_cq_advance(&ring_, count);
        in_kernel_ -= count;
        for (unsigned i = 0; i < count; ++i)
            completed(*results[i].first, results[i].second);
        std::deque<DiskJob*> waiting;
        waiting.swap(waiting_);
        for (DiskJob* job : waiting)
            start(*job);
    }
}

void AsyncIo::completed(DiskJob& job, int result)
{
    const bool transfer = job.kind == DiskJob::Kind::read || job.kind == DiskJob::Kind::write;
    if (result == -EINTR || result == -EAGAIN) {
        start(job);
    } else if (result < 0) {
        job.done(-result);
    } else if (transfer && result == 0) {
        job.done(job.end_of_file());
    } else if (!transfer || job.advance(static_cast<u64>(result))) {
        job.done(0);
    } else {
        job.offset += static_cast<u64>(result);
        start(job);
    }
}

static std::runtime_error sentence(const std::string& path, const std::string& what)
{
    return std::runtime_error(fmt::format("disk {}: {}", path, what));
}

FileDisk::FileDisk(AsyncIo& io, const std::string& path, Access access, Units units) : io_(io)
{
    // O_NONBLOCK: opening a FIFO or a drive without medium must not hold up all other disks.
    const int flags = (access == Access::read_only ? O_RDONLY : O_RDWR) | O_CLOEXEC | O_NONBLOCK;
    fd_ = dom0::Fd(open(path.c_str(), flags));
    if (!fd_)
        throw sentence(path, fmt::format("cannot open it{}: {}", access == Access::read_only ? "" : " for writing",
                                         std::strerror(errno)));
    struct stat status {};
    if (fstat(fd_.get(), &status) < 0)
        throw sentence(path, std::strerror(errno));
    is_device_ = S_ISBLK(status.st_mode);
    if (!is_device_ && !S_ISREG(status.st_mode))
        throw sentence(path, "is neither a file nor a block device");
    geometry_.access = access;
    lock(path);
    if (is_device_)
        measure_device(units);
    else
        measure_file(static_cast<u64>(status.st_size));
    if (geometry_.bytes == 0)
        throw sentence(path, "is empty: a disk has at least one sector of 512 bytes");
    method_ = choose_method();
    geometry_.holds_pages = method_ == Method::direct;
}

/// The lock says that nobody else writes what this guest sees. It stays with the open file until the kernel has
/// finished the last operation on it, so that a restarted backend cannot overtake writes of the one that was killed.
void FileDisk::lock(const std::string& path) const
{
    const int kind = geometry_.access == Access::read_only ? LOCK_SH : LOCK_EX;
    if (flock(fd_.get(), kind | LOCK_NB) == 0)
        return;
    if (errno == EWOULDBLOCK)
        throw DiskBusy(sentence(path, "is in use by another guest or program; detach it there first").what());
    throw sentence(path, fmt::format("cannot lock it: {}", std::strerror(errno)));
}

static u32 device_queue_limit(int fd, const char* name)
{
    struct stat status {};
    fstat(fd, &status);
    // A partition has no queue of its own; its disk's lies one folder up.
    for (const char* below : {"", "/.."}) {
        std::ifstream file(
            fmt::format("/sys/dev/block/{}:{}{}/queue/{}", major(status.st_rdev), minor(status.st_rdev), below, name));
        if (u64 value = 0; file >> value)
            return static_cast<u32>(std::min<u64>(value, ~u32{0}));
    }
    return 0;
}

void FileDisk::measure_device(Units units)
{
    int logical = 512;
    unsigned physical = 512;
    ioctl(fd_.get(), BLKGETSIZE64, &geometry_.bytes);
    ioctl(fd_.get(), BLKSSZGET, &logical);
    ioctl(fd_.get(), BLKPBSZGET, &physical);
    geometry_.sector_bytes = units == Units::own ? static_cast<u32>(logical) : 512;
    bytes_in_file_ = geometry_.bytes;
    geometry_.physical_sector_bytes = physical;
    geometry_.discard_granularity = device_queue_limit(fd_.get(), "discard_granularity");
    geometry_.discards =
        geometry_.access == Access::read_write && device_queue_limit(fd_.get(), "discard_max_bytes") > 0;
}

void FileDisk::measure_file(u64 bytes)
{
    geometry_.bytes = bytes & ~u64{511};
    bytes_in_file_ = bytes;
    geometry_.discards = geometry_.access == Access::read_write;
    geometry_.discard_granularity = page_size;
}

/// Whether the kernel takes direct I/O in our sectors on this file: seen by trying.
bool FileDisk::direct_io_works() const
{
    if (fcntl(fd_.get(), F_SETFL, O_DIRECT) < 0)
        return false;
    const std::size_t unit = geometry_.sector_bytes;
    alignas(page_size) static std::byte buffer[page_size];
    const auto last = static_cast<off_t>(geometry_.bytes / unit * unit - unit);
    return unit <= sizeof buffer && pread(fd_.get(), buffer, unit, last) == static_cast<ssize_t>(unit);
}

FileDisk::Method FileDisk::choose_method() const
{
    struct statfs system {};
    if (!is_device_ && fstatfs(fd_.get(), &system) == 0 &&
        (system.f_type == TMPFS_MAGIC || system.f_type == RAMFS_MAGIC))
        return Method::memory;
    if (direct_io_works())
        return Method::direct;
    fcntl(fd_.get(), F_SETFL, 0);
    return Method::buffered;
}

const char* FileDisk::method() const
{
    switch (method_) {
    case Method::direct:
        return "direct I/O";
    case Method::buffered:
        return "page cache";
    default:
        return "memory";
    }
}

void FileDisk::submit(DiskJob& job)
{
    job.fd = fd_.get();
    job.first_vector = 0;
    if (job.kind == DiskJob::Kind::rest)
        job.done(0);
    else if (method_ == Method::memory)
        job.done(do_now(job));
    else
        io_.start(job);
}

/// @return 0 or an errno
int FileDisk::do_now(DiskJob& job) const
{
    const auto offset = [&] { return static_cast<off_t>(job.offset); };
    if (job.kind == DiskJob::Kind::flush)
        return 0;
    if (job.kind == DiskJob::Kind::discard)
        return fallocate(job.fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, offset(), static_cast<off_t>(job.bytes)) <
                       0
                   ? errno
                   : 0;
    while (true) {
        const iovec* vectors = job.vectors.data() + job.first_vector;
        const auto count = static_cast<int>(job.vectors.size() - job.first_vector);
        const ssize_t moved = job.kind == DiskJob::Kind::read ? preadv(job.fd, vectors, count, offset())
                                                              : pwritev(job.fd, vectors, count, offset());
        if (moved == 0)
            return job.end_of_file();
        if (moved < 0 && errno != EINTR)
            return errno;
        if (moved > 0 && job.advance(static_cast<u64>(moved)))
            return 0;
        job.offset += static_cast<u64>(std::max<ssize_t>(moved, 0));
    }
}

}
