// The state machine of page types, in the small: every pair of short sequences of operations on a few frames, one on
// each of two processors, in every interleaving of their atomic steps with few changes between the processors.
//
// XYLEM_MORE_CHANGES=n explores n changes more in a run than usual; and of every pair of single operations all
// interleavings that there are, however many the changes.

#include "tests/interleavings/explorer.hpp"
#include "tests/support/fake_guest.hpp"
#include "tests/support/fake_machine.hpp"

#include <cstdlib>
#include <gtest/gtest.h>
#include <iterator>

namespace xylem::test {
namespace {

using mm::PageType;

/// What one processor does, one after the other: indices into the operations of a scenario.
using Sequence = std::vector<std::size_t>;

/// A scenario of operations: each kind has its own (`operations`), on frames of its own.
template <typename Kind> class TypeScenario : public Scenario {
public:
    struct Operation {
        const char* name;
        void (*perform)(Kind&);
    };

    TypeScenario(const Sequence& one, const Sequence& other) : sequences_{&one, &other} {}
    ~TypeScenario() override { FakeMachine::get().forget_events(); }

    void run(unsigned processor) override
    {
        for (const std::size_t operation : *sequences_[processor])
            Kind::operations[operation].perform(static_cast<Kind&>(*this));
    }

protected:
    Mfn pinned_page(PageType type)
    {
        const Mfn mfn = guest_.page();
        if (!guest_.pin(mfn, type).ok())
            std::abort();
        return mfn;
    }
    void update(Mfn table, u64 value)
    {
        const mm::Parties parties{.tables = guest_.owner, .data = guest_.owner, .caller = guest_.owner};
        mm::FlushNeeded flush{};
        (void)mm::update_entry(parties, entry_address(table, 7), value, mm::AccessedDirty::replace, flush).ok();
    }
    void take_writable(Mfn mfn)
    {
        if (mm::get_writable_page(guest_.owner, mfn).ok())
            ++taken_;
    }
    void drop_writable(Mfn mfn)
    {
        if (taken_ > 0) {
            --taken_;
            mm::put_writable_page(mfn);
        }
    }
    /// What is wrong, if `mfn` is what take_writable() takes.
    std::string verdict_on(Mfn mfn)
    {
        const bool is_table = mm::type_count(mfn) && mm::page_type(mfn) != PageType::writable;
        if (is_table && FakeMachine::get().may_be_written_through_tlb(mfn))
            return "the table may be written through a TLB";
        return guest_.audit([&](mm::Audit& audit) {
            for (int i = 0; i < taken_; ++i)
                audit.expect_typed(mfn, PageType::writable, "a writable page");
        });
    }
    void drop_all(Mfn mfn)
    {
        for (; taken_ > 0; --taken_)
            mm::put_writable_page(mfn);
    }

    FakeGuest guest_;

private:
    const Sequence* sequences_[processors];
    int taken_ = 0;
};

/// A table that is pinned as an L1 at times, one that is an L1 always, and a page.
class L1Scenario : public TypeScenario<L1Scenario> {
public:
    L1Scenario(const Sequence& one, const Sequence& other) : TypeScenario(one, other)
    {
        guest_.store(table_, 3, entry_for(page_, rw));
    }
    ~L1Scenario() override { drop_all(table_); }

    static const Operation operations[7];
    std::string verdict() override { return verdict_on(table_); }

private:
    Mfn l1_ = pinned_page(PageType::l1), table_ = guest_.page(), page_ = guest_.page();
};

const L1Scenario::Operation L1Scenario::operations[] = {
    {"pin", [](auto& s) { (void)mm::pin(s.guest_.owner, s.table_, PageType::l1).ok(); }},
    {"unpin", [](auto& s) { (void)mm::unpin(s.guest_.owner, s.table_).ok(); }},
    {"take_writable", [](auto& s) { s.take_writable(s.table_); }},
    {"drop_writable", [](auto& s) { s.drop_writable(s.table_); }},
    {"point_at_table", [](auto& s) { s.update(s.l1_, entry_for(s.table_, rw)); }},
    {"point_at_page", [](auto& s) { s.update(s.l1_, entry_for(s.page_, rw)); }},
    {"clear", [](auto& s) { s.update(s.l1_, 0); }},
};

/// A root of level 2 over two L1 tables. Whatever can be interrupted is, at each entry: nobody repeats it but by a
/// further operation.
class InterruptedScenario : public TypeScenario<InterruptedScenario> {
public:
    InterruptedScenario(const Sequence& one, const Sequence& other) : TypeScenario(one, other)
    {
        for (unsigned index = 0; index < 2; ++index)
            guest_.store(root_, index, entry_for(l1_[index], table_flags));
    }
    ~InterruptedScenario() override { drop_all(l1_[0]); }

    static const Operation operations[8];
    std::string verdict() override { return verdict_on(l1_[0]); }

private:
    Mfn root_ = guest_.page(), l1_[2] = {guest_.page(), guest_.page()};
};

const InterruptedScenario::Operation InterruptedScenario::operations[] = {
    {"pin_root", [](auto& s) { (void)mm::pin(s.guest_.owner, s.root_, PageType::l2).ok(); }},
    {"unpin_root", [](auto& s) { (void)mm::unpin(s.guest_.owner, s.root_).ok(); }},
    {"finish", [](auto& s) { (void)mm::finish_pending(s.guest_.owner).ok(); }},
    {"pin_l1", [](auto& s) { (void)mm::pin(s.guest_.owner, s.l1_[0], PageType::l1).ok(); }},
    {"unpin_l1", [](auto& s) { (void)mm::unpin(s.guest_.owner, s.l1_[0]).ok(); }},
    {"take_writable", [](auto& s) { s.take_writable(s.l1_[0]); }},
    {"set_in_root", [](auto& s) { s.update(s.root_, entry_for(s.l1_[0], table_flags)); }},
    {"clear_in_root", [](auto& s) { s.update(s.root_, 0); }},
};

/// All sequences of `length` operations out of `operations`.
std::vector<Sequence> sequences(unsigned length, std::size_t operations)
{
    std::vector<Sequence> all{{}};
    for (unsigned i = 0; i < length; ++i) {
        std::vector<Sequence> longer;
        for (const Sequence& shorter : all)
            for (std::size_t operation = 0; operation < operations; ++operation) {
                longer.push_back(shorter);
                longer.back().push_back(operation);
            }
        all = longer;
    }
    return all;
}

template <typename Kind> std::string text(const Sequence& sequence)
{
    std::string all;
    for (const std::size_t operation : sequence)
        all += std::string(" ") + Kind::operations[operation].name;
    return all;
}

/// Every sequence of `length` operations against every single one.
template <typename Kind> void explore_sequences(unsigned length, unsigned changes)
{
    u64 runs = 0;
    for (const Sequence& one : sequences(length, std::size(Kind::operations)))
        for (const Sequence& other : sequences(1, std::size(Kind::operations))) {
            const Explored explored = explore(changes, [&] { return std::make_unique<Kind>(one, other); });
            runs += explored.runs;
            ASSERT_EQ(explored.failure, "") << text<Kind>(one) << " against" << text<Kind>(other);
        }
    std::printf("%llu interleavings\n", static_cast<unsigned long long>(runs));
}

class Interleavings : public testing::Test {
protected:
    Interleavings() { session.machine.set_cpu_count(Scenario::processors); }
    Session session;
};

TEST_F(Interleavings, NoMixOfTwoSequencesBreaksThePageTypes)
{
    explore_sequences<L1Scenario>(2, allowed_changes(1));
}

TEST_F(Interleavings, NoMixAtAllOfTwoOperationsBreaksThePageTypes)
{
    explore_sequences<L1Scenario>(1, all_changes(2));
}

TEST_F(Interleavings, NoMixOfInterruptedOperationsBreaksThePageTypes)
{
    session.machine.preempt_every(1);
    explore_sequences<InterruptedScenario>(2, allowed_changes(1));
}

/// Two processors unpin a tree each: one is interrupted, and leaves what is left to whoever comes next; the other goes
/// on until it is told that all is done.
class UnpinScenario : public Scenario {
public:
    /// @param tables below the root of each; all but the last are an interruption each
    explicit UnpinScenario(const unsigned (&tables)[processors])
    {
        for (unsigned i = 0; i < processors; ++i) {
            trees_[i].push_back(guest_.page());
            for (unsigned index = 0; index < tables[i]; ++index) {
                trees_[i].push_back(guest_.page());
                guest_.store(trees_[i][0], index, entry_for(trees_[i].back(), table_flags));
            }
            if (!guest_.pin(trees_[i][0], PageType::l2).ok())
                std::abort();
        }
    }
    void run(unsigned processor) override
    {
        (void)mm::unpin(guest_.owner, trees_[processor][0]).ok();
        bool done = mm::finish_pending(guest_.owner).ok();
        while (!done && processor == 1) {
            if (guest_.owner.unfinished.empty())
                machine::relax(); // the other has it
            done = mm::finish_pending(guest_.owner).ok();
        }
        for (const Mfn table : trees_[processor])
            left_typed_ = left_typed_ || (done && mm::type_count(table));
    }
    std::string verdict() override
    {
        while (!mm::finish_pending(guest_.owner).ok()) {
        }
        return left_typed_ ? "a tree that was said to be done with is one yet" : guest_.audit();
    }

private:
    FakeGuest guest_;
    std::vector<Mfn> trees_[processors]; ///< the root first
    bool left_typed_ = false;
};

TEST_F(Interleavings, AnUnpinnedTreeIsOneNoMoreWhenTheCallEnds)
{
    constexpr unsigned shapes[][Scenario::processors] = {{1, 3}, {2, 2}};
    session.machine.preempt_every(1);
    for (const auto& tables : shapes)
        EXPECT_EQ(explore(allowed_changes(3), [&] { return std::make_unique<UnpinScenario>(tables); }).failure, "")
            << tables[0] << " tables against " << tables[1];
}

/// The last writable mapping of a page goes on one processor, and the page becomes a table; meanwhile the other, which
/// has just flushed its translations, maps the page and no longer.
class StampScenario : public Scenario {
public:
    StampScenario() : l1_{guest_.page(), guest_.page()}, page_(guest_.page())
    {
        guest_.store(l1_[0], 0, entry_for(page_, rw));
        for (const Mfn table : l1_)
            if (!guest_.pin(table, PageType::l1).ok())
                std::abort();
    }
    ~StampScenario() override { FakeMachine::get().forget_events(); }
    void run(unsigned processor) override
    {
        if (processor == 0) {
            (void)guest_.update(l1_[0], 0, 0).ok();
            (void)guest_.pin(page_, PageType::l1).ok();
        } else {
            machine::flush_tlb(CpuMask::of(CpuId(1)));
            (void)guest_.update(l1_[1], 0, entry_for(page_, rw)).ok();
            (void)guest_.update(l1_[1], 0, 0).ok();
        }
    }
    std::string verdict() override
    {
        if (mm::is_pinned(page_) && FakeMachine::get().may_be_written_through_tlb(page_))
            return "the table may be written through a TLB";
        return guest_.audit();
    }

private:
    FakeGuest guest_;
    Mfn l1_[2], page_;
};

TEST_F(Interleavings, ATablesFormerMappingsAreInNoTlb)
{
    EXPECT_EQ(explore(allowed_changes(2), [] { return std::make_unique<StampScenario>(); }).failure, "");
}

/// XSA-287: a frame is stolen while it is made a table.
class StealScenario : public Scenario {
public:
    StealScenario() : frame_(guest_.page()) {}
    void run(unsigned processor) override
    {
        if (processor == 0) {
            if (mm::pin(guest_.owner, frame_, PageType::l1).ok())
                (void)mm::unpin(guest_.owner, frame_).ok();
        } else if (mm::steal(guest_.owner, frame_).ok()) {
            stolen_clean_ = mm::type_count(frame_) == 0;
            (void)mm::restore_frames(guest_.owner, frame_, 0).ok();
        }
    }
    std::string verdict() override { return stolen_clean_ ? guest_.audit() : "it was stolen while in use"; }

private:
    FakeGuest guest_;
    Mfn frame_;
    bool stolen_clean_ = true;
};

TEST_F(Interleavings, AFrameIsEitherStolenOrInUse)
{
    EXPECT_EQ(explore(allowed_changes(3), [] { return std::make_unique<StealScenario>(); }).failure, "");
}

}
}
