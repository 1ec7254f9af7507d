// What a frontend asks of the kernel that it lives in: pages, grants, event channels, the store. Our mini kernel is one
// (frontends/guest/driver_kernel.hpp), plain memory in the tests another; who brings these frontends to another system
// writes a third.
#pragma once

#include "frontends/xenbus/store.hpp"

namespace xylem::frontends {

class Kernel {
public:
    virtual ~Kernel() = default;

    /// `count` zeroed pages, one after the other. Null: there are no more.
    virtual u8* allocate_pages(u32 count) = 0;
    virtual void free_pages(u8* pages, u32 count) = 0;

    enum class Access { read_only, read_write };
    /// Lets `peer` use a page of ours. @return NoSpace  the table is full
    virtual Result<GrantRef> grant(DomId peer, const u8* page, Access access) = 0;
    /// @return false  the peer has the page mapped: the grant stands, and the page must not serve anything else
    virtual bool end_grant(GrantRef ref) = 0;

    using Handler = void (*)(void* context);
    /// A port that `peer` may bind to. Its handler is never called from within our own code, and must not wait.
    virtual Result<Port> allocate_port(DomId peer, Handler handler, void* context) = 0;
    virtual void notify(Port port) = 0;
    /// The handler is not called any more once this returns.
    virtual void close_port(Port port) = 0;

    /// Calls `handler` soon, once, from where it may wait and use the store.
    virtual void defer(Handler handler, void* context) = 0;
    /// Drops what defer() holds for `context`.
    virtual void forget(void* context) = 0;
    virtual Store& store() = 0;
    virtual u32 processors() const = 0; ///< how many queues are worth having
};

/// Pages that are granted to a peer for as long as this lives. A page that the peer still maps at the end is lost to
/// us, and stays granted: a peer that holds on to it must not see what comes there next.
class GrantedPages {
public:
    GrantedPages() = default;
    GrantedPages(const GrantedPages&) = delete;
    GrantedPages& operator=(const GrantedPages&) = delete;
    ~GrantedPages() { release(); }

    /// Allocates and grants. @return NoMemory, NoSpace  nothing was kept
    Result<void> acquire(Kernel& kernel, DomId peer, u32 count);
    void release();

    u32 count() const { return count_; }
    u8* page(u32 number) const { return pages_ + number * page_size; }
    GrantRef ref(u32 number) const { return refs_[number]; }

private:
    Kernel* kernel_ = nullptr;
    u8* pages_ = nullptr;
    GrantRef* refs_ = nullptr;
    u32 count_ = 0;
};

/// An event channel to a peer for as long as this lives.
class PeerPort {
public:
    PeerPort() = default;
    PeerPort(const PeerPort&) = delete;
    PeerPort& operator=(const PeerPort&) = delete;
    ~PeerPort() { release(); }

    Result<void> acquire(Kernel& kernel, DomId peer, Kernel::Handler handler, void* context);
    void release();
    Port port() const { return port_; }
    void notify() { kernel_->notify(port_); }

private:
    Kernel* kernel_ = nullptr;
    Port port_;
};

}
