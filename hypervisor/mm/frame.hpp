// The frame table: who owns each frame of RAM, how often it is referred to, and as what.
//
// Invariants (the argument stands in docs/page-types.md):
//  * a frame has one type while its type count is not zero; types exclude each other, so that a frame which any table
//  uses as
//    a page table can have no writable mapping, and the other way round;
//  * a type count above zero is covered by references: type references are always held together with a general one;
//  * a frame becomes a page table or descriptor page only by validation of its whole content;
//  * a frame is free only when its reference count is zero.
//
// Boot order: the architecture maps the table and the M2P (zeroed, and backed in whole groups of `frames_per_group`
// frames wherever a group holds RAM), sets `frame_table`, `m2p` and machine::max_mfn; then set_host_memory_map()
// (host_memory.hpp) says what is RAM, and add_ram() (heap.hpp) hands over what of it is free. RAM that is never handed
// over is the hypervisor's own: its reference count stays zero, so nobody can refer to it.
#pragma once

#include "hypervisor/base/bits.hpp"
#include "hypervisor/base/result.hpp"
#include "hypervisor/base/types.hpp"
#include "hypervisor/core/machine.hpp"

namespace xylem::mm {

enum class PageType : u8 {
    none = 0,
    l1 = 1,
    l2 = 2,
    l3 = 3,
    l4 = 4,
    segment_descriptors = 5, // GDT and LDT pages
    writable = 7,
};

constexpr bool is_page_table(PageType type)
{
    return type >= PageType::l1 && type <= PageType::l4;
}
constexpr unsigned level_of(PageType type)
{
    return static_cast<unsigned>(type);
}
constexpr PageType page_table_type(unsigned level)
{
    return static_cast<PageType>(level);
}

/// One a frame of RAM, 32 bytes. Only mm/ touches the words; others use the functions of references.hpp and
/// page_type.hpp.
struct Frame {
    u64 count_info; // references and flags: count_bits
    u64 type_info;  // type, state and type count: type_bits
    DomId owner;    // who owns it, while the reference count is not zero
    union {
        u16 order;       // of a free run, or of a hypervisor allocation; the size class of a page of small objects
        i16 linear_uses; // of a page table: above zero it has so many linear entries, below zero it is their target
    };
    union {
        u32 tlb_stamp; // the flush clock when the last type reference, or the last reference of all, went
        u32 progress;  // while the type is partial: how many of its entries hold references
    };
    u32 next, previous; // frame numbers: the owner's list, or the heap's
};
static_assert(sizeof(Frame) == 32);

/// Frame::count_info.
namespace count_bits {
inline constexpr u64 allocated = u64{1} << 63;  // the owner has it allocated: itself one reference
inline constexpr u64 hypervisor = u64{1} << 62; // of the hypervisor's own memory, even if a guest may map it
inline constexpr u64 free = u64{1} << 61;       // in the heap
inline constexpr u64 ram = u64{1} << 60;        // is RAM
inline constexpr u64 stale = u64{1} << 59;      // freed by a domain: translations to it may be cached until tlb_stamp
inline constexpr u64 foreign = u64{1} << 58;  // has been mapped by another than its owner since its type was last none
inline constexpr u64 uncached = u64{1} << 57; // has been mapped writable with other than write-back caching
inline constexpr u64 clean = u64{1} << 56;    // free or being allocated: it has been scrubbed
inline constexpr u64 count_mask = (u64{1} << 48) - 1;
}

/// Frame::type_info.
namespace type_bits {
inline constexpr unsigned type_shift = 61;
inline constexpr u64 type_mask = u64{7} << type_shift;
inline constexpr u64 pinned = u64{1} << 60; // the pin holds one type reference and one general one
inline constexpr u64 validated = u64{1} << 59;
inline constexpr u64 partial = u64{1} << 58;      // its validation or invalidation was interrupted
inline constexpr u64 busy = u64{1} << 57;         // a processor is validating or invalidating it, or flushing for it
inline constexpr u64 invalidating = u64{1} << 56; // with partial or busy: on the way down
inline constexpr u64 count_mask = (u64{1} << 48) - 1;

constexpr u64 of(PageType type)
{
    return static_cast<u64>(type) << type_shift;
}
constexpr PageType type(u64 info)
{
    return static_cast<PageType>(info >> type_shift);
}
constexpr u64 count(u64 info)
{
    return info & count_mask;
}
}

extern Frame* frame_table; ///< indexed by mfn; backed only where there is RAM
extern u64* m2p;           ///< machine to pseudo-physical; guests see it read-only. Indexed by mfn

inline constexpr u64 invalid_m2p = ~u64{0};
inline constexpr u32 no_frame = ~u32{0}; ///< end of a list of frames

inline constexpr unsigned frames_per_group = 1U << 16; // of which the table is backed together: 2 MiB of table
inline constexpr u64 max_frames = u64{5} << 28;        // as many as fit the direct map: 5 TiB
extern u64 backed_groups[max_frames / frames_per_group / 64];

inline Frame& frame(Mfn mfn)
{
    return frame_table[mfn.value];
}
inline Mfn mfn_of(const Frame& f)
{
    return Mfn(static_cast<u64>(&f - frame_table));
}

/// @return whether `mfn` is RAM that the frame table covers.
inline bool is_ram(Mfn mfn)
{
    if (mfn >= machine::max_mfn ||
        !(backed_groups[mfn.value / frames_per_group / 64] >> (mfn.value / frames_per_group % 64) & 1))
        return false;
    return __atomic_load_n(&frame(mfn).count_info, __ATOMIC_RELAXED) & count_bits::ram;
}

/// Notes that [first, last) is RAM. Called by set_host_memory_map and add_ram.
void mark_ram(Mfn first, Mfn last);

/// How often the frame is referred to, and as what: for reports and tests; both may change at any time.
inline u64 reference_count(Mfn mfn)
{
    return atomic_load(&frame(mfn).count_info) & count_bits::count_mask;
}
inline u64 type_count(Mfn mfn)
{
    return type_bits::count(atomic_load(&frame(mfn).type_info));
}
inline PageType page_type(Mfn mfn)
{
    return type_bits::type(atomic_load(&frame(mfn).type_info));
}
inline bool is_pinned(Mfn mfn)
{
    return atomic_load(&frame(mfn).type_info) & type_bits::pinned;
}
inline bool is_validated(Mfn mfn)
{
    return atomic_load(&frame(mfn).type_info) & type_bits::validated;
}

}
