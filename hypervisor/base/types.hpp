// Integers and the numbers that must not be mixed up.
//
// A frame number, an address and a domain id are distinct types in every build: a conversion is always written out, and
// page <-> address conversion is a shift the compiler knows.
#pragma once

#include <compare>
#include <stddef.h>
#include <stdint.h>

namespace xylem {

using u8 = uint8_t;
using u16 = uint16_t;
using u32 = uint32_t;
using u64 = uint64_t;
using i8 = int8_t;
using i16 = int16_t;
using i32 = int32_t;
using i64 = int64_t;

inline constexpr unsigned page_shift = 12;
inline constexpr u64 page_size = u64{1} << page_shift;
inline constexpr u64 page_mask = ~(page_size - 1);

/// A number with a meaning: comparable and printable by its raw value, with no implicit conversion in either direction.
template <typename Tag, typename Raw> struct Number {
    Raw value{};

    constexpr Number() = default;
    constexpr explicit Number(Raw raw) : value(raw) {}
    constexpr auto operator<=>(const Number&) const = default;
    constexpr Raw raw() const { return value; }

    // A run of consecutive numbers: mfn + 1 is the next frame. The difference of two numbers is a plain count.
    constexpr Number operator+(Raw count) const { return Number(static_cast<Raw>(value + count)); }
    constexpr Number operator-(Raw count) const { return Number(static_cast<Raw>(value - count)); }
    constexpr Raw operator-(Number other) const { return static_cast<Raw>(value - other.value); }
    constexpr Number& operator++()
    {
        ++value;
        return *this;
    }
};

using Mfn = Number<struct MfnTag, u64>; ///< machine frame number
using Gfn = Number<struct GfnTag, u64>; ///< guest frame number as an ABI field calls it: for PV an mfn
using Pfn = Number<struct PfnTag, u64>; ///< pseudo-physical frame number, the guest's own numbering
using MachineAddress = Number<struct MachineAddressTag, u64>; ///< bytes
using VirtualAddress = Number<struct VirtualAddressTag, u64>; ///< bytes
using DomId = Number<struct DomIdTag, u16>;
using VcpuId = Number<struct VcpuIdTag, u32>;
using CpuId = Number<struct CpuIdTag, u32>; ///< a processor's index, dense from 0 (not its APIC id)
using Port = Number<struct PortTag, u32>;   ///< event channel port
using GrantRef = Number<struct GrantRefTag, u32>;
using Nanoseconds = Number<struct NanosecondsTag, i64>; ///< system time, or a span of it

inline constexpr Mfn invalid_mfn{~u64{0}};
inline constexpr DomId domid_self{0x7ff0};
inline constexpr DomId domid_io{0x7ff1};  ///< owner of what is no RAM: MMIO, the first MiB, E820 holes
inline constexpr DomId domid_xen{0x7ff2}; ///< the hypervisor's own frames
inline constexpr DomId domid_none{0x7ff4};
inline constexpr DomId domid_idle{0x7fff};
inline constexpr unsigned first_reserved_domid = 0x7ff0;

constexpr Mfn mfn_of(MachineAddress address)
{
    return Mfn(address.value >> page_shift);
}
constexpr MachineAddress address_of(Mfn mfn)
{
    return MachineAddress(mfn.value << page_shift);
}

/// Bytes to the start of the page that holds (or follows) `value`.
constexpr u64 round_down_to_page(u64 value)
{
    return value & page_mask;
}
constexpr u64 round_up_to_page(u64 value)
{
    return (value + page_size - 1) & page_mask;
}
constexpr u64 pages_for(u64 bytes)
{
    return (bytes + page_size - 1) >> page_shift;
}

}
