// What Linux's /dev/xen drivers understand: request numbers and argument layouts of privcmd, evtchn, gntdev and
// gntalloc (linux/include/uapi/xen/*.h). The drivers encode the argument's size in the request with direction "none".
#pragma once

#include "hypervisor/base/types.hpp"

#include <sys/ioctl.h>

namespace xylem::dom0::linux_ioctl {

template <typename Argument> constexpr unsigned long request(char type, unsigned number)
{
    return _IOC(_IOC_NONE, static_cast<unsigned>(type), number, sizeof(Argument));
}

// /dev/xen/privcmd

struct PrivcmdHypercall {
    u64 op;
    u64 args[5];
};
struct PrivcmdMmapBatchV2 {
    u32 count;
    u16 domid;
    u64 address;
    const u64* frames;
    int* errors;
};
struct PrivcmdMmapResource {
    u16 domid;
    u32 type;
    u32 id;
    u32 index;
    u64 count;
    u64 address;
};
inline constexpr unsigned long privcmd_hypercall = request<PrivcmdHypercall>('P', 0);
inline constexpr unsigned long privcmd_mmap_batch_v2 = request<PrivcmdMmapBatchV2>('P', 4);
inline constexpr unsigned long privcmd_restrict = request<u16>('P', 6);
inline constexpr unsigned long privcmd_mmap_resource = request<PrivcmdMmapResource>('P', 7);
static_assert(privcmd_hypercall == 0x305000 && privcmd_mmap_batch_v2 == 0x205004 && privcmd_mmap_resource == 0x205007);

// /dev/xen/evtchn

struct EvtchnBindVirq {
    u32 virq;
};
struct EvtchnBindInterdomain {
    u32 remote_domain;
    u32 remote_port;
};
struct EvtchnBindUnbound {
    u32 remote_domain;
};
struct EvtchnPort {
    u32 port;
};
struct EvtchnRestrict {
    u16 domid;
};
inline constexpr unsigned long evtchn_bind_virq = request<EvtchnBindVirq>('E', 0);
inline constexpr unsigned long evtchn_bind_interdomain = request<EvtchnBindInterdomain>('E', 1);
inline constexpr unsigned long evtchn_bind_unbound = request<EvtchnBindUnbound>('E', 2);
inline constexpr unsigned long evtchn_unbind = request<EvtchnPort>('E', 3);
inline constexpr unsigned long evtchn_notify = request<EvtchnPort>('E', 4);
inline constexpr unsigned long evtchn_restrict = request<EvtchnRestrict>('E', 6);
static_assert(evtchn_bind_virq == 0x44500 && evtchn_bind_interdomain == 0x84501 && evtchn_restrict == 0x24506);

// /dev/xen/gntdev

struct GntdevGrant {
    u32 domid;
    u32 ref;
};
/// Followed by `count - 1` more grants.
struct GntdevMap {
    u32 count;
    u32 pad;
    u64 index; ///< out: what to pass to mmap as offset, and to unmap
    GntdevGrant first;
};
struct GntdevUnmap {
    u64 index;
    u32 count;
    u32 pad;
};
struct GntdevUnmapNotify {
    u64 index; ///< the mapping's index plus the byte's offset in it
    u32 action;
    u32 port;
};
inline constexpr u32 notify_clear_byte = 1;
inline constexpr u32 notify_send_event = 2;

struct GntdevCopyForeign {
    u32 ref;
    u16 offset;
    u16 domid;
};
union GntdevCopySide {
    void* address;
    GntdevCopyForeign foreign;
};
struct GntdevCopySegment {
    GntdevCopySide source;
    GntdevCopySide destination;
    u16 bytes;
    u16 flags;
    i16 status;
};
inline constexpr u16 copy_source_is_grant = 1;
inline constexpr u16 copy_destination_is_grant = 2;

struct GntdevCopy {
    u32 count;
    GntdevCopySegment* segments;
};
inline constexpr unsigned long gntdev_map = request<GntdevMap>('G', 0);
inline constexpr unsigned long gntdev_unmap = request<GntdevUnmap>('G', 1);
inline constexpr unsigned long gntdev_unmap_notify = request<GntdevUnmapNotify>('G', 7);
inline constexpr unsigned long gntdev_copy = request<GntdevCopy>('G', 8);
static_assert(gntdev_map == 0x184700 && gntdev_unmap == 0x104701 && gntdev_unmap_notify == 0x104707);
static_assert(gntdev_copy == 0x104708 && sizeof(GntdevCopySegment) == 24);

}
