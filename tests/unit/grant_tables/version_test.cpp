// Version 2 of the tables: marks in words of their own, parts of pages, and the way from one version to the other.

#include "grant_tables/pin.hpp"
#include "tests/unit/grant_tables/grant_domain.hpp"

namespace xylem::grant_tables::test {

using xylem::test::Session;

namespace {

constexpr u16 both_marks = abi::gtf_reading | abi::gtf_writing;

class Version2 : public testing::Test {
protected:
    Session session;
    GrantDomain granter{1}, user{2};
    Mfn shared = granter.page();
    static constexpr u32 ref = 20;

    Version2() { EXPECT_TRUE(set_version(granter.grants, 2).ok()); }

    abi::GrantEntryV2& entry(u32 number = ref) { return entry_v2(granter.grants, number); }
    u16 status(u32 number = ref) { return status_of(granter.grants, number); }
    void grant(u16 flags = 0, u32 number = ref)
    {
        entry(number).full_page = {{0, user.owner.id.value}, 0, shared.value};
        atomic_store(&entry(number).hdr.flags, static_cast<u16>(abi::gtf_permit_access | flags));
    }
    void grant_part(u16 offset, u16 length)
    {
        entry().sub_page = {{0, user.owner.id.value}, offset, length, shared.value};
        atomic_store(&entry().hdr.flags, static_cast<u16>(abi::gtf_permit_access | abi::gtf_sub_page));
    }
    Status take(CopyPage& side, Access access = Access::read_only)
    {
        return side.take_granted(granter.grants, ref, user.owner.id, access);
    }
};

TEST_F(Version2, MarksStandInTheStatusAndTheEntryStaysAsItIs)
{
    grant();
    const auto reading = user.map(granter, ref, 0, readonly_map);
    ASSERT_EQ(reading.status, Status::okay);
    EXPECT_EQ(status(), abi::gtf_reading);
    const auto writing = user.map(granter, ref, 1);
    ASSERT_EQ(writing.status, Status::okay);
    EXPECT_EQ(status(), both_marks);
    EXPECT_EQ(entry().hdr.flags, abi::gtf_permit_access);
    EXPECT_EQ(user.unmap(writing.handle, 1), Status::okay);
    EXPECT_EQ(status(), abi::gtf_reading);
    EXPECT_EQ(user.unmap(reading.handle, 0), Status::okay);
    EXPECT_EQ(status(), 0);
    EXPECT_EQ(mm::reference_count(shared), 1u);
}

TEST_F(Version2, WhatIsRefusedLeavesNoMark)
{
    EXPECT_EQ(user.map(granter, ref, 0).status, Status::general_error) << "an empty entry";
    grant(abi::gtf_readonly);
    EXPECT_EQ(user.map(granter, ref, 0).status, Status::general_error) << "for writing";
    const auto reading = user.map(granter, ref, 0, readonly_map);
    ASSERT_EQ(reading.status, Status::okay);
    EXPECT_EQ(user.map(granter, ref, 1).status, Status::general_error) << "nor beside a reader";
    EXPECT_EQ(status(), abi::gtf_reading) << "the reader's mark stays";
    EXPECT_EQ(user.unmap(reading.handle, 0), Status::okay);
    entry().full_page.frame = u64{1} << 32 | shared.value;
    EXPECT_EQ(user.map(granter, ref, 0, readonly_map).status, Status::bad_page) << "no frame has this number";
    EXPECT_EQ(user.map(granter, entries_per_frame_v2, 0).status, Status::bad_gntref) << "half as many as of version 1";
    EXPECT_EQ(status(), 0);
    EXPECT_EQ(mm::reference_count(shared), 1u);
}

// XSA-226: a chain of transitive grants has no end. None is followed.
TEST_F(Version2, TransitiveGrantIsRefusedToMappersAndCopiers)
{
    entry().transitive = {{abi::gtf_transitive, user.owner.id.value}, granter.owner.id.value, 0, ref};
    CopyPage side;
    EXPECT_EQ(user.map(granter, ref, 0, readonly_map).status, Status::general_error);
    EXPECT_EQ(take(side), Status::general_error);
    EXPECT_EQ(status(), 0);
}

TEST_F(Version2, PartOfAPageIsCopiedAndNotMapped)
{
    grant_part(100, 50);
    EXPECT_EQ(user.map(granter, ref, 0, readonly_map).status, Status::general_error);
    CopyPage from, to;
    ASSERT_EQ(take(from), Status::okay);
    ASSERT_EQ(to.take_own(user.owner.id, user.page(), Access::writable), Status::okay);
    EXPECT_EQ(status(), abi::gtf_reading);
    EXPECT_EQ(user.map(granter, ref, 0, readonly_map).status, Status::general_error) << "nor while it is copied";
    EXPECT_EQ(copy_bytes(from, 100, to, 0, 50), Status::okay);
    EXPECT_EQ(copy_bytes(from, 149, to, 0, 1), Status::okay);
    EXPECT_EQ(copy_bytes(from, 99, to, 0, 2), Status::general_error);
    EXPECT_EQ(copy_bytes(from, 149, to, 0, 2), Status::general_error);
    EXPECT_EQ(copy_bytes(from, 4000, to, 0, 200), Status::bad_copy_arg) << "beyond the page comes first";
    to.put();
    EXPECT_EQ(take(to, Access::writable), Status::okay);
    EXPECT_EQ(copy_bytes(from, 100, to, 151, 1), Status::general_error);
    from.put();
    to.put();
    EXPECT_EQ(status(), 0);
    grant_part(4000, 5000); // more than there is
    ASSERT_EQ(take(from), Status::okay);
    ASSERT_EQ(to.take_own(user.owner.id, user.page(), Access::writable), Status::okay);
    EXPECT_EQ(copy_bytes(from, 4000, to, 0, 96), Status::okay);
    EXPECT_EQ(copy_bytes(from, 4000, to, 0, 97), Status::bad_copy_arg);
}

TEST_F(Version2, AGrantInUseIsWhatItWasWhenTheUseBegan)
{
    grant_part(100, 50);
    CopyPage reader, writer;
    ASSERT_EQ(take(reader), Status::okay);
    entry().sub_page.page_off = 0;
    entry().sub_page.length = 4096;
    ASSERT_EQ(take(writer), Status::okay) << "another reader";
    EXPECT_EQ(copy_bytes(reader, 0, writer, 0, 1), Status::general_error);
    writer.put();
    EXPECT_EQ(take(writer, Access::writable), Status::general_error) << "the first to write looks again";
    EXPECT_EQ(status(), abi::gtf_reading);
    entry().sub_page.page_off = 100;
    entry().sub_page.length = 50;
    EXPECT_EQ(take(writer, Access::writable), Status::okay);
}

TEST_F(Version2, TheVersionStaysWhileAnEntryIsInUse)
{
    grant();
    const auto op = user.map(granter, ref, 0);
    EXPECT_EQ(set_version(granter.grants, 1), Error::Busy);
    EXPECT_TRUE(set_version(granter.grants, 2).ok()) << "no change is no trouble";
    EXPECT_EQ(user.unmap(op.handle, 0), Status::okay);
    EXPECT_TRUE(set_version(granter.grants, 1).ok());
    granter.grant(ref, shared, user);
    const auto old = user.map(granter, ref, 0);
    EXPECT_EQ(set_version(granter.grants, 2), Error::Busy);
    EXPECT_EQ(user.unmap(old.handle, 0), Status::okay);
    EXPECT_TRUE(set_version(granter.grants, 2).ok());
    EXPECT_EQ(entry().hdr.flags, 0) << "what was granted is forgotten";
}

TEST_F(Version2, ReservedEntriesAreKeptWithTheirMarks)
{
    grant(0, 1);
    grant(0, 2);
    entry(2).hdr.flags = abi::gtf_accept_transfer;
    const auto op = user.map(granter, 1, 0);
    ASSERT_EQ(op.status, Status::okay);
    EXPECT_TRUE(set_version(granter.grants, 1).ok()) << "in use or not";
    EXPECT_EQ(granter.entry(1).flags, abi::gtf_permit_access | both_marks);
    EXPECT_EQ(granter.entry(1).domid, user.owner.id.value);
    EXPECT_EQ(granter.entry(1).frame, shared.value);
    EXPECT_EQ(granter.entry(2).flags, 0) << "only what permits access";
    EXPECT_TRUE(set_version(granter.grants, 2).ok());
    EXPECT_EQ(status(1), both_marks);
    EXPECT_EQ(entry(1).hdr.flags, abi::gtf_permit_access);
    EXPECT_EQ(entry(1).full_page.frame, shared.value);
    EXPECT_EQ(user.unmap(op.handle, 0), Status::okay);
    EXPECT_EQ(status(1), 0);
}

TEST_F(Version2, WhatVersion1CannotSayIsNotBroughtToIt)
{
    grant(0, 3);
    entry(3).full_page.frame |= u64{1} << 40;
    EXPECT_EQ(set_version(granter.grants, 1), Error::Range);
    entry(3) = {};
    entry(3).hdr.flags = abi::gtf_transitive;
    EXPECT_EQ(set_version(granter.grants, 1), Error::Range);
    entry(3).sub_page = {{abi::gtf_permit_access | abi::gtf_sub_page, user.owner.id.value}, 0, 10, shared.value};
    CopyPage side;
    ASSERT_EQ(side.take_granted(granter.grants, 3, user.owner.id, Access::read_only), Status::okay);
    EXPECT_EQ(set_version(granter.grants, 1), Error::Again) << "a copy of part of a page is under way";
    side.put();
    EXPECT_TRUE(set_version(granter.grants, 1).ok());
}

TEST_F(Version2, VersionsBeyondThoseAllowedAreRefused)
{
    EXPECT_EQ(set_version(granter.grants, 0), Error::Invalid);
    EXPECT_EQ(set_version(granter.grants, 3), Error::Invalid);
    user.grants.max_version = 1;
    EXPECT_EQ(set_version(user.grants, 2), Error::NotImplemented);
    EXPECT_TRUE(set_version(user.grants, 1).ok());
    EXPECT_EQ(version(user.grants), 1u);
    EXPECT_EQ(version(granter.grants), 2u);
}

// XSA-379, XSA-384: frames of statuses go with version 2, but not while anybody can still reach them.
TEST_F(Version2, StatusFramesThatAreMappedKeepTheVersion)
{
    GrantDomain large{3, 64};
    ASSERT_TRUE(set_version(large.grants, 2).ok());
    const Mfn second = large.grants.status_frame(1).value();
    EXPECT_EQ(frame_count(large.grants), 9u) << "entries have grown with their statuses";
    const u64 writable = abi::pte::present | abi::pte::writable | abi::pte::user;
    ASSERT_TRUE(large.write_pte(0, address_of(second).value | writable).ok());
    EXPECT_EQ(set_version(large.grants, 1), Error::Busy);
    EXPECT_EQ(version(large.grants), 2u);
    EXPECT_EQ(status_frame_count(large.grants), 2u);
    EXPECT_EQ(large.grants.status_frame(1).value(), second);
    EXPECT_TRUE(large.write_pte(1, address_of(large.grants.status_frame(0).value()).value | writable).ok())
        << "the domain has them all back";
    ASSERT_TRUE(large.write_pte(0, 0).ok() && large.write_pte(1, 0).ok());
    EXPECT_TRUE(set_version(large.grants, 1).ok());
    EXPECT_EQ(status_frame_count(large.grants), 0u);
    EXPECT_FALSE(large.write_pte(0, address_of(second).value | writable).ok());
    EXPECT_EQ(large.grants.status_frame(0).error(), Error::Invalid);
}

TEST_F(Version2, StatusFramesGrowWithTheTableAndEndWithTheDomain)
{
    const u64 before = mm::free_frame_count();
    {
        GrantDomain large{3, 64};
        ASSERT_TRUE(set_version(large.grants, 2).ok());
        EXPECT_EQ(status_frame_count(large.grants), 1u);
        EXPECT_TRUE(large.grants.shared_frame(63).ok());
        EXPECT_EQ(status_frame_count(large.grants), max_status_frames);
        EXPECT_EQ(large.grants.status_frame(max_status_frames).error(), Error::Invalid);
        EXPECT_EQ(granter.grants.status_frame(1).error(), Error::Invalid) << "beyond its limit of frames";
    }
    EXPECT_EQ(mm::free_frame_count(), before);
}

TEST_F(Version2, EntriesAreSwappedWithTheirStatuses)
{
    grant();
    status_of(granter.grants, ref) = 0x1234; // the domain can write there what it likes
    EXPECT_EQ(swap_entries(granter.grants, ref, ref + 1), Status::okay);
    EXPECT_EQ(entry(ref + 1).full_page.frame, shared.value);
    EXPECT_EQ(status(ref + 1), 0x1234);
    EXPECT_EQ(swap_entries(granter.grants, 1, entries_per_frame_v2), Status::bad_gntref);
}

}

}
