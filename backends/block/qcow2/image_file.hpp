// The file that holds an image, for coroutines: co_await a read, write, flush or discard. The result is 0 or an errno.
//
// A read beyond the file's end brings zeros, as the format has it.
#pragma once

#include "backends/block/disk.hpp"
#include "backends/lib/task.hpp"

#include <span>

namespace xylem::backends::block::qcow2 {

class ImageFile {
public:
    explicit ImageFile(Disk& disk) : disk_(disk) {}

    class Operation : private DiskJob {
    public:
        Operation(Disk& disk, Kind what, u64 where, std::vector<iovec> data, u64 length) : disk_(disk)
        {
            kind = what;
            offset = where;
            bytes = length;
            vectors = std::move(data);
            zeros_past_end = true;
        }
        bool await_ready() const { return false; }
        bool await_suspend(std::coroutine_handle<> caller)
        {
            disk_.submit(*this);
            if (ended_)
                return false;
            caller_ = caller;
            return true;
        }
        int await_resume() const { return error_; }

    private:
        void done(int error) override
        {
            error_ = error;
            ended_ = true;
            if (caller_)
                caller_.resume(); // which ends this object
        }

        Disk& disk_;
        std::coroutine_handle<> caller_;
        int error_ = 0;
        bool ended_ = false;
    };

    Operation read(u64 offset, std::vector<iovec> into)
    {
        const u64 bytes = total(into);
        return {disk_, DiskJob::Kind::read, offset, std::move(into), bytes};
    }
    Operation write(u64 offset, std::vector<iovec> from)
    {
        const u64 bytes = total(from);
        return {disk_, DiskJob::Kind::write, offset, std::move(from), bytes};
    }
    Operation read(u64 offset, std::span<std::byte> into) { return read(offset, {{into.data(), into.size()}}); }
    Operation write(u64 offset, std::span<std::byte> from) { return write(offset, {{from.data(), from.size()}}); }
    Operation flush() { return {disk_, DiskJob::Kind::flush, 0, {}, 0}; }
    Operation discard(u64 offset, u64 bytes) { return {disk_, DiskJob::Kind::discard, offset, {}, bytes}; }

private:
    static u64 total(const std::vector<iovec>& vectors)
    {
        u64 bytes = 0;
        for (const iovec& each : vectors)
            bytes += each.iov_len;
        return bytes;
    }

    Disk& disk_;
};

}
