// Mapped grants kept for the next request ("persistent grants"): a page that the peer uses again costs no system call.
//
// The pool is bounded. A page in use by a request cannot be evicted; the one unused for longest goes first. A peer that
// grants more pages than the pool holds is served by copying instead (acquire says "full").
#pragma once

#include "backends/lib/peer_memory.hpp"

#include <list>
#include <unordered_map>

namespace xylem::backends {

class GrantPool {
public:
    GrantPool(PeerMemory& memory, std::size_t capacity) : memory_(memory), capacity_(capacity) {}

    enum class Outcome { mapped, refused, full };
    struct Acquired {
        Outcome outcome;
        std::byte* page;
    };

    /// The page of `ref`, mapped until release(ref). One page may be acquired several times.
    Acquired acquire(GrantRef ref);
    void release(GrantRef ref);

    std::size_t mapped() const { return pages_.size(); }

private:
    struct Page {
        MappedPages mapping;
        unsigned users = 0;
        std::list<u32>::iterator place; // in busy_ or idle_
    };

    bool make_room();

    PeerMemory& memory_;
    std::size_t capacity_;
    std::unordered_map<u32, Page> pages_;
    std::list<u32> busy_;
    std::list<u32> idle_; // the one unused for longest comes first
};

}
