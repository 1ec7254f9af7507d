// Owner: what the memory manager knows of a domain. Each Domain embeds one and registers it under its id.
#pragma once

#include "hypervisor/abi/memory.hpp"
#include "hypervisor/base/bits.hpp"
#include "hypervisor/base/lock.hpp"
#include "hypervisor/base/types.hpp"
#include "hypervisor/mm/frame.hpp"
#include "hypervisor/mm/range_set.hpp"

namespace xylem::mm {

/// A list of frames, linked by number through the frame table.
struct FrameList {
    u32 first = no_frame, last = no_frame;
    bool empty() const { return first == no_frame; }
    void push_back(Mfn mfn);
    void remove(Mfn mfn);
};

struct Owner {
    constexpr Owner() = default;
    constexpr explicit Owner(DomId its_id) : id(its_id) {}

    DomId id{};
    bool privileged = false;    ///< may map and manage other domains' frames
    bool cache_control = false; ///< may choose cacheability in L1 entries: has I/O memory, ports or a device
    bool m2p_strict = false;    ///< VMASST_TYPE_m2p_strict
    bool dying = false;         ///< gets no more frames; set before relinquish()
    bool started = false;       ///< its vCPUs have run

    /// Processors that may hold translations of this domain: the context switch adds one before it loads a root of the
    /// domain, and may drop it after it has loaded another domain's root (which flushes). Touch with atomic_or /
    /// atomic_and.
    CpuMask dirty_cpus{};

    Mfn perdomain_l3{}; ///< what slot 260 of each of its roots points to; set before its first root is validated

    /// Frames of machine address space that it may map although they are no RAM.
    RangeSet io_memory;

    /// Interrupted invalidations that are not done: those in `unfinished`, and those that some processor has taken from
    /// there and is at work on. One word, as has_pending() reads it without the lock.
    u32 interrupted = 0;

    SpinLock lock{LockRank::page_alloc}; ///< guards all that follows
    u64 total_pages = 0, max_pages = 0;
    u64 claimed_pages = 0; ///< promised by XENMEM_claim_pages and not yet allocated
    u64 special_pages = 0; ///< hypervisor frames shared with it that are still referred to
    FrameList pages;       ///< the frames it owns, but for those in the two lists below
    FrameList
        unfinished; ///< tables whose invalidation was interrupted: the list holds a type and a general reference each
    FrameList relinquished; ///< of a dying domain: given back, but still referred to by others

    abi::E820Entry* memory_map = nullptr; ///< XENMEM_set_memory_map; made with make_array
    u32 memory_map_entries = 0;

    /// Called with no lock held when the last frame of a dying owner has gone. May be null.
    void (*when_drained)(Owner&) = nullptr;
};

/// Makes frames of `owner.id` known to be this owner's. The id must be unused.
void register_owner(Owner& owner);
/// Only when drained().
void unregister_owner(Owner& owner);
/// @return null if no domain has this id. domid_io and domid_xen have owners.
Owner* find_owner(DomId id);
/// Whether no frame is left that refers to this owner: only then its memory may go.
bool drained(Owner& owner);

/// The pseudo owners of what is no RAM (domid_io) and of hypervisor frames that privileged domains may map (domid_xen).
Owner& io_owner();
Owner& xen_owner();

/// Frames that may be mapped by whoever may map them at all, but read-only: a request to map them writable is granted
/// without the permission to write (HPET, the I/O APICs of a lax configuration).
RangeSet& read_only_io_memory();

}
