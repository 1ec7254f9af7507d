// The frame table: who owns each frame of RAM, how often it is referred to, and as what.
//
// Invariants (the argument stands in docs/page-types.md):
//  * a frame has one type while its type count is not zero; types exclude each other, so that a frame which any table uses as
//    a page table can have no writable mapping, and the other way round;
//  * a type count above zero is covered by references: type references are always held together with a general one;
//  * a frame becomes a page table or descriptor page only by validation of its whole content;
//  * a frame is free only when its reference count is zero.
#pragma once

#include "hypervisor/base/result.hpp"
#include "hypervisor/base/types.hpp"

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

/// One a frame of RAM, 32 bytes. Only mm/ touches the words; others use the functions below.
struct Frame {
    u64 count_info;  // references and flags: see frame.cpp
    u64 type_info;   // type, pinned, validated, partial, locked, and the type count
    DomId owner;     // who owns it; domid_none while free
    u8 order;        // of a free run, or of a hypervisor allocation
    u8 heap_zone;
    u32 tlb_stamp;   // the flush clock when the last type reference went; progress of validation while partial
    u32 next, previous; // frame numbers: the owner's list, or the heap's
};
static_assert(sizeof(Frame) == 32);

extern Frame* frame_table; ///< indexed by mfn; backed only where there is RAM
extern u64* m2p;           ///< machine to pseudo-physical; guests see it read-only. Indexed by mfn

inline constexpr u64 invalid_m2p = ~u64{0};

/// @return whether `mfn` is RAM that the frame table covers.
bool is_ram(Mfn mfn);
inline Frame& frame(Mfn mfn) { return frame_table[mfn.value]; }
inline Mfn mfn_of(const Frame& f) { return Mfn(static_cast<u64>(&f - frame_table)); }

}
