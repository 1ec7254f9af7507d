// Event channels, the hypervisor's half: ports of a domain, what they are bound to, and how an event on one reaches a
// vCPU.
//
// A domain owns a Table, each of its vCPUs a VcpuEvents. The functions below are the operations of event_channel_op,
// one each, and what the rest of the hypervisor raises events with. README.md tells of delivery, locks and memory.
// (xen/include/public/event_channel.h)
#pragma once

#include "event_channels/channel.hpp"
#include "hypervisor/abi/event_channel.hpp"
#include "hypervisor/abi/shared_info.hpp"
#include "hypervisor/base/bits.hpp"
#include "hypervisor/base/lock.hpp"
#include "hypervisor/base/result.hpp"
#include "hypervisor/base/types.hpp"
#include "hypervisor/sched/unit.hpp"

#include <span>

namespace xylem::mm {
struct Owner;
}

namespace xylem::event_channels {

inline constexpr unsigned max_vcpus = 64;
inline constexpr u32 max_pirqs = page_size / sizeof(u32);

/// What a vCPU brings to event delivery.
struct VcpuEvents {
    abi::VcpuInfo** info = nullptr; ///< its owner's pointer: the vcpu_info may move once
    sched::Unit* unit = nullptr;
    VcpuId id{};
    u32 virq_ports[abi::nr_virqs] = {}; ///< 0: not bound. Global ones are the first vCPU's
    u32 poll_port = 0;                  ///< while in its table's `pollers`: the one port waited for, 0 for several

    // FIFO, under the table's fifo_lock.
    abi::EvtchnFifoControlBlock* control_block = nullptr;
    u32 queue_tails[abi::evtchn_fifo_max_queues] = {}; ///< the port last linked in each queue; 0: empty for certain
};

/// The pages of event words that a guest gave; as soon as there is one of these, the domain's events are FIFO.
struct Fifo {
    static constexpr u32 words_per_page = page_size / sizeof(u32);
    static constexpr u32 max_pages = abi::evtchn_fifo_nr_channels / words_per_page;
    u32 page_count = 0;
    u32 raised_pages = 0; ///< of these, what was raised while they were missing has been raised; under the table's lock
    u32* pages[max_pages] = {};
};

/// A domain's event channels. Touched by the files of event_channels/ alone; others use the functions below.
struct Table {
    static constexpr u32 pointers_per_page = page_size / sizeof(void*);
    static constexpr u32 max_groups = abi::evtchn_fifo_nr_channels / channels_per_bucket / pointers_per_page;

    DomId id{};
    u32 max_port = 0;
    abi::SharedInfo* shared_info = nullptr;
    mm::Owner* owner = nullptr;
    VcpuEvents* vcpus[max_vcpus] = {};
    u64 pollers = 0; ///< vCPUs in sched_op poll; atomic

    SpinLock lock{LockRank::event};
    Channel** groups[max_groups] = {}; ///< pages of pointers to buckets; only ever grows while the domain lives
    u32* pirq_ports = nullptr;         ///< page of ports by pirq
    u32 bound_ports = 0;
    bool dying = false;
    u32 close_cursor = 0; ///< how far a preempted reset or destroy has come

    SpinLock fifo_lock{LockRank::event_queue};
    Fifo* fifo = nullptr; ///< null: 2-level. Set under both locks; followed under fifo_lock
};

// ---- Life ----------------------------------------------------------------------------------------------------------

/// @param max_port  the highest port it may have; see also the two ABIs' limits
void initialise(Table& table, DomId id, u32 max_port, abi::SharedInfo* shared_info, mm::Owner& owner);
/// Makes a vCPU known. `info` is where its owner keeps its pointer to the vcpu_info.
void attach_vcpu(Table& table, VcpuEvents& events, VcpuId id, abi::VcpuInfo** info, sched::Unit& unit);
/// Closes all ports of a dying domain, for good, and lets go of its FIFO pages. @return Preempted  call again
Result<void> destroy(Table& table);
/// Gives back all memory, after destroy() and when nobody can raise an event on this domain any more.
void release_memory(Table& table);

// ---- Operations of event_channel_op --------------------------------------------------------------------------------
// A new port is the lowest free one. @return NoSpace if there is none, NoMemory, Invalid if the domain is dying.

/// A port that `remote` may bind to.
Result<Port> alloc_unbound(Table& table, DomId remote);
/// Binds a new port of `local` to an unbound one of `remote`, which may be the same table. The new port is made pending
/// once, since what was sent before the binding is lost. @return Invalid  the remote port does not wait for `local`
Result<Port> bind_interdomain(Table& local, Table& remote, Port remote_port);
/// @return Invalid  no such virq, or a global one on another than the first vCPU; NoEntry  no such vCPU; Exists
Result<Port> bind_virq(Table& table, u32 virq, VcpuId vcpu);
/// @return NoEntry  no such vCPU
Result<Port> bind_ipi(Table& table, VcpuId vcpu);
/// @return Invalid  no such pirq; Exists; or what the interrupt layer refuses with
Result<Port> bind_pirq(Table& table, u32 pirq, u32 flags);
/// @return Invalid  no such port, or free
Result<void> close(Table& table, Port port);
/// @return Invalid  no such port, or one that nobody sends on. A port that nobody has bound to yet takes events
/// silently.
Result<void> send(Table& table, Port port);
/// @return Invalid  no such port
Result<abi::EvtchnStatus> status(Table& table, Port port);
/// Later events go to `vcpu`. @return NoEntry  no such vCPU; Invalid  no such port, or one whose vCPU is fixed
Result<void> bind_vcpu(Table& table, Port port, VcpuId vcpu);
/// @return Invalid  no such port
Result<void> unmask(Table& table, Port port);
enum class Continued : u8 { no, yes };
/// Closes all ports and goes back to 2-level. @return Preempted  call again with Continued::yes; Busy  another reset is
/// under way; Again  ports were bound meanwhile
Result<void> reset(Table& table, Continued continued);
/// Gives a vCPU its FIFO control block; the first one switches the domain to FIFO.
/// @return NoEntry  no such vCPU; Invalid  bad offset, page, or it has one; NoMemory
Result<void> init_control(Table& table, Mfn page, u32 offset, VcpuId vcpu);
/// Adds a page of event words. @return NotSupported  still 2-level; NoSpace; Invalid  bad page; Preempted  call again
Result<void> expand_array(Table& table, Mfn page);
/// @return Invalid  no such port or priority; NotImplemented  2-level; Access  the port is free
Result<void> set_priority(Table& table, Port port, u32 priority);

// ---- Raising events ------------------------------------------------------------------------------------------------
// From any processor, without the table's lock. Nothing happens where the guest has bound nothing.

/// Whether a virtual interrupt belongs to the domain as a whole, not to each vCPU.
bool virq_is_global(u32 virq);
void raise_virq(Table& table, VcpuId vcpu, u32 virq);
void raise_global_virq(Table& table, u32 virq);
void raise_pirq(Table& table, u32 pirq);

// ---- Waiting -------------------------------------------------------------------------------------------------------

/// Whether the vCPU would take an upcall now.
inline bool pending_for(const VcpuEvents& events)
{
    const abi::VcpuInfo* info = __atomic_load_n(events.info, __ATOMIC_RELAXED);
    return atomic_load(&info->evtchn_upcall_pending) && !atomic_load(&info->evtchn_upcall_mask);
}

/// sched_op poll: mark the vCPU blocked, start_poll(), then wait unless any_pending(). An event on one of the ports,
/// masked or not, wakes it. stop_poll() when it runs again. With one port, `only` names it; with several it is 0, and
/// any wakes.
void start_poll(Table& table, VcpuEvents& events, Port only);
void stop_poll(Table& table, VcpuEvents& events);
/// @return Invalid  one of the ports does not exist
Result<bool> any_pending(Table& table, std::span<const Port> ports);

// ---- Hardware interrupts -------------------------------------------------------------------------------------------

/// What the interrupt layer does when a domain binds one of its pirqs to a port, or lets it go. Called under the
/// table's lock. Set once at boot; until then no pirq can be bound.
struct PirqLayer {
    /// @return Invalid  no such pirq; NotPermitted  not mapped to the domain; Busy  another has it, unshared
    Result<void> (*bind)(DomId domain, u32 pirq, bool will_share);
    void (*unbind)(DomId domain, u32 pirq);
};
void set_pirq_layer(const PirqLayer& layer);

}
