// The state machine of page types, in the small: every pair of short sequences of operations on one table and the page
// that it maps, one on each of two processors, in every interleaving of their atomic steps with few changes between the
// processors.
//
// XYLEM_CHANGES=n explores up to n changes in a run (1 unless told).

#include "tests/interleavings/explorer.hpp"
#include "tests/support/fake_guest.hpp"
#include "tests/support/fake_machine.hpp"

#include <cstdlib>
#include <gtest/gtest.h>

namespace xylem::test {
namespace {

using mm::PageType;

enum class Op { pin, unpin, take_writable, drop_writable, point_at_table, point_at_page, clear };
constexpr Op all_ops[] = {Op::pin,           Op::unpin, Op::take_writable, Op::drop_writable, Op::point_at_table,
                          Op::point_at_page, Op::clear};
constexpr const char* names[] = {"pin",           "unpin", "take_writable", "drop_writable", "point_at_table",
                                 "point_at_page", "clear"};
using Sequence = std::vector<Op>;

/// A table that is pinned as an L1 at times, a table that is one always, and a page.
class TypeScenario : public Scenario {
public:
    TypeScenario(const Sequence& one, const Sequence& other) : sequences_{&one, &other}
    {
        l1_ = guest_.page();
        table_ = guest_.page();
        page_ = guest_.page();
        guest_.store(table_, 3, entry_for(page_, rw));
        if (!guest_.pin(l1_, PageType::l1).ok())
            std::abort();
    }
    ~TypeScenario() override
    {
        for (int i = 0; i < taken_; ++i)
            mm::put_writable_page(table_);
        FakeMachine::get().forget_events();
    }

    void run(unsigned processor) override
    {
        for (const Op op : *sequences_[processor])
            perform(op);
    }

    std::string verdict() override
    {
        if (mm::type_count(table_) && mm::page_type(table_) == PageType::l1 &&
            FakeMachine::get().may_be_written_through_tlb(table_))
            return "the table may be written through a TLB";
        return guest_.audit([&](mm::Audit& audit) {
            for (int i = 0; i < taken_; ++i)
                audit.expect_typed(table_, PageType::writable, "a writable page");
        });
    }

private:
    void perform(Op op)
    {
        switch (op) {
        case Op::pin:
            (void)mm::pin(guest_.owner, table_, PageType::l1).ok();
            break;
        case Op::unpin:
            (void)mm::unpin(guest_.owner, table_).ok();
            break;
        case Op::take_writable:
            taken_ += mm::get_writable_page(guest_.owner, table_).ok();
            break;
        case Op::drop_writable:
            if (taken_ > 0) {
                --taken_;
                mm::put_writable_page(table_);
            }
            break;
        case Op::point_at_table:
            update(entry_for(table_, rw));
            break;
        case Op::point_at_page:
            update(entry_for(page_, rw));
            break;
        case Op::clear:
            update(0);
            break;
        }
    }
    void update(u64 value)
    {
        const mm::Parties parties{.tables = guest_.owner, .data = guest_.owner, .caller = guest_.owner};
        (void)mm::update_l1_entry(parties, l1_, 7, value, mm::AccessedDirty::replace).ok();
    }

    FakeGuest guest_;
    const Sequence* sequences_[processors];
    Mfn l1_{}, table_{}, page_{};
    int taken_ = 0; // changed between atomic steps only
};

std::vector<Sequence> sequences(unsigned length)
{
    std::vector<Sequence> all{{}};
    for (unsigned i = 0; i < length; ++i) {
        std::vector<Sequence> longer;
        for (const Sequence& shorter : all)
            for (const Op op : all_ops) {
                longer.push_back(shorter);
                longer.back().push_back(op);
            }
        all = longer;
    }
    return all;
}

std::string text(const Sequence& sequence)
{
    std::string all;
    for (const Op op : sequence)
        all += std::string(" ") + names[static_cast<int>(op)];
    return all;
}

TEST(Interleavings, NoMixOfTwoSequencesBreaksThePageTypes)
{
    Session session;
    session.machine.set_cpu_count(Scenario::processors);
    const char* told = std::getenv("XYLEM_CHANGES");
    const unsigned changes = told ? static_cast<unsigned>(std::atoi(told)) : 1;
    u64 runs = 0;
    for (const Sequence& one : sequences(2))
        for (const Sequence& other : sequences(1)) {
            const Explored explored = explore(changes, [&] { return std::make_unique<TypeScenario>(one, other); });
            runs += explored.runs;
            ASSERT_EQ(explored.failure, "") << text(one) << " against" << text(other);
        }
    RecordProperty("runs", std::to_string(runs));
    std::printf("%llu interleavings\n", static_cast<unsigned long long>(runs));
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

TEST(Interleavings, AFrameIsEitherStolenOrInUse)
{
    Session session;
    session.machine.set_cpu_count(Scenario::processors);
    EXPECT_EQ(explore(2, [] { return std::make_unique<StealScenario>(); }).failure, "");
}

}
}
