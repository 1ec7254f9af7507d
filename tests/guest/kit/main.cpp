// The mini kernel itself: memory beyond what the builder mapped, the heap, tasks, events, the timer, grants, several
// vCPUs. What a driver's author relies on is tried here, on both hypervisors, as dom0 and as domU.

#include "frontends/guest/events.hpp"
#include "frontends/guest/grants.hpp"
#include "frontends/guest/memory.hpp"
#include "frontends/guest/tasks.hpp"
#include "frontends/guest/test.hpp"
#include "frontends/guest/time.hpp"
#include "frontends/guest/vcpus.hpp"

using namespace xylem;
using namespace xylem::guest;

namespace {

/// More pages than the builder mapped: each is ours alone, and keeps what is written to it.
void pages()
{
    constexpr u64 count = 700, piece = 3; // half of a guest of 16 MiB
    static u64* had[count];
    for (u64 i = 0; i < count; ++i) {
        had[i] = static_cast<u64*>(allocate_pages(piece));
        if (!had[i])
            return error("there are too few pages");
        EXPECT(had[i][0] | had[i][piece * 512 - 1], 0);
        had[i][0] = had[i][piece * 512 - 1] = i + 1;
    }
    for (u64 i = 0; i < count; ++i) {
        EXPECT(had[i][0], i + 1);
        EXPECT(had[i][piece * 512 - 1], i + 1);
        free_pages(had[i], piece);
    }
    u64* again = static_cast<u64*>(allocate_pages(piece));
    EXPECT_TRUE(again == had[count - 1]);
    EXPECT(again[0], 0);
    free_pages(again, piece);
    EXPECT_TRUE(allocate_pages(longest_piece + 1) == nullptr);
}

/// Pieces of all sizes, freed in another order: none overlaps another, and all of it comes back.
void heap()
{
    constexpr unsigned count = 400;
    static u8* had[count];
    const size_t before = bytes_in_use();
    const auto size_of = [](unsigned i) { return size_t{1} + i * 37 % 5000; };
    for (unsigned i = 0; i < count; ++i) {
        had[i] = static_cast<u8*>(allocate_bytes(size_of(i)));
        EXPECT(reinterpret_cast<u64>(had[i]) & 15, 0);
        __builtin_memset(had[i], static_cast<int>(i), size_of(i));
    }
    for (unsigned i = 0; i < count; ++i) {
        const unsigned at = i * 7 % count;
        EXPECT(had[at][0], at & 255);
        EXPECT(had[at][size_of(at) - 1], at & 255);
        free_bytes(had[at]);
    }
    EXPECT(bytes_in_use(), before);
    void* large = allocate_bytes(300'000); // they have grown together again
    EXPECT_TRUE(large != nullptr);
    free_bytes(large);
    EXPECT_TRUE(allocate_bytes(size_t{1} << 40) == nullptr);
}

unsigned turns[3], ended;

void count_turns(void* which)
{
    unsigned& mine = turns[reinterpret_cast<u64>(which)];
    for (unsigned i = 0; i < 10; ++i) {
        ++mine;
        yield();
    }
    ++ended;
}

void tasks()
{
    for (u64 i = 0; i < 3; ++i)
        EXPECT_TRUE(start_task(count_turns, reinterpret_cast<void*>(i)));
    EXPECT(turns[0] + turns[1] + turns[2], 0); // nothing runs before this one waits
    yield();
    EXPECT(turns[0] * 100 + turns[1] * 10 + turns[2], 111);
    wait_until([] { return ended == 3; });
    EXPECT(turns[0] + turns[1] + turns[2], 30);
    for (u64 i = 0; i < 100; ++i) { // their stacks come back
        ended = 0;
        start_task(count_turns, nullptr);
        wait_until([] { return ended == 1; });
    }
}

void sleeps()
{
    u64 begin = system_time();
    sleep(3 * millisecond);
    EXPECT_TRUE(system_time() - begin >= 3 * millisecond);
    begin = system_time();
    EXPECT_TRUE(!wait_until([] { return false; }, begin + 2 * millisecond));
    EXPECT_TRUE(system_time() - begin >= 2 * millisecond);
    EXPECT_TRUE(wait_until([] { return true; }, begin));
    const u64 clock = wall_clock();
    sleep(millisecond);
    EXPECT_TRUE(wall_clock() - clock >= millisecond && clock > system_time());
}

unsigned calls;

void count_call(void* amount)
{
    calls += static_cast<unsigned>(reinterpret_cast<u64>(amount));
}

void events()
{
    const DomId self(own_domain_id());
    const Result<Port> offered = allocate_port(self, count_call, reinterpret_cast<void*>(1));
    const Result<Port> bound =
        offered.ok() ? bind_port(self, offered.value(), count_call, reinterpret_cast<void*>(100)) : Error::NoEntry;
    if (!bound.ok())
        return error("a port could not be bound");
    dispatch_events(); // binding counts as an event
    calls = 0;
    notify(bound.value());
    EXPECT(calls, 0); // no handler before somebody waits
    wait_until([] { return calls != 0; });
    EXPECT(calls, 1);
    notify(offered.value());
    notify(offered.value()); // one event: it was pending
    wait_until([] { return calls != 1; });
    EXPECT(calls, 101);
    close_port(offered.value());
    notify(bound.value());
    yield();
    EXPECT(calls, 101);
    close_port(bound.value());
    EXPECT_TRUE(bind_port(DomId(1234), Port(1), count_call) == Error::NoSuchDomain);
}

/// More grants than a frame of the table holds.
void grants()
{
    const DomId self(own_domain_id());
    void* page = allocate_page();
    constexpr unsigned count = 700;
    static GrantRef refs[count];
    for (unsigned i = 0; i < count; ++i) {
        const Result<GrantRef> ref = allocate_grant(self, page);
        if (!ref.ok())
            return error("a grant could not be had");
        refs[i] = ref.value();
    }
    void* place = allocate_page();
    const auto mapped =
        map_grant(reinterpret_cast<u64>(place), abi::gntmap_host_map, refs[count - 1].value, self.value);
    EXPECT(mapped.status, abi::GnttabStatus::okay);
    EXPECT_TRUE(!end_grant(refs[count - 1])); // somebody has it
    EXPECT(unmap_grant(reinterpret_cast<u64>(place), mapped.handle), abi::GnttabStatus::okay);
    for (const GrantRef ref : refs)
        EXPECT_TRUE(end_grant(ref));
    const Result<GrantRef> again = allocate_grant(self, page);
    EXPECT_TRUE(again.ok() && again.value() == refs[count - 1]);
}

SpinLock lock;
unsigned long counted;
constexpr unsigned rounds = 2000;

void count_under_lock(void* saw)
{
    *static_cast<unsigned*>(saw) = current_vcpu();
    for (unsigned i = 0; i < rounds; ++i) {
        lock.lock();
        ++counted;
        lock.unlock();
    }
}

void second_vcpu()
{
    if (vcpus() < 2)
        return skip("there is one vCPU only");
    EXPECT_TRUE(start_vcpu(0, count_under_lock, nullptr) == Error::NoEntry);
    EXPECT_TRUE(start_vcpu(max_vcpus, count_under_lock, nullptr) == Error::NoEntry);
    EXPECT_TRUE(vcpu_is_down(1));
    for (unsigned turn = 1; turn <= 2; ++turn) { // it may be started again
        unsigned saw = 0, mine = 7;
        counted = 0;
        EXPECT_TRUE(start_vcpu(1, count_under_lock, &saw).ok());
        count_under_lock(&mine);
        while (!vcpu_is_down(1))
            relax();
        EXPECT(counted, 2 * rounds);
        EXPECT(saw, 1);
        EXPECT(mine, 0);
    }
}

}

void xylem_main()
{
    pages();
    heap();
    tasks();
    sleeps();
    events();
    grants();
    second_vcpu();
    finish_test();
}
