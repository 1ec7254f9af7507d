// event_channel_op, virtual interrupts, and the layout of the FIFO ABI's words and control block.
#pragma once

#include "hypervisor/abi/types.hpp"

namespace xylem::abi {

using RawPort = uint32_t;

enum class Virq : uint32_t {
    timer = 0,
    debug = 1,
    console = 2,
    dom_exc = 3,
    tbuf = 4,
    debugger = 6,
    xenoprof = 7,
    con_ring = 8,
    pcpu_state = 9,
    mem_event = 10,
    argo = 11,
    enomem = 12,
    xenpmu = 13,
    mca = 16, // arch_0
    arch_1 = 17,
    arch_2 = 18,
    arch_3 = 19,
    arch_4 = 20,
    arch_5 = 21,
    arch_6 = 22,
    arch_7 = 23,
};

inline constexpr uint32_t nr_virqs = 24;

enum class EvtchnCmd : uint32_t {
    bind_interdomain = 0,
    bind_virq = 1,
    bind_pirq = 2,
    close = 3,
    send = 4,
    status = 5,
    alloc_unbound = 6,
    bind_ipi = 7,
    bind_vcpu = 8,
    unmask = 9,
    reset = 10,
    init_control = 11,
    expand_array = 12,
    set_priority = 13,
    reset_cont = 14, // the continuation of a preempted reset; guests see it in their registers, and need not know it
};

struct EvtchnAllocUnbound {
    RawDomId dom, remote_dom;
    RawPort port;
};

struct EvtchnBindInterdomain {
    RawDomId remote_dom;
    RawPort remote_port;
    RawPort local_port;
};

struct EvtchnBindVirq {
    uint32_t virq; // a Virq, if the guest speaks the truth
    uint32_t vcpu;
    RawPort port;
};

inline constexpr uint32_t bind_pirq_will_share = 1;

struct EvtchnBindPirq {
    uint32_t pirq;
    uint32_t flags;
    RawPort port;
};

struct EvtchnBindIpi {
    uint32_t vcpu;
    RawPort port;
};

struct EvtchnClose {
    RawPort port;
};

struct EvtchnSend {
    RawPort port;
};

enum class EvtchnStat : uint32_t { closed = 0, unbound = 1, interdomain = 2, pirq = 3, virq = 4, ipi = 5 };

struct EvtchnStatus {
    RawDomId dom;
    RawPort port;
    EvtchnStat status;
    uint32_t vcpu;
    union Detail {
        struct Unbound {
            RawDomId dom;
        } unbound;
        struct Interdomain {
            RawDomId dom;
            RawPort port;
        } interdomain;
        uint32_t pirq;
        uint32_t virq;
    } u;
};

struct EvtchnBindVcpu {
    RawPort port;
    uint32_t vcpu;
};

struct EvtchnUnmask {
    RawPort port;
};

struct EvtchnReset {
    RawDomId dom;
};

struct EvtchnInitControl {
    uint64_t control_gfn;
    uint32_t offset;
    uint32_t vcpu;
    uint8_t link_bits;
    uint8_t pad[7];
};

struct EvtchnExpandArray {
    uint64_t array_gfn;
};

struct EvtchnSetPriority {
    RawPort port;
    uint32_t priority;
};

/// The tagged form that event_channel_op_compat takes.
struct EvtchnOpCompat {
    EvtchnCmd cmd;
    union Argument {
        EvtchnAllocUnbound alloc_unbound;
        EvtchnBindInterdomain bind_interdomain;
        EvtchnBindVirq bind_virq;
        EvtchnBindPirq bind_pirq;
        EvtchnBindIpi bind_ipi;
        EvtchnClose close;
        EvtchnSend send;
        EvtchnStatus status;
        EvtchnBindVcpu bind_vcpu;
        EvtchnUnmask unmask;
    } u;
};

inline constexpr uint32_t evtchn_2l_nr_channels = 4096;

inline constexpr uint32_t evtchn_fifo_priority_max = 0;
inline constexpr uint32_t evtchn_fifo_priority_default = 7;
inline constexpr uint32_t evtchn_fifo_priority_min = 15;
inline constexpr uint32_t evtchn_fifo_max_queues = evtchn_fifo_priority_min + 1;

/// Bits of an event word.
inline constexpr unsigned evtchn_fifo_pending = 31;
inline constexpr unsigned evtchn_fifo_masked = 30;
inline constexpr unsigned evtchn_fifo_linked = 29;
inline constexpr unsigned evtchn_fifo_busy = 28;
inline constexpr unsigned evtchn_fifo_link_bits = 17;
inline constexpr uint32_t evtchn_fifo_link_mask = (1U << evtchn_fifo_link_bits) - 1;
inline constexpr uint32_t evtchn_fifo_nr_channels = 1U << evtchn_fifo_link_bits;

struct EvtchnFifoControlBlock {
    uint32_t ready;
    uint32_t rsvd;
    uint32_t head[evtchn_fifo_max_queues];
};

}
