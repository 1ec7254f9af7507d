// grant_table_op as a guest calls it: lists, statuses, continuation, flushes, and who may ask about whom.

#include "tests/unit/sharing_ops/op_domain.hpp"

namespace xylem::hypercall::test {

using xylem::test::Event;
using xylem::test::Session;
using Status = abi::GnttabStatus;
using Cmd = abi::GnttabCmd;

namespace {

constexpr u64 unreadable = 0x1000;

class GrantTableOp : public testing::Test {
protected:
    Session session;
    OpDomain control{0, Privilege::control}, granter{1}, user{2};
    Mfn shared = granter.page();

    i64 op(OpDomain& caller, Cmd cmd, u64 list, u64 count)
    {
        return caller.call(grant_table_op, static_cast<u64>(cmd), list, count);
    }
    template <typename T> i64 op(OpDomain& caller, Cmd cmd, std::vector<T>& list)
    {
        return op(caller, cmd, reinterpret_cast<u64>(list.data()), list.size());
    }
    template <typename T> i64 op1(OpDomain& caller, Cmd cmd, T& one) { return op(caller, cmd, at(one), 1); }

    std::vector<abi::GnttabMapGrantRef> map_list(unsigned count)
    {
        std::vector<abi::GnttabMapGrantRef> list(count);
        for (unsigned i = 0; i < count; ++i) {
            granter.grant(8 + i, shared, user);
            list[i] = {.host_addr = user.address(i),
                       .flags = abi::gntmap_host_map,
                       .ref = 8 + i,
                       .dom = granter.domain.id.value,
                       .status = Status::no_space,
                       .handle = 0,
                       .dev_bus_addr = 0};
        }
        return list;
    }
    std::vector<abi::GnttabUnmapGrantRef> unmap_list(const std::vector<abi::GnttabMapGrantRef>& mapped)
    {
        std::vector<abi::GnttabUnmapGrantRef> list;
        for (const auto& map : mapped)
            list.push_back({map.host_addr, 0, map.handle, Status::no_space});
        return list;
    }
};

TEST_F(GrantTableOp, UnknownCommandsAndBadListsAreRefusedAsAWhole)
{
    EXPECT_EQ(op(user, static_cast<Cmd>(13), 0, 1), to_errno(Error::NotImplemented));
    EXPECT_EQ(op(user, Cmd::dump_table, 0, 1), to_errno(Error::NotImplemented));
    EXPECT_EQ(op(user, Cmd::cache_flush, 0, 1), to_errno(Error::NotImplemented));
    EXPECT_EQ(op(user, Cmd::map_grant_ref, 0, 0x8000'0000), to_errno(Error::Invalid));
    for (const Cmd cmd : {Cmd::map_grant_ref, Cmd::unmap_grant_ref, Cmd::unmap_and_replace, Cmd::copy, Cmd::setup_table,
                          Cmd::query_size, Cmd::set_version, Cmd::get_version, Cmd::swap_grant_ref, Cmd::transfer,
                          Cmd::get_status_frames})
        for (const u64 address : {unreadable, u64{0xFFFF'8000'0000'0000}, u64{0x7FFF'FFFF'FFFF}, ~u64{0}})
            EXPECT_EQ(op(user, cmd, address, 1), to_errno(Error::Fault)) << static_cast<u32>(cmd) << " at " << address;
    EXPECT_EQ(op(user, Cmd::map_grant_ref, unreadable, 0), 0) << "nothing to do";
}

TEST_F(GrantTableOp, EachMappingAnswersForItself)
{
    auto list = map_list(4);
    list[1].dom = 77;
    list[2].ref = 100000;
    EXPECT_EQ(op(user, Cmd::map_grant_ref, list), 0);
    EXPECT_EQ(list[0].status, Status::okay);
    EXPECT_EQ(list[1].status, Status::bad_domain);
    EXPECT_EQ(list[2].status, Status::bad_gntref);
    EXPECT_EQ(list[3].status, Status::okay);
    list[1].dom = abi::domid_self;
    EXPECT_EQ(op(user, Cmd::map_grant_ref, reinterpret_cast<u64>(&list[1]), 1), 0);
    EXPECT_EQ(list[1].status, Status::bad_domain) << "not for mapping";
}

TEST_F(GrantTableOp, BatchIsUnmappedWithOneFlushFor32)
{
    auto mapped = map_list(70);
    ASSERT_EQ(op(user, Cmd::map_grant_ref, mapped), 0);
    EXPECT_EQ(mm::type_count(shared), 70u);
    auto list = unmap_list(mapped);
    session.machine.forget_events();
    EXPECT_EQ(op(user, Cmd::unmap_grant_ref, list), 0);
    EXPECT_EQ(session.machine.count(Event::Kind::flush), 3u);
    for (const auto& one : list)
        EXPECT_EQ(one.status, Status::okay);
    EXPECT_EQ(mm::reference_count(shared), 1u);
    EXPECT_EQ(mm::type_count(shared), 0u);
    session.machine.forget_events();
    EXPECT_EQ(op(user, Cmd::unmap_grant_ref, list), 0);
    EXPECT_EQ(session.machine.count(Event::Kind::flush), 0u) << "nothing was unmapped";
    EXPECT_EQ(list[69].status, Status::bad_handle);
}

TEST_F(GrantTableOp, PreemptedListsAreContinuedWhereTheyStopped)
{
    auto mapped = map_list(70);
    session.machine.preempt_every(1);
    EXPECT_EQ(op(user, Cmd::map_grant_ref, mapped), 0);
    EXPECT_EQ(user.continuations, 69u);
    for (unsigned i = 0; i < 70; ++i) {
        EXPECT_EQ(mapped[i].status, Status::okay);
        EXPECT_EQ(user.pte(i) & abi::pte::frame_mask, address_of(shared).value);
    }
    auto list = unmap_list(mapped);
    EXPECT_EQ(op(user, Cmd::unmap_grant_ref, list), 0);
    EXPECT_EQ(user.continuations, 2u);
    EXPECT_EQ(mm::reference_count(shared), 1u);
}

// A list that ends in nowhere: what came before is done, and nothing of it is left half.
TEST_F(GrantTableOp, FaultInTheMiddleLeavesWholeOperations)
{
    auto mapped = map_list(10);
    ASSERT_EQ(op(user, Cmd::map_grant_ref, mapped), 0);
    auto list = unmap_list(mapped);
    const auto start = reinterpret_cast<u64>(&list[5]);
    session.machine.make_fault(start, start + sizeof list[5]);
    EXPECT_EQ(op(user, Cmd::unmap_grant_ref, list), to_errno(Error::Fault));
    session.machine.make_fault(0, 0);
    EXPECT_EQ(mm::reference_count(shared), 1u + 2u * 5u);
    EXPECT_EQ(mm::type_count(shared), 5u);
    EXPECT_EQ(op(user, Cmd::unmap_grant_ref, list), 0);
    EXPECT_EQ(list[4].status, Status::bad_handle);
    EXPECT_EQ(list[5].status, Status::okay);
    EXPECT_EQ(mm::reference_count(shared), 1u);
}

TEST_F(GrantTableOp, TableIsSetUpForItsOwnerAndThePrivileged)
{
    u64 frames[4] = {};
    abi::GnttabSetupTable setup{abi::domid_self, 3, Status::no_space, {at(frames)}};
    EXPECT_EQ(op1(user, Cmd::setup_table, setup), 0);
    EXPECT_EQ(setup.status, Status::okay);
    EXPECT_EQ(Mfn(frames[2]), user.domain.grants.shared_frame(2).value());
    setup.nr_frames = 4;
    EXPECT_EQ(op1(user, Cmd::setup_table, setup), 0);
    EXPECT_EQ(setup.status, Status::general_error) << "beyond its limit";
    setup = {user.domain.id.value, 1, Status::okay, {unreadable}};
    EXPECT_EQ(op1(user, Cmd::setup_table, setup), 0);
    EXPECT_EQ(setup.status, Status::bad_virt_addr);
    EXPECT_EQ(op1(granter, Cmd::setup_table, setup), 0);
    EXPECT_EQ(setup.status, Status::permission_denied);
    setup.frame_list = {at(frames)};
    EXPECT_EQ(op1(control, Cmd::setup_table, setup), 0);
    EXPECT_EQ(setup.status, Status::okay);
    setup.dom = 99;
    EXPECT_EQ(op1(user, Cmd::setup_table, setup), 0);
    EXPECT_EQ(setup.status, Status::bad_domain);
    EXPECT_EQ(op(user, Cmd::setup_table, at(setup), 2), to_errno(Error::Invalid));

    abi::GnttabQuerySize size{abi::domid_self, 0, 0, Status::no_space};
    EXPECT_EQ(op1(user, Cmd::query_size, size), 0);
    EXPECT_EQ(size.status, Status::okay);
    EXPECT_EQ(size.nr_frames, 3u);
    EXPECT_EQ(size.max_nr_frames, 3u);
    size.dom = 1;
    EXPECT_EQ(op1(user, Cmd::query_size, size), 0);
    EXPECT_EQ(size.status, Status::permission_denied);
}

TEST_F(GrantTableOp, TheVersionIsAlwaysTold)
{
    abi::GnttabSetVersion version{2};
    user.domain.grants.max_version = 1;
    EXPECT_EQ(op1(user, Cmd::set_version, version), to_errno(Error::NotImplemented));
    EXPECT_EQ(version.version, 1u);
    version.version = 3;
    EXPECT_EQ(op1(user, Cmd::set_version, version), to_errno(Error::Invalid));
    EXPECT_EQ(version.version, 1u);
    EXPECT_EQ(op1(user, Cmd::set_version, version), 0);
    abi::GnttabGetVersion asked{1, 0, 0};
    EXPECT_EQ(op1(user, Cmd::get_version, asked), to_errno(Error::NotPermitted));
    EXPECT_EQ(op1(control, Cmd::get_version, asked), 0);
    EXPECT_EQ(asked.version, 1u);
    asked.dom = 99;
    EXPECT_EQ(op1(control, Cmd::get_version, asked), to_errno(Error::NoSuchDomain));
    abi::GnttabGetStatusFrames status{0, abi::domid_self, Status::no_space, {0}};
    EXPECT_EQ(op1(user, Cmd::get_status_frames, status), 0);
    EXPECT_EQ(status.status, Status::okay);
    status.nr_frames = 1;
    EXPECT_EQ(op1(user, Cmd::get_status_frames, status), 0);
    EXPECT_EQ(status.status, Status::general_error);

    version.version = 2;
    EXPECT_EQ(op1(granter, Cmd::set_version, version), 0);
    EXPECT_EQ(version.version, 2u);
    asked = {1, 0, 0};
    EXPECT_EQ(op1(control, Cmd::get_version, asked), 0);
    EXPECT_EQ(asked.version, 2u);
    u64 frame = 0;
    status = {1, 1, Status::no_space, {at(frame)}};
    EXPECT_EQ(op1(control, Cmd::get_status_frames, status), 0);
    EXPECT_EQ(status.status, Status::okay);
    EXPECT_EQ(Mfn(frame), granter.domain.grants.status_frame(0).value());
    EXPECT_EQ(op1(user, Cmd::get_status_frames, status), 0);
    EXPECT_EQ(status.status, Status::permission_denied);
    status.nr_frames = 2;
    EXPECT_EQ(op1(control, Cmd::get_status_frames, status), 0);
    EXPECT_EQ(status.status, Status::general_error);
    status = {1, 1, Status::no_space, {unreadable}};
    EXPECT_EQ(op1(control, Cmd::get_status_frames, status), 0);
    EXPECT_EQ(status.status, Status::bad_virt_addr);
    status = {1, 1, Status::no_space, {0xFFFF'8300'0000'0000}};
    EXPECT_EQ(op1(control, Cmd::get_status_frames, status), to_errno(Error::Fault));
    EXPECT_EQ(status.status, Status::no_space);
    abi::GnttabSetupTable setup{1, 1, Status::no_space, {0xFFFF'8300'0000'0000}};
    EXPECT_EQ(op1(control, Cmd::setup_table, setup), to_errno(Error::Fault));
}

TEST_F(GrantTableOp, CopiesAnswerOneByOneAndKeepPagesBetween)
{
    const Mfn own = user.page();
    granter.grant(8, shared, user);
    for (unsigned i = 0; i < page_size; ++i)
        machine::map(shared)[i] = static_cast<u8>(i * 7);
    std::vector<abi::GnttabCopy> list(6);
    for (unsigned i = 0; i < 6; ++i) {
        list[i].source.u.ref = 8;
        list[i].source.domid = 1;
        list[i].source.offset = static_cast<u16>(i * 100);
        list[i].dest.u.gmfn = own.value;
        list[i].dest.domid = abi::domid_self;
        list[i].dest.offset = static_cast<u16>(i * 200);
        list[i].len = 50;
        list[i].flags = abi::gntcopy_source_gref;
        list[i].status = Status::no_space;
    }
    list[1].dest.domid = 2; // a frame of somebody named, although it is oneself
    list[2].source.domid = 99;
    list[3].len = 5000;
    list[4].source.u.ref = 9;
    EXPECT_EQ(op(user, Cmd::copy, list), 0);
    const Status expected[] = {Status::okay,         Status::permission_denied, Status::bad_domain,
                               Status::bad_copy_arg, Status::general_error,     Status::okay};
    for (unsigned i = 0; i < 6; ++i)
        EXPECT_EQ(list[i].status, expected[i]) << i;
    for (unsigned i : {0u, 5u})
        for (unsigned j = 0; j < 50; ++j)
            ASSERT_EQ(machine::map(own)[i * 200 + j], static_cast<u8>((i * 100 + j) * 7));
    EXPECT_EQ(machine::map(own)[200], 0);
    EXPECT_EQ(mm::reference_count(shared), 1u);
    EXPECT_EQ(mm::reference_count(own), 1u);

    // Between two granted pages, preempted after each.
    const Mfn second = granter.page();
    granter.grant(9, second, user);
    for (auto& one : list) {
        one.source = {{8}, 1, 0};
        one.dest = {{9}, 1, 0};
        one.len = 4096;
        one.flags = abi::gntcopy_source_gref | abi::gntcopy_dest_gref;
    }
    session.machine.preempt_every(1);
    EXPECT_EQ(op(user, Cmd::copy, list), 0);
    EXPECT_EQ(user.continuations, 5u);
    EXPECT_EQ(list[5].status, Status::okay);
    EXPECT_EQ(memcmp(machine::map(second), machine::map(shared), page_size), 0);
    EXPECT_EQ(granter.entry(9).flags, abi::gtf_permit_access);
}

TEST_F(GrantTableOp, SwapAndTransferAnswerInTheirStatus)
{
    granter.grant(8, shared, user);
    abi::GnttabSwapGrantRef swap{8, 20, Status::no_space};
    EXPECT_EQ(op1(granter, Cmd::swap_grant_ref, swap), 0);
    EXPECT_EQ(swap.status, Status::okay);
    EXPECT_EQ(granter.entry(20).frame, shared.value);
    user.entry(9) = {abi::gtf_accept_transfer, 1, 0x77};
    const auto give = [&](Mfn mfn, u16 domain) {
        abi::GnttabTransfer transfer{mfn.value, domain, 9, Status::no_space};
        EXPECT_EQ(op1(granter, Cmd::transfer, transfer), 0);
        return transfer.status;
    };
    EXPECT_EQ(give(shared, 2), Status::okay);
    EXPECT_EQ(mm::frame(shared).owner, user.domain.id);
    EXPECT_EQ(user.entry(9).frame, shared.value);
    EXPECT_EQ(give(granter.page(), 2), Status::general_error) << "it has come already";
    EXPECT_EQ(give(granter.page(), 99), Status::bad_domain);
    EXPECT_EQ(give(granter.page(), abi::domid_self), Status::bad_domain) << "not even oneself";
    EXPECT_EQ(give(shared, 2), Status::bad_page);
}

TEST_F(GrantTableOp, EntryIsReplacedByAnother)
{
    auto mapped = map_list(1);
    ASSERT_EQ(op(user, Cmd::map_grant_ref, mapped), 0);
    abi::GnttabUnmapAndReplace replace{user.address(0), user.address(1), mapped[0].handle, Status::no_space};
    EXPECT_EQ(op1(user, Cmd::unmap_and_replace, replace), 0);
    EXPECT_EQ(replace.status, Status::okay);
    EXPECT_EQ(user.pte(0), 0u);
    EXPECT_EQ(mm::reference_count(shared), 1u);
}

}

}
