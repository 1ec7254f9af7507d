// What a program asks of a disk. The request is the program's, and stays in place until its outcome is there.
#pragma once

#include "hypervisor/base/types.hpp"

namespace xylem::frontends::block {

struct IoRequest {
    enum class Kind : u8 { read, write, flush, discard };
    enum class Outcome : u8 { pending, done, failed, unsupported };

    Kind kind = Kind::read;
    u64 sector = 0;     ///< of 512 bytes, whatever the disk's are
    u8* data = nullptr; ///< for read and write: any address
    u64 bytes = 0;      ///< for all but flush: whole sectors of the disk, any number
    /// Called once, when the outcome is there; null: nobody is.
    void (*on_done)(IoRequest& request) = nullptr;
    void* context = nullptr;

    Outcome outcome = Outcome::pending;

    // The frontend's own, while the outcome is pending.
    u64 moved = 0; ///< bytes that are done: a large request goes in pieces
    IoRequest* next = nullptr;
};

/// Requests in the order in which they are to be served.
class RequestList {
public:
    bool empty() const { return !first_; }
    void push_back(IoRequest& request)
    {
        request.next = nullptr;
        *(first_ ? &last_->next : &first_) = &request;
        last_ = &request;
    }
    void push_front(IoRequest& request)
    {
        if (!first_)
            last_ = &request;
        request.next = first_;
        first_ = &request;
    }
    IoRequest& front() { return *first_; }
    IoRequest& pop_front()
    {
        IoRequest& request = *first_;
        first_ = request.next;
        return request;
    }

private:
    IoRequest* first_ = nullptr;
    IoRequest* last_ = nullptr;
};

}
