// Transactions: as if each had run alone, at the moment of its end.
#include "tests/unit/xenstore/store_test.hpp"

namespace xylem::xenstore {

class Transactions : public StoreTest {
public:
    Transactions()
    {
        for (const char* path : {"/x", "/y", "/dir"})
            ask("a", 0, Type::write, std::string(path) + "|0");
    }
};

TEST_F(Transactions, ChangesAreSeenInsideAtOnceAndOutsideAtTheEnd)
{
    run({
        {"a", 0, Type::transaction_start, "|", "1|"},
        {"a", 1, Type::write, "/x|1", "OK|"},
        {"a", 1, Type::read, "/x|", "1"},
        {"a", 0, Type::read, "/x|", "0"},
        {"b", 0, Type::read, "/x|", "0"},
        {"a", 1, Type::transaction_end, "T|", "OK|"},
        {"b", 0, Type::read, "/x|", "1"},
    });
}

TEST_F(Transactions, OneThatIsGivenUpLeavesNothing)
{
    run({
        {"a", 0, Type::transaction_start, "|", "1|"},
        {"a", 1, Type::write, "/x/new|1", "OK|"},
        {"a", 1, Type::rm, "/y|", "OK|"},
        {"a", 1, Type::transaction_end, "F|", "OK|"},
        {"a", 0, Type::read, "/x/new|", "ENOENT"},
        {"a", 0, Type::read, "/y|", "0"},
    });
}

TEST_F(Transactions, WhatWasReadAndHasChangedIsAConflict)
{
    run({
        {"a", 0, Type::transaction_start, "|", "1|"},
        {"a", 1, Type::read, "/x|", "0"},
        {"a", 1, Type::write, "/y|1", "OK|"},
        {"b", 0, Type::write, "/x|2", "OK|"},
        {"a", 1, Type::read, "/x|", "0"}, // the snapshot
        {"a", 1, Type::transaction_end, "T|", "EAGAIN"},
        {"a", 0, Type::read, "/y|", "0"},
        {"a", 1, Type::transaction_end, "T|", "ENOENT"},
    });
}

TEST_F(Transactions, DisjointOnesMerge)
{
    run({
        {"a", 0, Type::transaction_start, "|", "1|"},
        {"b", 0, Type::transaction_start, "|", "1|"},
        {"a", 1, Type::read, "/x|", "0"},
        {"a", 1, Type::write, "/x|a", "OK|"},
        {"b", 1, Type::read, "/y|", "0"},
        {"b", 1, Type::write, "/y|b", "OK|"},
        {"b", 1, Type::transaction_end, "T|", "OK|"},
        {"a", 1, Type::transaction_end, "T|", "OK|"},
        {"a", 0, Type::read, "/x|", "a"},
        {"a", 0, Type::read, "/y|", "b"},
    });
}

// Two domains are built at the same time: each has its directory, beside the other's.
TEST_F(Transactions, SiblingsMayBeCreatedAtTheSameTime)
{
    run({
        {"a", 0, Type::transaction_start, "|", "1|"},
        {"b", 0, Type::transaction_start, "|", "1|"},
        {"a", 1, Type::write, "/dir/1/name|one", "OK|"},
        {"b", 1, Type::write, "/dir/2/name|two", "OK|"},
        {"a", 1, Type::transaction_end, "T|", "OK|"},
        {"b", 1, Type::transaction_end, "T|", "OK|"},
        {"a", 0, Type::directory, "/dir|", "1|2|"},
    });
}

TEST_F(Transactions, ASiblingIsAConflictForWhoListedTheDirectory)
{
    run({
        {"a", 0, Type::transaction_start, "|", "1|"},
        {"a", 1, Type::directory, "/dir|", ""},
        {"a", 1, Type::write, "/x|1", "OK|"},
        {"b", 0, Type::mkdir, "/dir/2|", "OK|"},
        {"a", 1, Type::transaction_end, "T|", "EAGAIN"},
    });
}

TEST_F(Transactions, ANodeReadAsMissingMustStayMissing)
{
    run({
        {"a", 0, Type::transaction_start, "|", "1|"},
        {"a", 1, Type::read, "/dir/lock|", "ENOENT"},
        {"a", 1, Type::write, "/dir/lock|a", "OK|"},
        {"b", 0, Type::write, "/dir/lock|b", "OK|"},
        {"a", 1, Type::transaction_end, "T|", "EAGAIN"},
        {"a", 0, Type::read, "/dir/lock|", "b"},
    });
}

TEST_F(Transactions, AParentThatGoesIsAConflictForWhoCreatedInIt)
{
    run({
        {"a", 0, Type::transaction_start, "|", "1|"},
        {"a", 1, Type::write, "/dir/new|1", "OK|"},
        {"b", 0, Type::rm, "/dir|", "OK|"},
        {"a", 1, Type::transaction_end, "T|", "EAGAIN"},
        {"a", 0, Type::read, "/dir|", "ENOENT"},
    });
}

TEST_F(Transactions, BlindWritesToTheSameNodeBothSucceedInTheOrderOfTheirEnds)
{
    run({
        {"a", 0, Type::transaction_start, "|", "1|"},
        {"b", 0, Type::transaction_start, "|", "1|"},
        {"a", 1, Type::write, "/x|a", "OK|"},
        {"b", 1, Type::write, "/x|b", "OK|"},
        {"b", 1, Type::transaction_end, "T|", "OK|"},
        {"a", 1, Type::transaction_end, "T|", "OK|"},
        {"a", 0, Type::read, "/x|", "a"},
    });
}

TEST_F(Transactions, AGuestsPermissionIsPartOfWhatItRead)
{
    introduce(1);
    run({
        {"a", 0, Type::set_perms, "/x|n0|b1|", "OK|"},
        {"1", 0, Type::transaction_start, "|", "1|"},
        {"1", 1, Type::write, "/x|guest", "OK|"},
        {"a", 0, Type::set_perms, "/x|n0|", "OK|"},
        {"1", 1, Type::transaction_end, "T|", "EAGAIN"},
        {"a", 0, Type::read, "/x|", "0"},
    });
}

TEST_F(Transactions, ReadingAloneConflictsTooButChangesNothing)
{
    run({
        {"a", 0, Type::transaction_start, "|", "1|"},
        {"a", 1, Type::read, "/x|", "0"},
        {"a", 1, Type::transaction_end, "T|", "OK|"},
        {"a", 0, Type::transaction_start, "|", "2|"},
        {"a", 2, Type::read, "/x|", "0"},
        {"b", 0, Type::write, "/x|1", "OK|"},
        {"a", 2, Type::transaction_end, "T|", "EAGAIN"},
    });
}

TEST_F(Transactions, MisuseIsRefused)
{
    run({
        {"a", 5, Type::read, "/x|", "ENOENT"},
        {"a", 0, Type::transaction_end, "T|", "ENOENT"},
        {"a", 0, Type::transaction_start, "|", "1|"},
        {"a", 1, Type::transaction_start, "|", "EBUSY"},
        {"b", 1, Type::read, "/x|", "ENOENT"}, // another's
        {"a", 1, Type::transaction_end, "X|", "EINVAL"},
        {"a", 1, Type::transaction_end, "", "EINVAL"},
        {"a", 1, Type::transaction_end, "T|", "OK|"},
        {"a", 99, Type::watch, "/x|t|", "OK|"}, // a watch takes no notice
    });
}

TEST_F(Transactions, EventsComeAtTheEndOncePerPath)
{
    run({{"b", 0, Type::watch, "/|t|", "OK|"}});
    events("b");
    run({
        {"a", 0, Type::transaction_start, "|", "1|"},
        {"a", 1, Type::write, "/x|1", "OK|"},
        {"a", 1, Type::write, "/x|2", "OK|"},
        {"a", 1, Type::write, "/new/deep|1", "OK|"},
    });
    EXPECT_EQ(events("b"), "");
    run({{"a", 1, Type::transaction_end, "T|", "OK|"}});
    EXPECT_EQ(events("b"), "/x t, /new/deep t");
}

TEST_F(Transactions, ATreeThatIsReplacedIsToldToWatchesInside)
{
    run({
        {"a", 0, Type::write, "/dir/old|1", "OK|"},
        {"b", 0, Type::watch, "/dir/old|t|", "OK|"},
        {"b", 0, Type::watch, "/dir|d|", "OK|"},
    });
    events("b");
    run({
        {"a", 0, Type::transaction_start, "|", "1|"},
        {"a", 1, Type::rm, "/dir|", "OK|"},
        {"a", 1, Type::write, "/dir/new|1", "OK|"},
        {"a", 1, Type::transaction_end, "T|", "OK|"},
    });
    EXPECT_EQ(events("b"), "/dir/old t, /dir d, /dir/new d");
}

TEST_F(Transactions, AConflictFiresNoEvent)
{
    run({
        {"b", 0, Type::watch, "/y|t|", "OK|"},
        {"a", 0, Type::transaction_start, "|", "1|"},
        {"a", 1, Type::read, "/x|", "0"},
        {"a", 1, Type::write, "/y|1", "OK|"},
        {"b", 0, Type::write, "/x|1", "OK|"},
    });
    events("b");
    run({{"a", 1, Type::transaction_end, "T|", "EAGAIN"}});
    EXPECT_EQ(events("b"), "");
}

// The domain's number may be given to another one before the transaction ends.
TEST_F(Transactions, NoTransactionGivesRightsToADomainThatIsGone)
{
    introduce(2);
    run({
        {"a", 0, Type::transaction_start, "|", "1|"},
        {"a", 1, Type::set_perms, "/x|n0|b2|", "OK|"},
    });
    end_domain(2, DomainState::gone);
    introduce(2);
    run({
        {"a", 1, Type::transaction_end, "T|", "EAGAIN"},
        {"2", 0, Type::read, "/x|", "EACCES"},
    });
}

}
