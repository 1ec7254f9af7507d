#include "tests/unit/event_channels/event_domain.hpp"

#include <mutex>

namespace xylem {

namespace {
std::mutex scheduled_lock;
}

namespace event_channels::test {

Scheduled& scheduled()
{
    static Scheduled kept;
    return kept;
}

std::vector<u32> EventDomain::take_events(unsigned vcpu)
{
    std::vector<u32> taken;
    atomic_store(&info(vcpu).evtchn_upcall_pending, u8{0});
    u64 selector = atomic_exchange(&info(vcpu).evtchn_pending_sel, u64{0});
    for (; selector != 0; selector &= selector - 1) {
        const auto word = static_cast<unsigned>(std::countr_zero(selector));
        u64 ready = atomic_load(&shared->evtchn_pending[word]) & ~atomic_load(&shared->evtchn_mask[word]);
        for (; ready != 0; ready &= ready - 1) {
            const u32 port = word * 64 + static_cast<u32>(std::countr_zero(ready));
            atomic_test_and_clear(shared->evtchn_pending, port);
            taken.push_back(port);
        }
    }
    return taken;
}

void EventDomain::use_fifo(unsigned pages)
{
    for (unsigned i = 0; i < vcpus.size(); ++i) {
        control_pages.push_back(page());
        ASSERT_TRUE(init_control(table, control_pages.back(), 0, VcpuId(i)).ok());
    }
    for (unsigned i = 0; i < pages; ++i) {
        array_pages.push_back(page());
        ASSERT_TRUE(expand_array(table, array_pages.back()).ok());
    }
}

std::vector<u32> EventDomain::take_fifo_events(unsigned vcpu)
{
    constexpr u32 pending = u32{1} << abi::evtchn_fifo_pending, masked = u32{1} << abi::evtchn_fifo_masked,
                  linked = u32{1} << abi::evtchn_fifo_linked;
    std::vector<u32> taken;
    atomic_store(&info(vcpu).evtchn_upcall_pending, u8{0});
    u32 ready = atomic_exchange(&control(vcpu).ready, u32{0});
    for (; ready != 0; ready &= ready - 1) {
        const auto priority = static_cast<unsigned>(std::countr_zero(ready));
        u32 head = guest_heads[vcpu][priority];
        if (head == 0)
            head = atomic_load(&control(vcpu).head[priority]);
        while (head != 0) {
            u32* event = &word(Port(head));
            u32 seen = atomic_load(event);
            while (!atomic_compare_exchange(event, seen, seen & ~(linked | abi::evtchn_fifo_link_mask))) {
            }
            if ((seen & pending) && !(seen & masked)) {
                atomic_and(event, ~pending);
                taken.push_back(head);
            }
            head = seen & abi::evtchn_fifo_link_mask;
        }
        guest_heads[vcpu][priority] = 0;
    }
    return taken;
}

}

// The scheduler of these tests only remembers.
namespace sched {

void wake(Unit& unit)
{
    std::lock_guard guard(scheduled_lock);
    event_channels::test::scheduled().woken.push_back(&unit);
}
void kick(Unit& unit)
{
    std::lock_guard guard(scheduled_lock);
    event_channels::test::scheduled().kicked.push_back(&unit);
}

}

}
