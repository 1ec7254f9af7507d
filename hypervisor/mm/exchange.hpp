// The exchange of a domain's frames for others, chunk by chunk. (XENMEM_exchange)
//
// A chunk is done whole or not at all, so that a driver never has half of its contiguous memory. It may have a thousand
// frames, too many for one go: between any two steps it may be left, and gone on with later. Meanwhile it is kept here,
// in the domain whose frames they are. What has been taken from it is in none of its lists, but still counts as its
// own: the room is what the new frames get. Whoever left it may never come back, or come with something else: then the
// next one, or the domain's end, abandons it. Until then a domain holds one chunk more than it owns, 2 MiB at most.
#pragma once

#include "hypervisor/abi/memory.hpp"
#include "hypervisor/base/result.hpp"
#include "hypervisor/mm/owner.hpp"

namespace xylem::mm {

class Exchange {
public:
    enum class Phase : u8 { none, allocating, taking, giving, freeing, undoing };

    /// Who wants what; a call that is made again is known by it.
    struct Request {
        DomId caller;
        VcpuId vcpu;
        abi::MemoryExchange what; ///< nr_exchanged tells the chunk
        bool operator==(const Request&) const;
    };
    /// `runs` runs of 2^order frames for as many single ones.
    struct Chunk {
        u64 runs;
        unsigned order, max_address_bits;
    };

    /// One processor at a time is at it. False if another is.
    class Turn {
    public:
        explicit Turn(Exchange& exchange) : exchange_(exchange), ours_(atomic_exchange(&exchange.busy_, 1U) == 0) {}
        ~Turn()
        {
            if (ours_)
                store_release(&exchange_.busy_, 0U);
        }
        Turn(const Turn&) = delete;
        Turn& operator=(const Turn&) = delete;
        explicit operator bool() const { return ours_; }

    private:
        Exchange& exchange_;
        const bool ours_;
    };

    constexpr explicit Exchange(Owner& owner) : owner_(&owner) {}
    Exchange(const Exchange&) = delete;
    Exchange& operator=(const Exchange&) = delete;

    // All that follows belongs to whoever has the turn.

    Phase phase() const { return phase_; }
    bool is_under_way() const { return phase_ != Phase::none; }
    bool is_of(const Request& request) const { return is_under_way() && request_ == request; }
    /// Runs or frames of this phase.
    u64 done() const { return done_; }
    /// What has come of the one that is over.
    Result<void> outcome() const { return outcome_; }
    /// Since it last said so: it is time to ask for something better to do.
    bool has_worked_long();

    /// Nothing is under way. @return Invalid  the domain is dying
    Result<void> begin(const Request& request, const Chunk& chunk);
    /// Phase::allocating: the next run. What cannot be had undoes it all. @return Preempted
    Result<void> allocate();
    /// Phase::taking: the next frame. If it is not the domain's, or still referred to, that undoes it all.
    void take(Mfn mfn);
    /// Phase::taking: what is next cannot be told.
    void undo(Error why);
    /// Phase::giving: the next run goes to the domain, numbered from `first_pfn` in the M2P, or not numbered at all if
    /// that is invalid_m2p. @return Invalid  the domain is dying
    Result<Mfn> give(Pfn first_pfn);
    /// Phase::giving: a number could not be told, which undoes nothing: the frames have changed hands.
    void fail(Error why) { outcome_ = why; }
    /// Phase::freeing and Phase::undoing: one step.
    void clean_up();

    /// Ends what is under way, if anything is, without a word to anybody. @return Preempted
    Result<void> abandon();

private:
    void advance(u64 end, Phase next);

    Owner* owner_;           ///< no reference: a Domain is of standard layout
    FrameList taken_, runs_; ///< linked through the frame table
    Request request_{};
    Chunk chunk_{};
    Phase phase_ = Phase::none;
    Result<void> outcome_;
    u64 done_ = 0;
    u64 worked_ = 0; ///< frames
    u32 busy_ = 0;
};

}
