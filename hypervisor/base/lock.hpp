// Spin locks with ranks, and data that lives inside its lock.
//
// The hypervisor runs with interrupts off: a lock is never taken from an interrupt that interrupted its holder. What a
// waiter owes is to serve the other processors' requests (TLB flushes) while it spins, else two processors could wait
// for each other: machine::relax() does that.
//
// Ranks: a processor takes locks in ascending rank only. The order stands in LockRank and is asserted in debug and host
// builds.
#pragma once

#include "hypervisor/base/types.hpp"

namespace xylem {

enum class LockRank : u8 {
    domain_list = 1,  // the table of domains
    domctl = 2,       // one domain's life: creation, destruction
    grant = 3,        // a domain's grant table; nobody holds two
    event_pair = 4,   // who joins or parts two event channels: bind_interdomain, close
    event = 5,        // a domain's event channels; nobody holds two
    page_alloc = 6,   // a domain's list of pages
    heap = 7,         // the machine's free memory
    sched_unit = 8,   // one vCPU's state in the scheduler
    sched = 9,        // a processor's run queue
    timer = 10,       // a processor's timers
    irq = 11,         // interrupt descriptors and controllers
    console = 12,     // log ring and serial port
    event_queue = 13, // a domain's FIFO event queues; nothing is called under it
    wall_clock = 14,  // the machine's wall clock, and its copies for guests; nothing is called under it
};

namespace machine {
/// One turn of a spin wait: pauses, and serves what other processors ask of this one.
void relax();
/// Checks that a lock of `rank` may be taken now, and notes it as held (debug and host builds; empty otherwise).
void lock_taken(LockRank rank);
void lock_released(LockRank rank);
}

/// In turn: who comes first is served first, so that a processor whose guest takes a lock over and over keeps no other
/// from it.
class SpinLock {
public:
    explicit constexpr SpinLock(LockRank rank) : rank_(rank) {}
    SpinLock(const SpinLock&) = delete;
    SpinLock& operator=(const SpinLock&) = delete;

    void lock()
    {
        machine::lock_taken(rank_);
        const u16 ticket = __atomic_fetch_add(&next_, u16{1}, __ATOMIC_RELAXED);
        while (__atomic_load_n(&serving_, __ATOMIC_ACQUIRE) != ticket)
            machine::relax();
    }
    bool try_lock()
    {
        // Free: the next ticket is the one that is served.
        u16 ticket = __atomic_load_n(&serving_, __ATOMIC_RELAXED);
        if (!__atomic_compare_exchange_n(&next_, &ticket, static_cast<u16>(ticket + 1), false, __ATOMIC_ACQUIRE,
                                         __ATOMIC_RELAXED))
            return false;
        machine::lock_taken(rank_);
        return true;
    }
    void unlock()
    {
        // The holder alone writes it.
        __atomic_store_n(&serving_, static_cast<u16>(serving_ + 1), __ATOMIC_RELEASE);
        machine::lock_released(rank_);
    }

private:
    u16 next_ = 0, serving_ = 0;
    LockRank rank_;
};

/// Holds a lock for a scope.
class LockGuard {
public:
    explicit LockGuard(SpinLock& lock) : lock_(lock) { lock_.lock(); }
    ~LockGuard() { lock_.unlock(); }
    LockGuard(const LockGuard&) = delete;
    LockGuard& operator=(const LockGuard&) = delete;

private:
    SpinLock& lock_;
};

/// Data that can be reached only through its lock.
template <typename T, LockRank Rank> class Guarded {
public:
    class Access {
    public:
        explicit Access(Guarded& guarded) : guarded_(guarded) { guarded_.lock_.lock(); }
        ~Access() { guarded_.lock_.unlock(); }
        Access(const Access&) = delete;
        Access& operator=(const Access&) = delete;
        T* operator->() { return &guarded_.data_; }
        T& operator*() { return guarded_.data_; }

    private:
        Guarded& guarded_;
    };

    Access lock() { return Access(*this); }

private:
    SpinLock lock_{Rank};
    T data_{};
};

}
