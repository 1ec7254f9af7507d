// The fake machine, and the seam's functions (core/machine.hpp) on it.

#include "tests/support/fake_machine.hpp"

#include "hypervisor/abi/memory.hpp"
#include "hypervisor/abi/x86_64/pte.hpp"
#include "hypervisor/base/lock.hpp"
#include "hypervisor/core/guest_ptr.hpp"
#include "hypervisor/hypercall/hypercall.hpp"
#include "hypervisor/mm/heap.hpp"
#include "hypervisor/mm/host_memory.hpp"
#include "hypervisor/mm/page_type.hpp"
#include "hypervisor/mm/roots.hpp"

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <sys/mman.h>
#include <thread>

namespace xylem::test {
namespace {

thread_local CpuId running_cpu{0};
thread_local unsigned relaxed_in_a_row = 0;

void* reserve(size_t bytes)
{
    void* at = mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (at == MAP_FAILED) {
        std::perror("fake machine: mmap");
        std::abort();
    }
    return at;
}

/// A template root whose hypervisor slots can be told apart.
u64* make_template_root()
{
    auto* root = static_cast<u64*>(reserve(page_size));
    for (unsigned slot = 256; slot <= 271; ++slot)
        root[slot] = u64{0xabc00000} + slot * page_size + 1;
    return root;
}

}

FakeMachine& FakeMachine::get()
{
    static FakeMachine* machine = new FakeMachine;
    return *machine;
}

FakeMachine::FakeMachine()
{
    const u64 end = high_start.value + high_frames;
    machine::direct_map = static_cast<u8*>(reserve(end << page_shift));
    machine::max_mfn = Mfn(end);
    const u64 table_frames = (end + mm::frames_per_group - 1) / mm::frames_per_group * mm::frames_per_group;
    mm::frame_table = static_cast<mm::Frame*>(reserve(table_frames * sizeof(mm::Frame)));
    mm::m2p = static_cast<u64*>(reserve(table_frames * sizeof(u64)));
    mm::template_root = make_template_root();
    const auto type = [](abi::E820Type t) { return static_cast<u32>(t); };
    const abi::E820Entry map[] = {
        {0, 0x9f000, type(abi::E820Type::ram)},
        {low_start.value << page_shift, low_frames << page_shift, type(abi::E820Type::ram)},
        {0xf0000000, 0x10000000, type(abi::E820Type::reserved)},
        {high_start.value << page_shift, high_frames << page_shift, type(abi::E820Type::ram)},
    };
    mm::set_host_memory_map(map);
    // The first 64 frames stay the hypervisor's own.
    mm::add_ram(low_start + 64, low_start + low_frames);
    mm::add_ram(high_start, high_start + high_frames);
    mm::preemption_check = [] { return get().should_preempt(); };
}

std::vector<Event> FakeMachine::pte_writes() const
{
    std::vector<Event> writes;
    std::copy_if(events_.begin(), events_.end(), std::back_inserter(writes),
                 [](const Event& e) { return e.kind == Event::Kind::pte_write; });
    return writes;
}

unsigned FakeMachine::count(Event::Kind kind) const
{
    return static_cast<unsigned>(
        std::count_if(events_.begin(), events_.end(), [&](const Event& e) { return e.kind == kind; }));
}

void FakeMachine::note(Event event)
{
    std::lock_guard guard(mutex_);
    event.cpu = running_cpu;
    events_.push_back(event);
}

void FakeMachine::note_pte_write(u64* entry, u64 before, u64 after)
{
    std::lock_guard guard(mutex_);
    const auto offset = reinterpret_cast<u8*>(entry) - machine::direct_map;
    note({.kind = Event::Kind::pte_write,
          .entry = MachineAddress(static_cast<u64>(offset)),
          .before = before,
          .after = after});
    // Only L1 entries map pages; a writable entry of a higher level permits, but does not map.
    constexpr u64 writable = abi::pte::present | abi::pte::writable;
    const bool in_l1 = mm::page_type(Mfn(static_cast<u64>(offset) >> page_shift)) == mm::PageType::l1;
    if (in_l1 && (before & writable) == writable)
        for (auto& tlb : stale_writable_)
            tlb.insert((before & abi::pte::frame_mask) >> page_shift);
}

bool FakeMachine::may_be_written_through_tlb(Mfn mfn, CpuId cpu) const
{
    std::lock_guard guard(mutex_);
    return stale_writable_[cpu.value].contains(mfn.value);
}

bool FakeMachine::may_be_written_through_tlb(Mfn mfn) const
{
    for (unsigned cpu = 0; cpu < cpu_count_; ++cpu)
        if (may_be_written_through_tlb(mfn, CpuId(cpu)))
            return true;
    return false;
}

void FakeMachine::run_as(CpuId cpu)
{
    running_cpu = cpu;
}

void FakeMachine::preempt_every(unsigned n)
{
    preempt_every_ = n;
    questions_ = 0;
}

bool FakeMachine::should_preempt()
{
    std::lock_guard guard(mutex_);
    ++questions_;
    return preempt_every_ && questions_ % preempt_every_ == 0;
}

bool FakeMachine::faults(u64 address, u64 bytes)
{
    constexpr u64 first_good = 0x10000;
    if (bytes == 0)
        return false;
    if (!guest_range_ok(address, bytes)) {
        std::lock_guard guard(mutex_);
        ++unchecked_accesses_;
        return true;
    }
    // The upper half is the guest's kernel; the test program has nothing there.
    if (address >= guest_high_start || address + bytes > guest_low_end - page_size)
        return true;
    return address < first_good || (address < faulting_.second && address + bytes > faulting_.first);
}

void FakeMachine::flush(CpuMask cpus)
{
    std::lock_guard guard(mutex_);
    note({.kind = Event::Kind::flush, .targets = cpus});
    ++clock_;
    for (unsigned cpu = 0; cpu < max_cpus; ++cpu)
        if (cpus.contains(CpuId(cpu))) {
            last_flush_[cpu] = clock_;
            stale_writable_[cpu].clear();
        }
}

u32 FakeMachine::clock() const
{
    std::lock_guard guard(mutex_);
    return clock_;
}

void FakeMachine::arm(Nanoseconds deadline)
{
    std::lock_guard guard(mutex_);
    deadline_ = deadline;
}

CpuMask FakeMachine::stale(CpuMask cpus, u32 stamp) const
{
    std::lock_guard guard(mutex_);
    CpuMask stale;
    for (unsigned cpu = 0; cpu < max_cpus; ++cpu)
        if (cpus.contains(CpuId(cpu)) && last_flush_[cpu] <= stamp)
            stale = stale | CpuMask::of(CpuId(cpu));
    return stale;
}

Session::Session() : machine(FakeMachine::get())
{
    machine.set_cpu_count(1);
    machine.run_as(CpuId(0));
    machine.preempt_every(0);
    machine.make_fault(0, 0);
    machine.flush({~u64{0}});
    machine.forget_events();
    machine.log_lines().clear();
    machine.forget_unchecked_accesses();
    mm::zero_frame();
    free_at_start_ = mm::free_frame_count();
}

Session::~Session()
{
    if (machine.unchecked_accesses()) {
        std::fprintf(stderr, "guest memory was touched %u times at addresses that no guest may name\n",
                     machine.unchecked_accesses());
        std::abort();
    }
    const u64 free = mm::free_frame_count();
    if (free != free_at_start_) {
        std::fprintf(stderr, "a test left %lld frames in use\n", static_cast<long long>(free_at_start_ - free));
        std::abort();
    }
}

}

// ---- The seam

namespace xylem::machine {

using test::Event;
using test::FakeMachine;

u8* direct_map = nullptr;
Mfn max_mfn{};

u64 copy_from_guest(void* to, u64 guest_address, u64 bytes)
{
    if (FakeMachine::get().faults(guest_address, bytes))
        return bytes;
    std::memcpy(to, reinterpret_cast<const void*>(guest_address), bytes);
    return 0;
}

u64 copy_to_guest(u64 guest_address, const void* from, u64 bytes)
{
    if (FakeMachine::get().faults(guest_address, bytes))
        return bytes;
    std::memcpy(reinterpret_cast<void*>(guest_address), from, bytes);
    return 0;
}

void flush_tlb(CpuMask cpus)
{
    FakeMachine::get().step();
    FakeMachine::get().flush(cpus);
}
void flush_tlb_page(CpuMask cpus, VirtualAddress address)
{
    FakeMachine::get().note({.kind = Event::Kind::flush_page, .targets = cpus, .address = address.value});
}
u32 tlb_clock()
{
    FakeMachine::get().step();
    return FakeMachine::get().clock();
}
CpuMask stale_cpus(CpuMask cpus, u32 stamp)
{
    FakeMachine::get().step();
    return FakeMachine::get().stale(cpus, stamp);
}

void write_pte(u64* entry, u64 value)
{
    FakeMachine::get().step(entry);
    const u64 before = __atomic_exchange_n(entry, value, __ATOMIC_SEQ_CST);
    FakeMachine::get().note_pte_write(entry, before, value);
}

bool compare_exchange_pte(u64* entry, u64& expected, u64 desired)
{
    FakeMachine::get().step(entry);
    const u64 before = expected;
    if (!__atomic_compare_exchange_n(entry, &expected, desired, false, __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST))
        return false;
    FakeMachine::get().note_pte_write(entry, before, desired);
    return true;
}

void flush_cache(const void*, u64)
{
    FakeMachine::get().note({.kind = Event::Kind::cache_flush});
}
void flush_all_caches()
{
    FakeMachine::get().note({.kind = Event::Kind::cache_flush});
}
void load_root(MachineAddress root)
{
    FakeMachine::get().note({.kind = Event::Kind::load_root, .address = root.value});
    FakeMachine::get().flush(CpuMask::of(test::running_cpu));
}

CpuId this_cpu()
{
    return test::running_cpu;
}
unsigned cpu_count()
{
    return FakeMachine::get().cpu_count();
}
void kick(CpuId cpu)
{
    FakeMachine::get().note({.kind = Event::Kind::kick, .targets = CpuMask::of(cpu)});
}
void request_schedule(CpuId cpu)
{
    FakeMachine::get().note({.kind = Event::Kind::descheduled, .targets = CpuMask::of(cpu)});
}

Nanoseconds now()
{
    return FakeMachine::get().now();
}
u64 tsc()
{
    return static_cast<u64>(FakeMachine::get().now().value);
}
void arm_timer(Nanoseconds deadline)
{
    FakeMachine::get().arm(deadline);
}
void disarm_timer()
{
    FakeMachine::get().arm({});
}

void write_log(int, const char* text, size_t length)
{
    FakeMachine::get().log_lines().emplace_back(text, length);
}

void panic(const char* text)
{
    std::fprintf(stderr, "panic: %s\n", text);
    std::abort();
}

void relax()
{
    // A test with one thread that waits for somebody waits for ever.
    constexpr unsigned hopeless = 100'000'000;
    if (++test::relaxed_in_a_row > hopeless)
        panic("a spin wait does not end");
    if (FakeMachine::get().on_relax)
        FakeMachine::get().on_relax();
    else
        std::this_thread::yield();
}

namespace {
/// Of each processor: a thread may play several in turn.
struct HeldLocks {
    LockRank ranks[16];
    unsigned count = 0;
};
thread_local HeldLocks held_locks[max_cpus];
}

void lock_taken(LockRank rank)
{
    test::relaxed_in_a_row = 0;
    auto& [held_ranks, held_count] = held_locks[test::running_cpu.value];
    if (held_count && held_ranks[held_count - 1] >= rank) {
        std::fprintf(stderr, "lock rank %d taken while holding %d\n", static_cast<int>(rank),
                     static_cast<int>(held_ranks[held_count - 1]));
        std::abort();
    }
    held_ranks[held_count++] = rank;
}

void lock_released(LockRank rank)
{
    auto& [held_ranks, held_count] = held_locks[test::running_cpu.value];
    unsigned i = held_count;
    while (i > 0 && held_ranks[i - 1] != rank)
        --i;
    if (i == 0)
        panic("a lock is released that is not held");
    for (; i < held_count; ++i)
        held_ranks[i - 1] = held_ranks[i];
    --held_count;
}

}

namespace xylem::hypercall {

bool should_preempt()
{
    return test::FakeMachine::get().should_preempt();
}

}
