// hvm_op and dm_op: as much as a PV guest gets an answer other than "no such thing" for.
#pragma once

#include "hypervisor/abi/types.hpp"

namespace xylem::abi {

enum class HvmCmd : uint64_t {
    set_param = 0,
    get_param = 1,
    flush_tlbs = 5,
    pagetable_dying = 9,
    get_time = 10,
    xentrace = 11,
    get_mem_type = 15,
    set_evtchn_upcall_vector = 23,
    guest_request_vm_event = 24,
    altp2m = 25,
};

inline constexpr uint32_t hvm_nr_params = 39;

struct HvmParam {
    RawDomId domid;
    uint16_t pad;
    uint32_t index;
    uint64_t value;
};

struct HvmPagetableDying {
    RawDomId domid;
    uint16_t pad[3];
    uint64_t gpa;
};

struct HvmGetTime {
    uint64_t now; ///< OUT: nanoseconds of system time
};

/// The highest bits of an event are the hypervisor's own.
inline constexpr uint16_t hvm_xentrace_events = 0x0fff;

struct HvmXentrace {
    uint16_t event;
    uint16_t extra_bytes;
    uint8_t extra[28];
};

struct HvmGetMemType {
    RawDomId domid;
    uint16_t mem_type; ///< OUT
    uint16_t pad[2];
    uint64_t pfn;
};

struct DmOpBuf {
    GuestHandle<void> h;
    uint64_t size;
};

/// Buffers that one dm_op takes at most.
inline constexpr uint32_t dm_op_most_bufs = 2;

}
