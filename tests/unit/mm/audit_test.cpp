// The audit finds what is amiss: each test spoils one thing behind the manager's back, and puts it right again.

#include "tests/support/fake_guest.hpp"
#include "tests/support/fake_machine.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace xylem::test {
namespace {

using mm::PageType;
using testing::HasSubstr;

struct Audits : testing::Test {
    Audits() : t(guest.tree()), data(guest.page())
    {
        guest.store(t.l1, 0, entry_for(data, rw));
        EXPECT_TRUE(guest.pin(t.l4, PageType::l4).ok());
    }
    Session session;
    FakeGuest guest;
    FakeGuest::Tree t;
    Mfn data;
};

TEST_F(Audits, ASoundMachineIsFoundSound)
{
    EXPECT_EQ(guest.audit(), "");
}

TEST_F(Audits, APageTableMappedWritableIsFound)
{
    u64& entry = guest.entry(t.l1, 5);
    entry = entry_for(t.l2, rw);
    EXPECT_THAT(guest.audit(), HasSubstr("invariant 1"));
    entry = 0;
}

TEST_F(Audits, ALostReferenceIsFound)
{
    mm::Frame& f = mm::frame(data);
    ++f.count_info;
    EXPECT_THAT(guest.audit(), HasSubstr("invariant 3"));
    --f.count_info;
    --f.type_info;
    EXPECT_THAT(guest.audit(), HasSubstr("invariant 3"));
    ++f.type_info;
}

TEST_F(Audits, AMappingOfAnothersFrameIsFound)
{
    FakeGuest other(2);
    const Mfn theirs = other.page();
    mm::PageRef held = mm::get_page(theirs, other.owner.id).take();
    guest.entry(t.l1, 6) = entry_for(theirs, ro);
    const auto audit = [&](auto expect) { return FakeGuest::audit_all({&guest.owner, &other.owner}, expect); };
    EXPECT_THAT(audit([](mm::Audit&) {}), HasSubstr("invariant 2"));
    EXPECT_EQ(audit([&](mm::Audit& a) { a.expect_granted(guest.owner, other.owner.id); }), "") << "by right of a grant";
    guest.entry(t.l1, 6) = 0;
}

TEST_F(Audits, ALargePageInATableIsFound)
{
    u64& entry = guest.entry(t.l2, 0);
    entry |= pte::page_size;
    EXPECT_THAT(guest.audit(), HasSubstr("forbidden flags"));
    entry &= ~pte::page_size;
}

TEST_F(Audits, AForeignEntryInTheHypervisorsSlotsIsFound)
{
    u64& entry = guest.entry(t.l4, 262);
    const u64 right = entry;
    entry = entry_for(data, rw);
    EXPECT_THAT(guest.audit(), HasSubstr("slot 262"));
    entry = right;
}

TEST_F(Audits, AFrameWithoutAnOwnerIsFound)
{
    mm::Frame& f = mm::frame(data);
    f.owner = DomId(99);
    EXPECT_THAT(guest.audit(), HasSubstr("d99"));
    f.owner = guest.owner.id;
}

TEST_F(Audits, AnInterruptedValidationIsSound)
{
    const auto other = guest.tree();
    guest.store(other.l4, 1, entry_for(t.l3, table_flags));
    session.machine.preempt_every(1);
    ASSERT_EQ(mm::pin(guest.owner, other.l4, PageType::l4), Error::Preempted);
    EXPECT_EQ(guest.audit(), "");
    ASSERT_TRUE(guest.pin(other.l4, PageType::l4).ok());
    ASSERT_TRUE(mm::unpin(guest.owner, other.l4).ok());
    EXPECT_EQ(guest.audit(), "");
    (void)mm::finish_pending(guest.owner).ok();
    EXPECT_EQ(guest.audit(), "");
}

TEST_F(Audits, AReportThatDoesNotFitIsCutAndStillCounts)
{
    char text[10];
    mm::AuditReport report(text, sizeof text);
    report.violation(1, "this is longer than ten bytes");
    report.violation(2, "and this");
    EXPECT_EQ(report.violations(), 2u);
    EXPECT_GT(report.length(), sizeof text);
    EXPECT_EQ(std::string(text, sizeof text), "invariant ");
}

}
}
