// A domain as event channels see one: a table, vCPUs with their vcpu_info, shared_info, and memory for FIFO pages. The
// scheduler's part is played by a record of who was woken.
#pragma once

#include "event_channels/event_channels.hpp"
#include "hypervisor/mm/heap.hpp"
#include "hypervisor/mm/references.hpp"
#include "hypervisor/mm/reservation.hpp"
#include "hypervisor/mm/roots.hpp"
#include "tests/support/fake_machine.hpp"

#include <gtest/gtest.h>

#include <memory>

namespace xylem::event_channels::test {

/// Units that were given to sched::wake and sched::kick, in order.
struct Scheduled {
    std::vector<const sched::Unit*> woken, kicked;
};
Scheduled& scheduled();

struct EventDomain {
    struct TestVcpu {
        abi::VcpuInfo* info = nullptr;
        sched::Unit unit;
        VcpuEvents events;
    };

    explicit EventDomain(u16 id, unsigned vcpu_count = 2, u32 max_port = ~u32{0}) : shared(new abi::SharedInfo{})
    {
        owner.id = DomId(id);
        owner.max_pages = 1000;
        mm::register_owner(owner);
        initialise(table, owner.id, max_port, shared.get(), owner);
        for (unsigned i = 0; i < vcpu_count; ++i) {
            auto& vcpu = vcpus.emplace_back(new TestVcpu);
            vcpu->info = &shared->vcpu_info[i];
            attach_vcpu(table, vcpu->events, VcpuId(i), &vcpu->info, vcpu->unit);
        }
    }
    ~EventDomain()
    {
        end();
        release_memory(table);
        owner.dying = true;
        while (!mm::relinquish(owner).ok()) {
        }
        EXPECT_TRUE(mm::drained(owner));
        mm::unregister_owner(owner);
    }

    void end()
    {
        while (!destroy(table).ok()) {
        }
    }

    Mfn page() { return mm::assign_new_frames(owner, 0).take(); }
    abi::VcpuInfo& info(unsigned vcpu = 0) { return *vcpus[vcpu]->info; }
    VcpuEvents& events(unsigned vcpu = 0) { return vcpus[vcpu]->events; }
    sched::Unit& unit(unsigned vcpu = 0) { return vcpus[vcpu]->unit; }

    bool pending(Port port) const { return test_bit(shared->evtchn_pending, port.value); }
    void mask(Port port) { shared->evtchn_mask[port.value / 64] |= u64{1} << (port.value % 64); }
    bool upcall(unsigned vcpu = 0) { return info(vcpu).evtchn_upcall_pending; }
    /// As a guest does at an upcall: takes the flag, then the selector, then each pending and unmasked port.
    std::vector<u32> take_events(unsigned vcpu = 0);

    /// The guest switches to FIFO: a control block for each vCPU, in one page each, and `array_pages` pages of words.
    void use_fifo(unsigned array_pages = 1);
    abi::EvtchnFifoControlBlock& control(unsigned vcpu = 0)
    {
        return *machine::map<abi::EvtchnFifoControlBlock>(control_pages[vcpu]);
    }
    u32& word(Port port) { return machine::map<u32>(array_pages[port.value / 1024])[port.value % 1024]; }
    /// As a guest does at a FIFO upcall: the ready queues by priority, each word unlinked and its pending bit taken.
    std::vector<u32> take_fifo_events(unsigned vcpu = 0);

    Port state(Port port, abi::EvtchnStat expected)
    {
        Result<abi::EvtchnStatus> found = status(table, port);
        EXPECT_TRUE(found.ok());
        if (found.ok()) {
            EXPECT_EQ(found.value().status, expected) << "port " << port.value;
        }
        return port;
    }

    mm::Owner owner;
    std::unique_ptr<abi::SharedInfo> shared;
    Table table;
    std::vector<std::unique_ptr<TestVcpu>> vcpus;
    std::vector<Mfn> control_pages, array_pages;
    u32 guest_heads[max_vcpus][abi::evtchn_fifo_max_queues] = {};
};

/// A pair of joined ports.
struct Joined {
    Port a, b;
};
inline Joined join(EventDomain& a, EventDomain& b)
{
    const Port unbound = alloc_unbound(a.table, b.owner.id).take();
    return {unbound, bind_interdomain(b.table, a.table, unbound).take()};
}

}
