// The heap: where frames come from, that they are clean, and that nothing is lost.

#include "hypervisor/mm/heap.hpp"
#include "tests/support/fake_guest.hpp"
#include "tests/support/fake_machine.hpp"

#include <algorithm>
#include <gtest/gtest.h>
#include <random>

namespace xylem::test {
namespace {

struct Heap : testing::Test {
    Session session;
};

bool is_clear(Mfn mfn, u64 frames = 1)
{
    const u8* bytes = machine::map(mfn);
    return std::all_of(bytes, bytes + frames * page_size, [](u8 b) { return b == 0; });
}

TEST_F(Heap, HighMemoryIsGivenFirst)
{
    const Mfn mfn = mm::allocate_frame().take();
    EXPECT_GE(mfn, FakeMachine::high_start);
    mm::free_frame(mfn);
}

TEST_F(Heap, AnAddressLimitIsKept)
{
    for (unsigned bits = 21; bits <= 40; ++bits) {
        const Result<Mfn> mfn = mm::allocate_frames(2, bits);
        ASSERT_TRUE(mfn.ok()) << bits;
        EXPECT_LE((mfn.value().value + 4) << page_shift, u64{1} << bits);
        mm::free_frames(mfn.value(), 2);
    }
    EXPECT_EQ(mm::allocate_frames(0, 20), Error::NoMemory) << "below 1 MiB there is none";
    EXPECT_EQ(mm::allocate_frames(0, 12), Error::NoMemory);
    EXPECT_EQ(mm::allocate_frames(0, 0), Error::NoMemory);
}

TEST_F(Heap, ARunIsAlignedToItsSizeAndClean)
{
    for (unsigned order = 0; order <= 10; ++order) {
        const Mfn first = mm::allocate_frames(order).take();
        EXPECT_EQ(first.value % (u64{1} << order), 0u);
        EXPECT_TRUE(is_clear(first, u64{1} << order));
        std::fill_n(machine::map(first), page_size << order, u8{0xaa});
        mm::free_frames(first, order);
    }
}

TEST_F(Heap, AnOrderBeyondTheLargestIsRefused)
{
    EXPECT_EQ(mm::allocate_frames(mm::max_order), Error::NoMemory);
    FakeGuest guest;
    EXPECT_EQ(mm::assign_new_frames(guest.owner, mm::max_order + 1), Error::Invalid);
    EXPECT_EQ(mm::assign_new_frames(guest.owner, 64), Error::Invalid);
}

TEST_F(Heap, FreedRunsMergeUntilTheWholeIsThereAgain)
{
    std::vector<std::pair<Mfn, unsigned>> held;
    std::mt19937 random(7);
    for (unsigned i = 0; i < 3000; ++i) {
        if (held.empty() || random() % 2) {
            const unsigned order = random() % 6;
            if (Result<Mfn> mfn = mm::allocate_frames(order); mfn.ok())
                held.emplace_back(mfn.value(), order);
        } else {
            const size_t at = random() % held.size();
            mm::free_frames(held[at].first, held[at].second);
            held.erase(held.begin() + static_cast<long>(at));
        }
    }
    std::sort(held.begin(), held.end());
    for (size_t i = 1; i < held.size(); ++i)
        EXPECT_LE(held[i - 1].first + (u64{1} << held[i - 1].second), held[i].first) << "two runs overlap";
    for (const auto& [mfn, order] : held)
        mm::free_frames(mfn, order);
    // Half of the high memory in one run; one frame of the other half is the zero frame.
    const Result<Mfn> half = mm::allocate_frames(11);
    ASSERT_TRUE(half.ok());
    EXPECT_GE(half.value(), FakeMachine::high_start);
    mm::free_frames(half.value(), 11);
}

TEST_F(Heap, EmptyMemoryIsAnErrorAndNothingMore)
{
    std::vector<Mfn> all;
    for (;;) {
        Result<Mfn> mfn = mm::allocate_frame();
        if (!mfn.ok()) {
            EXPECT_EQ(mfn, Error::NoMemory);
            break;
        }
        all.push_back(mfn.value());
    }
    EXPECT_EQ(mm::free_frame_count(), 0u);
    EXPECT_EQ(mm::allocate_bytes(4096), nullptr);
    for (Mfn mfn : all)
        mm::free_frame(mfn);
}

void clear_all_ahead()
{
    while (mm::clear_ahead()) {
    }
}

// Another domain sees nothing of what was in a frame, neither by reading it nor through a TLB.
void see_nothing_of_an_ended_domain(Session& session, bool is_cleared_ahead)
{
    std::vector<Mfn> secret;
    {
        FakeGuest guest;
        const auto t = guest.tree();
        const Mfn page = guest.page();
        guest.store(t.l1, 0, entry_for(page, rw));
        ASSERT_TRUE(guest.pin(t.l4, mm::PageType::l4).ok());
        std::fill_n(machine::map(page), page_size, u8{0x5a});
        secret.push_back(page);
        ASSERT_TRUE(guest.update(t.l1, 0, 0).ok());
    }
    ASSERT_TRUE(session.machine.may_be_written_through_tlb(secret[0]));
    FakeGuest next(2);
    if (is_cleared_ahead) {
        clear_all_ahead();
        EXPECT_TRUE(is_clear(secret[0]));
        EXPECT_FALSE(session.machine.may_be_written_through_tlb(secret[0]));
    }
    std::vector<Mfn> got;
    while (std::find(got.begin(), got.end(), secret[0]) == got.end())
        got.push_back(next.page());
    EXPECT_TRUE(is_clear(secret[0]));
    EXPECT_FALSE(session.machine.may_be_written_through_tlb(secret[0]));
}

TEST_F(Heap, AFrameOfAnEndedDomainIsClearedAndFlushedBeforeItIsUsedAgain)
{
    see_nothing_of_an_ended_domain(session, false);
}

TEST_F(Heap, AFrameOfAnEndedDomainIsFlushedBeforeItIsClearedAhead)
{
    see_nothing_of_an_ended_domain(session, true);
}

TEST_F(Heap, WhatWasClearedAheadIsNotClearedAgain)
{
    clear_all_ahead();
    EXPECT_EQ(mm::uncleared_frame_count(), 0u);
    const Mfn first = mm::allocate_frames(3).take();
    std::fill_n(machine::map(first), page_size << 3, u8{0xaa});
    mm::free_frames(first, 3);
    EXPECT_EQ(mm::uncleared_frame_count(), 8u);

    const Mfn clear = mm::allocate_frames(3).take();
    EXPECT_TRUE(is_clear(clear, 8));
    mm::free_frames(clear, 3);
    clear_all_ahead();
    EXPECT_EQ(mm::uncleared_frame_count(), 0u);
    EXPECT_TRUE(is_clear(first, 8));
    *machine::map(first) = 1; // nobody would: it shows that nobody clears it once more
    std::vector<Mfn> all;
    while (mm::free_frame_count() > 0)
        all.push_back(mm::allocate_frame().take());
    EXPECT_EQ(*machine::map(first), 1);
    for (const Mfn mfn : all)
        mm::free_frame(mfn);
}

TEST_F(Heap, ARunOfWhichPartIsUsedMeanwhileIsClearAllTheSame)
{
    clear_all_ahead();
    std::mt19937 random(11);
    std::vector<std::pair<Mfn, unsigned>> held;
    for (unsigned i = 0; i < 4000; ++i) {
        if (held.size() < 40 && random() % 2) {
            const unsigned order = random() % 7;
            const Mfn first = mm::allocate_frames(order).take();
            ASSERT_TRUE(is_clear(first, u64{1} << order));
            std::fill_n(machine::map(first), page_size << order, u8{0xaa});
            held.emplace_back(first, order);
        } else if (!held.empty() && random() % 2) {
            const size_t at = random() % held.size();
            mm::free_frames(held[at].first, held[at].second);
            held.erase(held.begin() + static_cast<long>(at));
        } else {
            (void)mm::clear_ahead();
        }
    }
    for (const auto& [first, order] : held)
        mm::free_frames(first, order);
    clear_all_ahead();
    EXPECT_EQ(mm::uncleared_frame_count(), 0u);
}

TEST_F(Heap, SmallObjectsAreAlignedClearAndApart)
{
    std::vector<u8*> held;
    for (size_t bytes : {1, 16, 17, 32, 100, 128, 2048, 2049, 4096, 10000}) {
        auto* at = static_cast<u8*>(mm::allocate_bytes(bytes));
        ASSERT_NE(at, nullptr);
        EXPECT_TRUE(std::all_of(at, at + bytes, [](u8 b) { return b == 0; }));
        const size_t alignment = std::min<size_t>(std::bit_ceil(bytes), page_size);
        EXPECT_EQ(reinterpret_cast<u64>(at) % alignment, 0u);
        std::fill_n(at, bytes, u8{0xff});
        held.push_back(at);
    }
    for (u8* at : held)
        mm::free_bytes(at);
    EXPECT_EQ(mm::allocate_bytes(0), nullptr);
    EXPECT_EQ(mm::allocate_bytes(~size_t{0}), nullptr);
    EXPECT_EQ(mm::make_array<u64>(~size_t{0} / 4), nullptr);
}

TEST_F(Heap, ObjectPagesReturnWhenTheirLastObjectGoes)
{
    const u64 before = mm::free_frame_count();
    std::vector<void*> held;
    for (unsigned i = 0; i < 1000; ++i)
        held.push_back(mm::allocate_bytes(48));
    EXPECT_LT(mm::free_frame_count(), before);
    for (void* at : held)
        mm::free_bytes(at);
    EXPECT_EQ(mm::free_frame_count(), before);
}

// ---- Claims

TEST_F(Heap, AClaimKeepsMemoryForItsDomain)
{
    FakeGuest claimer(1), other(2);
    const u64 free = mm::free_frame_count();
    ASSERT_TRUE(mm::claim_pages(claimer.owner, free - 10).ok());
    unsigned got = 0;
    while (mm::assign_new_frames(other.owner, 0).ok())
        ++got;
    EXPECT_EQ(got, 10u);
    EXPECT_TRUE(mm::assign_new_frames(claimer.owner, 3).ok());
    EXPECT_EQ(mm::claimed_frame_count(), free - 18);
    ASSERT_TRUE(mm::claim_pages(claimer.owner, 0).ok());
    EXPECT_EQ(mm::claimed_frame_count(), 0u);
    EXPECT_TRUE(mm::assign_new_frames(other.owner, 0).ok());
}

TEST_F(Heap, AClaimBeyondWhatIsFreeOrAllowedIsRefused)
{
    FakeGuest guest(1, 100);
    EXPECT_EQ(mm::claim_pages(guest.owner, 101), Error::Invalid);
    FakeGuest large(2, ~u64{0} >> 1);
    EXPECT_EQ(mm::claim_pages(large.owner, mm::free_frame_count() + 1), Error::NoMemory);
    EXPECT_EQ(mm::claimed_frame_count(), 0u);
}

TEST_F(Heap, TheMaximumOfADomainHolds)
{
    FakeGuest guest(1, 5);
    EXPECT_TRUE(mm::assign_new_frames(guest.owner, 2).ok());
    EXPECT_EQ(mm::assign_new_frames(guest.owner, 1), Error::NoSpace);
    EXPECT_TRUE(mm::assign_new_frames(guest.owner, 0).ok());
    EXPECT_EQ(mm::assign_new_frames(guest.owner, 0), Error::NoSpace);
    EXPECT_EQ(guest.owner.total_pages, 5u);
}

}
}
