// Several processors at once on one grant, one handle, or an entry that its granter keeps changing.

#include "tests/unit/grant_tables/grant_domain.hpp"

#include <atomic>
#include <random>
#include <thread>

namespace xylem::grant_tables::test {

using xylem::test::FakeMachine;
using xylem::test::Session;

namespace {

constexpr u32 ref = 20;

template <typename... Bodies> void in_parallel(Bodies... bodies)
{
    std::vector<std::thread> threads;
    u32 cpu = 0;
    (threads.emplace_back([&bodies, id = cpu++] {
        FakeMachine::get().run_as(CpuId(id));
        bodies();
    }),
     ...);
    for (std::thread& thread : threads)
        thread.join();
}

// XSA-228: two processors of one domain at its handles.
TEST(GrantRaces, MappingAndUnmappingOnTwoProcessorsKeepsHandlesApart)
{
    Session session;
    GrantDomain granter{1}, user{2};
    const Mfn shared = granter.page();
    granter.grant(ref, shared, user);
    const auto body = [&](unsigned first_slot) {
        for (int i = 0; i < 1000; ++i) {
            std::vector<u32> handles;
            for (unsigned slot = first_slot; slot < first_slot + 8; ++slot) {
                const auto op = user.map(granter, ref, slot);
                ASSERT_EQ(op.status, Status::okay);
                handles.push_back(op.handle);
            }
            for (unsigned slot = 0; slot < 8; ++slot)
                ASSERT_EQ(user.unmap(handles[slot], first_slot + slot), Status::okay);
        }
    };
    in_parallel([&] { body(0); }, [&] { body(100); }, [&] { body(200); });
    EXPECT_EQ(mm::reference_count(shared), 1u);
    EXPECT_EQ(mm::type_count(shared), 0u);
    EXPECT_EQ(granter.marks(ref), 0);
}

// A handle that two processors unmap at once is unmapped once.
TEST(GrantRaces, OneHandleUnmappedByTwoProcessorsGoesOnce)
{
    Session session;
    GrantDomain granter{1}, user{2};
    const Mfn shared = granter.page();
    granter.grant(ref, shared, user);
    for (int i = 0; i < 300; ++i) {
        const auto op = user.map(granter, ref, 0, abi::gntmap_host_map | abi::gntmap_device_map);
        ASSERT_EQ(op.status, Status::okay);
        std::atomic<int> waiting{2};
        const auto body = [&] {
            --waiting;
            while (waiting != 0) {
            }
            (void)user.unmap({user.address(0), op.dev_bus_addr, op.handle, Status::okay});
        };
        in_parallel(body, body);
        ASSERT_EQ(mm::reference_count(shared), 1u);
        ASSERT_EQ(mm::type_count(shared), 0u);
        ASSERT_EQ(granter.marks(ref), 0);
        ASSERT_EQ(user.unmap(op.handle, 0), Status::bad_handle);
    }
}

// The granter rewrites its entry all the time: whatever is mapped is a frame of its own, and every reference comes
// back.
TEST(GrantRaces, EntryThatKeepsChangingIsReadOnce)
{
    Session session;
    GrantDomain granter{1}, user{2}, stranger{3};
    const Mfn good = granter.page(), other = granter.page(), foreign = stranger.page();
    std::atomic<bool> done{false};
    in_parallel(
        [&] {
            std::mt19937_64 random{7};
            const Mfn choices[] = {good, other, foreign, granter.l1, Mfn(0xFFFF'FFFF)};
            abi::GrantEntryV1& entry = granter.entry(ref);
            while (!done) {
                atomic_store(&entry.frame, static_cast<u32>(choices[random() % 5].value));
                atomic_store(&entry.domid, static_cast<u16>(random() % 4));
                atomic_store(&entry.flags, static_cast<u16>(random() & 0x1FF));
            }
        },
        [&] {
            for (int i = 0; i < 20000; ++i) {
                const auto op = user.map(granter, ref, 0);
                if (op.status != Status::okay)
                    continue;
                EXPECT_TRUE(user.maps(0, good) || user.maps(0, other));
                EXPECT_EQ(user.unmap(op.handle, 0), Status::okay);
            }
            done = true;
        });
    for (const Mfn mfn : {good, other, foreign})
        EXPECT_EQ(mm::reference_count(mfn), 1u);
}

// An honest granter takes its grant back between the uses of a user on another processor: never while one is under way.
TEST(GrantRaces, RevocationNeverSucceedsDuringAUse)
{
    Session session;
    GrantDomain granter{1}, user{2};
    const Mfn shared = granter.page();
    granter.grant(ref, shared, user);
    std::atomic<bool> in_use{false}, done{false};
    in_parallel(
        [&] {
            while (!done) {
                if (granter.revoke(ref)) {
                    EXPECT_FALSE(in_use);
                    EXPECT_EQ(mm::type_count(shared), 0u);
                    granter.grant(ref, shared, user);
                }
            }
        },
        [&] {
            for (int i = 0; i < 20000; ++i) {
                CopyPage page;
                if (page.take_granted(granter.grants, ref, user.owner.id, Access::writable) != Status::okay)
                    continue;
                in_use = true;
                page.data()[0] = 1;
                in_use = false;
            }
            done = true;
        });
    EXPECT_EQ(mm::reference_count(shared), 1u);
}

}

}
