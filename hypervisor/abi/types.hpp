// What every other header of the wire ABI is made of: raw domain numbers, frame numbers, and pointers into a guest.
//
// The ABI is Xen 4.17's for x86-64. These headers are freestanding; a unit test compares each size, offset and number
// with the public headers of Debian's libxen-dev.
#pragma once

#include <stddef.h>
#include <stdint.h>

namespace xylem::abi {

/// A domain's number as it stands in the guest's structs. The core wraps it in DomId once it has been looked at.
using RawDomId = uint16_t;
/// A frame number in a guest's struct: machine frame or guest frame, whichever the field's name says.
using RawFrame = uint64_t;

inline constexpr RawDomId domid_first_reserved = 0x7FF0;
inline constexpr RawDomId domid_self = 0x7FF0;
inline constexpr RawDomId domid_io = 0x7FF1;
inline constexpr RawDomId domid_xen = 0x7FF2;
inline constexpr RawDomId domid_cow = 0x7FF3;
inline constexpr RawDomId domid_invalid = 0x7FF4;
inline constexpr RawDomId domid_idle = 0x7FFF;
inline constexpr RawDomId domid_mask = 0x7FFF;

/// A guest's pointer to `T`. It is a number until the core's GuestIn or GuestOut has checked and used it.
template <typename T> struct GuestHandle {
    uint64_t address;

    constexpr bool is_null() const { return address == 0; }
};

/// A domain's UUID, in the order of its bytes as text.
struct DomainHandle {
    uint8_t bytes[16];
};

/// A bitmap in the caller's memory, of bytes, lowest bit first.
struct Bitmap {
    GuestHandle<uint8_t> bitmap;
    uint32_t nr_bits;
};

}
