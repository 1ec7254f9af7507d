// Ports, and memory of devices.
#pragma once

#include "hypervisor/base/types.hpp"

namespace xylem::arch {

inline u8 in8(u16 port)
{
    u8 value;
    asm volatile("inb %1, %0" : "=a"(value) : "Nd"(port));
    return value;
}
inline u16 in16(u16 port)
{
    u16 value;
    asm volatile("inw %1, %0" : "=a"(value) : "Nd"(port));
    return value;
}
inline u32 in32(u16 port)
{
    u32 value;
    asm volatile("inl %1, %0" : "=a"(value) : "Nd"(port));
    return value;
}
inline void out8(u16 port, u8 value)
{
    asm volatile("outb %0, %1" ::"a"(value), "Nd"(port));
}
inline void out16(u16 port, u16 value)
{
    asm volatile("outw %0, %1" ::"a"(value), "Nd"(port));
}
inline void out32(u16 port, u32 value)
{
    asm volatile("outl %0, %1" ::"a"(value), "Nd"(port));
}

/// The same for an access of 1, 2 or 4 bytes.
inline u32 read_port(u16 port, unsigned bytes)
{
    return bytes == 1 ? in8(port) : bytes == 2 ? in16(port) : in32(port);
}
inline void write_port(u16 port, unsigned bytes, u32 value)
{
    if (bytes == 1)
        out8(port, static_cast<u8>(value));
    else if (bytes == 2)
        out16(port, static_cast<u16>(value));
    else
        out32(port, value);
}

/// A device register is read and written whole, once, in program order.
template <typename T> T device_read(const volatile void* address)
{
    return *static_cast<const volatile T*>(address);
}
template <typename T> void device_write(volatile void* address, T value)
{
    *static_cast<volatile T*>(address) = value;
}

}
