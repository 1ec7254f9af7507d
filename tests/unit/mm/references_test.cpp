// References: what keeps a frame, and what becomes of it when the last one goes.

#include "hypervisor/mm/exchange.hpp"
#include "tests/support/fake_guest.hpp"
#include "tests/support/fake_machine.hpp"

#include <atomic>
#include <gtest/gtest.h>
#include <thread>

namespace xylem::test {
namespace {

using mm::PageType;

struct References : testing::Test {
    Session session;
    FakeGuest guest;
};

TEST_F(References, AFreeFrameGivesNoReference)
{
    const Mfn mfn = guest.page();
    ASSERT_TRUE(mm::give_back(guest.owner, mfn).ok());
    EXPECT_FALSE(mm::get_page(mfn, guest.owner.id).ok());
    EXPECT_FALSE(mm::get_page_of_any(mfn).ok());
}

TEST_F(References, AFrameOfTheHypervisorGivesNoReference)
{
    EXPECT_FALSE(mm::get_page_of_any(FakeMachine::low_start).ok());
    EXPECT_FALSE(mm::get_page_of_any(guest.owner.perdomain_l3).ok());
    EXPECT_FALSE(mm::get_page_of_any(FakeMachine::io_frame).ok());
    EXPECT_FALSE(mm::get_page_of_any(invalid_mfn).ok());
    EXPECT_FALSE(mm::get_page_of_any(Mfn(machine::max_mfn.value)).ok());
    EXPECT_FALSE(mm::get_page_of_any(Mfn(5)).ok()) << "the first MiB is nobody's RAM";
}

TEST_F(References, ACountThatIsFullRefuses)
{
    const Mfn mfn = guest.page();
    mm::Frame& f = mm::frame(mfn);
    const u64 before = f.count_info;
    f.count_info |= mm::count_bits::count_mask;
    EXPECT_FALSE(mm::get_page(mfn, guest.owner.id).ok());
    f.count_info = before;

    f.type_info = mm::type_bits::of(PageType::writable) | mm::type_bits::validated | mm::type_bits::count_mask;
    EXPECT_EQ(mm::get_type(mfn, PageType::writable), Error::Invalid);
    f.type_info = 0;
}

TEST_F(References, AHeldFrameOutlivesItsReturn)
{
    const Mfn mfn = guest.page();
    {
        const mm::PageRef held = mm::get_page(mfn, guest.owner.id).take();
        ASSERT_TRUE(mm::give_back(guest.owner, mfn).ok());
        EXPECT_EQ(mm::frame(mfn).owner, guest.owner.id);
        EXPECT_EQ(guest.owner.total_pages, 1u);
        EXPECT_EQ(mm::give_back(guest.owner, mfn), Error::Invalid) << "twice";
    }
    EXPECT_EQ(guest.owner.total_pages, 0u);
    EXPECT_EQ(mm::reference_count(mfn), 0u);
}

TEST_F(References, TheM2pForgetsAFrameThatIsGivenBack)
{
    const Mfn mfn = guest.page();
    EXPECT_EQ(mm::m2p[mfn.value], mm::invalid_m2p);
    mm::m2p[mfn.value] = 77;
    ASSERT_TRUE(mm::give_back(guest.owner, mfn).ok());
    EXPECT_EQ(mm::m2p[mfn.value], mm::invalid_m2p);
}

// XSA-287, and the rule of exchange and transfer: nothing but the allocated reference.
TEST_F(References, OnlyAFrameThatNobodyRefersToCanBeStolen)
{
    const Mfn mfn = guest.page();
    {
        const mm::PageRef held = mm::get_page(mfn, guest.owner.id).take();
        EXPECT_EQ(mm::steal(guest.owner, mfn), Error::Invalid);
    }
    ASSERT_TRUE(guest.pin(mfn, PageType::l1).ok());
    EXPECT_EQ(mm::steal(guest.owner, mfn), Error::Invalid);
    ASSERT_TRUE(guest.unpin(mfn).ok());
    FakeGuest other(2);
    EXPECT_EQ(mm::steal(other.owner, mfn), Error::Invalid);
    ASSERT_TRUE(mm::steal(guest.owner, mfn).ok());
    EXPECT_FALSE(mm::get_page_of_any(mfn).ok());
    ASSERT_TRUE(mm::restore_frames(guest.owner, mfn, 0).ok());
}

// XSA-214: the type that a frame was validated as does not travel with it.
TEST_F(References, AStolenFrameHasForgottenItsType)
{
    const Mfn mfn = guest.page();
    ASSERT_TRUE(guest.pin(mfn, PageType::l1).ok());
    ASSERT_TRUE(guest.unpin(mfn).ok());
    ASSERT_EQ(mm::page_type(mfn), PageType::l1);
    ASSERT_TRUE(mm::steal(guest.owner, mfn).ok());
    EXPECT_EQ(mm::page_type(mfn), PageType::none);
    EXPECT_FALSE(mm::is_validated(mfn));
    mm::discard_frames(mfn, 0);
    mm::give_up_room(guest.owner, 1);
}

// XSA-287: a frame is stolen on one processor, given back on another, and made a table on a third.
TEST_F(References, AFrameIsEitherStolenOrInUse)
{
    session.machine.set_cpu_count(3);
    const Mfn contested = guest.page(), other = guest.page();
    std::atomic<unsigned> stolen{0};
    const auto pinner = [&](unsigned cpu) {
        session.machine.run_as(CpuId(cpu));
        while (stolen < 300)
            for (const Mfn mfn : {contested, other})
                if (mm::pin(guest.owner, mfn, PageType::l1).ok())
                    (void)mm::unpin(guest.owner, mfn).ok();
    };
    std::thread one(pinner, 1), two(pinner, 2);
    while (stolen < 300) {
        if (!mm::steal(guest.owner, contested).ok())
            continue;
        EXPECT_EQ(mm::frame(contested).owner, domid_none);
        EXPECT_EQ(mm::type_count(contested), 0u);
        ++stolen;
        EXPECT_TRUE(mm::restore_frames(guest.owner, contested, 0).ok());
    }
    one.join();
    two.join();
    EXPECT_EQ(mm::reference_count(contested), 1u);
    EXPECT_EQ(guest.audit(), "");
}

namespace {

using Phase = mm::Exchange::Phase;
constexpr mm::Exchange::Chunk pair_in_low_memory{1, 1, 32};

void clean_up(mm::Exchange& exchange)
{
    while (exchange.is_under_way())
        exchange.clean_up();
}

}

TEST_F(References, AnExchangeThatMeetsAReferredFrameChangesNothing)
{
    const Mfn one = guest.page(), two = guest.page();
    mm::m2p[one.value] = 11;
    const mm::PageRef held = mm::get_page(two, guest.owner.id).take();
    const u64 free = mm::free_frame_count();
    mm::Exchange exchange(guest.owner);
    ASSERT_TRUE(exchange.begin({}, pair_in_low_memory).ok());
    ASSERT_TRUE(exchange.allocate().ok());
    exchange.take(one);
    ASSERT_EQ(exchange.phase(), Phase::taking);
    exchange.take(two);
    ASSERT_EQ(exchange.phase(), Phase::undoing);
    clean_up(exchange);
    EXPECT_EQ(exchange.outcome(), Error::Invalid);
    EXPECT_EQ(mm::free_frame_count(), free);
    EXPECT_EQ(mm::m2p[one.value], 11u);
    EXPECT_EQ(guest.owner.total_pages, 2u);
    EXPECT_TRUE(mm::get_page(one, guest.owner.id).ok());
}

TEST_F(References, AnExchangeTakesAFrameOnce)
{
    const Mfn one = guest.page();
    guest.page();
    mm::Exchange exchange(guest.owner);
    ASSERT_TRUE(exchange.begin({}, pair_in_low_memory).ok());
    ASSERT_TRUE(exchange.allocate().ok());
    exchange.take(one);
    exchange.take(one);
    clean_up(exchange);
    EXPECT_EQ(exchange.outcome(), Error::Invalid);
    EXPECT_EQ(guest.owner.total_pages, 2u);
}

TEST_F(References, AnExchangeGivesAsManyFramesAsItTakes)
{
    const Mfn one = guest.page(), two = guest.page();
    mm::Exchange exchange(guest.owner);
    ASSERT_TRUE(exchange.begin({}, pair_in_low_memory).ok());
    ASSERT_TRUE(exchange.allocate().ok());
    exchange.take(one);
    exchange.take(two);
    ASSERT_EQ(exchange.phase(), Phase::giving);
    const Mfn run = exchange.give(Pfn(40)).take();
    clean_up(exchange);
    EXPECT_TRUE(exchange.outcome().ok());
    EXPECT_LT(run, Mfn(u64{1} << 20));
    EXPECT_EQ(mm::m2p[run.value], 40u);
    EXPECT_EQ(mm::m2p[run.value + 1], 41u);
    EXPECT_EQ(guest.owner.total_pages, 2u);
    EXPECT_EQ(mm::reference_count(one), 0u);
    EXPECT_EQ(guest.audit(), "");
}

// ---- Frames that the hypervisor shares

TEST_F(References, ASharedReadOnlyFrameCannotBeMappedWritable)
{
    const auto t = guest.tree();
    ASSERT_TRUE(guest.pin(t.l4, PageType::l4).ok());
    const Mfn shared = mm::allocate_frame().take();
    ASSERT_TRUE(mm::share_hypervisor_frame(guest.owner, shared, mm::Writable::no).ok());
    EXPECT_EQ(guest.update(t.l1, 0, entry_for(shared, rw)), Error::Busy);
    EXPECT_EQ(guest.pin(shared, PageType::l1), Error::Invalid);
    EXPECT_TRUE(guest.update(t.l1, 0, entry_for(shared, ro)).ok());
    EXPECT_EQ(guest.audit(), "");
    mm::unshare_hypervisor_frame(guest.owner, shared);
    EXPECT_EQ(guest.owner.special_pages, 1u);
    ASSERT_TRUE(guest.update(t.l1, 0, 0).ok());
    EXPECT_EQ(guest.owner.special_pages, 0u);
    mm::free_frame(shared);
}

// XSA-379, XSA-384: what is taken back is not in anybody's tables any more.
TEST_F(References, AMappedSharedFrameCannotBeTakenBack)
{
    const auto t = guest.tree();
    ASSERT_TRUE(guest.pin(t.l4, PageType::l4).ok());
    const Mfn shared = mm::allocate_frame().take();
    ASSERT_TRUE(mm::share_hypervisor_frame(guest.owner, shared, mm::Writable::yes).ok());
    ASSERT_TRUE(guest.update(t.l1, 0, entry_for(shared, rw)).ok());
    EXPECT_EQ(mm::try_unshare_hypervisor_frame(guest.owner, shared), Error::Busy);
    ASSERT_TRUE(guest.update(t.l1, 0, 0).ok());
    EXPECT_TRUE(mm::try_unshare_hypervisor_frame(guest.owner, shared).ok());
    EXPECT_EQ(guest.update(t.l1, 0, entry_for(shared, ro)), Error::Busy);
    mm::free_frame(shared);
}

TEST_F(References, ASharedFrameCannotBeGivenBackOrStolenByTheGuest)
{
    const Mfn shared = mm::allocate_frame().take();
    ASSERT_TRUE(mm::share_hypervisor_frame(guest.owner, shared, mm::Writable::yes).ok());
    EXPECT_EQ(mm::give_back(guest.owner, shared), Error::Invalid);
    EXPECT_EQ(mm::steal(guest.owner, shared), Error::Invalid);
    mm::unshare_hypervisor_frame(guest.owner, shared);
    mm::free_frame(shared);
}

// ---- The end of a domain

TEST_F(References, TheEndOfADomainIsPreemptibleAndComplete)
{
    FakeGuest other(2);
    const auto t = other.tree();
    const Mfn data = other.page();
    other.store(t.l1, 1, entry_for(data, rw));
    other.store(t.l4, 20, entry_for(t.l4, ro)); // linear
    ASSERT_TRUE(other.pin(t.l4, PageType::l4).ok());
    ASSERT_TRUE(other.pin(t.l1, PageType::l1).ok());
    session.machine.preempt_every(1);
    other.owner.dying = true;
    unsigned calls = 1;
    while (mm::relinquish(other.owner) == Error::Preempted)
        ++calls;
    EXPECT_GT(calls, 5u);
    EXPECT_TRUE(mm::drained(other.owner));
    EXPECT_EQ(mm::assign_new_frames(other.owner, 0), Error::Invalid);
}

TEST_F(References, TheOwnerIsToldWhenItsLastFrameGoes)
{
    static unsigned told;
    told = 0;
    FakeGuest other(2);
    other.owner.when_drained = [](mm::Owner&) { ++told; };
    const Mfn mfn = other.page();
    mm::PageRef held = mm::get_page(mfn, other.owner.id).take();
    other.end();
    EXPECT_EQ(told, 0u);
    held = mm::PageRef();
    EXPECT_EQ(told, 1u);
}

}
}
