// GuestIn<T>, GuestOut<T>, GuestInOut<T>: pointers that a guest gave us, with their direction in the type.
//
// A value is copied once into ours, checked there, and never read again from the guest. Every access checks the address
// against the hypervisor's hole, whatever was checked before: XSA-212 was one handle that nobody checked.
#pragma once

#include "hypervisor/core/machine.hpp"

#include <type_traits>

namespace xylem {

/// The guest may name addresses below 2^47 and from the end of our hole up. (xen/include/public/arch-x86/xen-x86_64.h)
inline constexpr u64 guest_low_end = u64{1} << 47;
inline constexpr u64 guest_high_start = 0xffff880000000000;

/// @return whether [address, address + bytes) lies where a guest may read and write, without wrapping or crossing the
/// hole.
constexpr bool guest_range_ok(u64 address, u64 bytes)
{
    const u64 end = address + bytes;
    if (end < address)
        return false;
    return end <= guest_low_end || (address >= guest_high_start);
}

template <typename T> class GuestPointer {
    static_assert(std::is_trivially_copyable_v<T>);

public:
    constexpr GuestPointer() = default;
    constexpr explicit GuestPointer(u64 address) : address_(address) {}
    constexpr bool null() const { return address_ == 0; }
    constexpr u64 address() const { return address_; }

protected:
    /// The address of element `index`, or an address that no range check lets pass.
    constexpr u64 element(u64 index) const
    {
        u64 offset = 0, address = 0;
        if (__builtin_mul_overflow(index, sizeof(T), &offset) || __builtin_add_overflow(address_, offset, &address))
            return guest_low_end;
        return address;
    }
    u64 address_ = 0;
};

/// What the guest gives us.
template <typename T> class GuestIn : public GuestPointer<T> {
public:
    constexpr GuestIn() = default;
    constexpr explicit GuestIn(u64 address) : GuestPointer<T>(address) {}

    /// Copies element `index` in. @return Fault if any byte of it cannot be read.
    Result<T> copy_in(u64 index = 0) const
    {
        T value;
        TRY(copy_in_array(&value, 1, index));
        return value;
    }
    /// Copies `count` elements from `first` on.
    Result<void> copy_in_array(T* to, u64 count, u64 first = 0) const
    {
        const u64 address = this->element(first);
        u64 bytes = 0;
        if (__builtin_mul_overflow(count, sizeof(T), &bytes) || !guest_range_ok(address, bytes))
            return Error::Fault;
        if (machine::copy_from_guest(to, address, bytes) != 0)
            return Error::Fault;
        return {};
    }
};

/// What we give the guest.
template <typename T> class GuestOut : public GuestPointer<T> {
public:
    constexpr GuestOut() = default;
    constexpr explicit GuestOut(u64 address) : GuestPointer<T>(address) {}

    Result<void> copy_out(const T& value, u64 index = 0) const { return copy_out_array(&value, 1, index); }
    Result<void> copy_out_array(const T* from, u64 count, u64 first = 0) const
    {
        const u64 address = this->element(first);
        u64 bytes = 0;
        if (__builtin_mul_overflow(count, sizeof(T), &bytes) || !guest_range_ok(address, bytes))
            return Error::Fault;
        if (machine::copy_to_guest(address, from, bytes) != 0)
            return Error::Fault;
        return {};
    }
};

/// Both, for structs that carry arguments in and results out.
template <typename T> class GuestInOut : public GuestIn<T> {
public:
    constexpr GuestInOut() = default;
    constexpr explicit GuestInOut(u64 address) : GuestIn<T>(address) {}

    Result<void> copy_out(const T& value, u64 index = 0) const { return out().copy_out(value, index); }
    Result<void> copy_out_array(const T* from, u64 count, u64 first = 0) const
    {
        return out().copy_out_array(from, count, first);
    }

private:
    GuestOut<T> out() const { return GuestOut<T>(this->address_); }
};

}
