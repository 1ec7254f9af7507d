// The machine behind the seam, for tests of the core on the host: RAM in one mapping, processors that are threads or
// take turns, a TLB model, and a record of everything that hardware or other processors could have noticed, in order.
//
// The core has one set of globals, as the hypervisor has; so there is one fake machine in a test program, made at first
// use, and each test leaves it as it found it: a Session checks that all frames have come back.
#pragma once

#include "hypervisor/base/bits.hpp"
#include "hypervisor/base/types.hpp"
#include "hypervisor/core/machine.hpp"
#include "hypervisor/mm/owner.hpp"

#include <functional>
#include <mutex>
#include <set>
#include <string>
#include <vector>

namespace xylem::test {

/// Something that happened at the seam.
struct Event {
    enum class Kind { pte_write, flush, flush_page, load_root, load_ldt, kick, cache_flush, descheduled } kind;
    CpuId cpu{};               ///< that did it
    MachineAddress entry{};    ///< pte_write: where
    u64 before = 0, after = 0; ///< pte_write
    CpuMask targets{};         ///< flush, flush_page, kick
    u64 address = 0;           ///< flush_page, load_root, load_ldt
};

class FakeMachine {
public:
    static constexpr u64 low_frames = 4096, high_frames = 4096; ///< from 1 MiB up, and from 4 GiB up
    static constexpr Mfn low_start{0x100}, high_start{0x100000};
    static constexpr Mfn io_frame{0xfed00}; ///< no RAM

    static FakeMachine& get();

    // ---- The record
    const std::vector<Event>& events() const { return events_; }
    void forget_events() { events_.clear(); }
    std::vector<Event> pte_writes() const;
    unsigned count(Event::Kind kind) const;

    // ---- The TLB model: every writable mapping that has been replaced may still be in the TLB of every processor,
    // until that processor flushes.
    bool may_be_written_through_tlb(Mfn mfn) const;
    bool may_be_written_through_tlb(Mfn mfn, CpuId cpu) const;

    // ---- Processors and time
    void set_cpu_count(unsigned count) { cpu_count_ = count; }
    void run_as(CpuId cpu); ///< the calling thread is this processor from now on
    void set_now(Nanoseconds now) { now_ = now; }
    void advance(i64 nanoseconds) { now_.value += nanoseconds; }

    // ---- Preemption: the check answers yes every `n`th time; 0: never. And how often it was asked.
    void preempt_every(unsigned n);
    u64 preemption_questions() const { return questions_; }
    bool should_preempt();

    // ---- Guest memory is the test program's own; addresses below 64 KiB fault, and so do those in [start, end).
    void make_fault(u64 start, u64 end) { faulting_ = {start, end}; }
    bool faults(u64 address, u64 bytes);
    /// How often the core has touched guest memory at an address that it should have refused: the seam trusts it.
    unsigned unchecked_accesses() const { return unchecked_accesses_; }

    void forget_unchecked_accesses() { unchecked_accesses_ = 0; }

    /// Called in each turn of a spin wait, in the place of a pause.
    void (*on_relax)() = nullptr;
    /// Called in front of what the core asks of the machine's tables and TLBs, with the entry if there is one: a test
    /// of interleavings lets another processor go first.
    void (*on_step)(const void* entry) = nullptr;
    void step(const void* entry = nullptr) const
    {
        if (on_step)
            on_step(entry);
    }

    std::vector<std::string>& log_lines() { return log_; }
    Nanoseconds armed_deadline() const { return deadline_; }

    // ---- For the seam's functions
    void note(Event event);
    void note_pte_write(u64* entry, u64 before, u64 after);
    void flush(CpuMask cpus);
    u32 clock() const;
    CpuMask stale(CpuMask cpus, u32 stamp) const;
    unsigned cpu_count() const { return cpu_count_; }
    Nanoseconds now() const { return now_; }
    void arm(Nanoseconds deadline);

private:
    FakeMachine();

    mutable std::recursive_mutex mutex_;
    std::vector<Event> events_;
    std::set<u64> stale_writable_[max_cpus];
    u32 last_flush_[max_cpus] = {};
    u32 clock_ = 1;
    unsigned cpu_count_ = 1;
    Nanoseconds now_{1'000'000'000}, deadline_{};
    unsigned preempt_every_ = 0;
    u64 questions_ = 0;
    std::pair<u64, u64> faulting_{0, 0};
    std::vector<std::string> log_;
    unsigned unchecked_accesses_ = 0;
};

/// One test's use of the machine: a clean record, one processor, no preemption; at its end all frames must be free
/// again.
class Session {
public:
    Session();
    ~Session();
    FakeMachine& machine;

private:
    u64 free_at_start_;
};

}
