// What the compiler and the header-only part of the standard library expect of a run-time library, beyond memcpy and
// its kin (string.S).

#include "hypervisor/arch/x86_64/runtime.hpp"

#include "hypervisor/core/log.hpp"

#include <stddef.h>

extern "C" {

using Constructor = void (*)();
extern const Constructor init_array_start[], init_array_end[];

/// Destructors of statics never run: the hypervisor does not end.
int atexit(void (*)())
{
    return 0;
}

void __cxa_pure_virtual()
{
    xylem::panic("a pure virtual function was called");
}

/// std::popcount, for processors of which nothing more is known.
int __popcountdi2(long value)
{
    auto bits = static_cast<unsigned long>(value);
    bits -= bits >> 1 & 0x5555555555555555;
    bits = (bits & 0x3333333333333333) + (bits >> 2 & 0x3333333333333333);
    bits = (bits + (bits >> 4)) & 0x0f0f0f0f0f0f0f0f;
    return static_cast<int>(bits * 0x0101010101010101 >> 56);
}

size_t strlen(const char* text)
{
    size_t n = 0;
    while (text[n])
        ++n;
    return n;
}

int strcmp(const char* a, const char* b)
{
    while (*a && *a == *b)
        ++a, ++b;
    return static_cast<unsigned char>(*a) - static_cast<unsigned char>(*b);
}

void* memchr(const void* start, int what, size_t bytes)
{
    const unsigned char* at = static_cast<const unsigned char*>(start);
    for (; bytes; --bytes, ++at)
        if (*at == static_cast<unsigned char>(what))
            return const_cast<unsigned char*>(at);
    return nullptr;
}
}

// What the standard headers' range checks end in.
namespace std {

[[noreturn]] void __throw_out_of_range_fmt(const char* format, ...)
{
    xylem::panic("out of range: {}", format);
}

}

namespace xylem::arch {

void run_constructors()
{
    for (const Constructor* constructor = init_array_start; constructor < init_array_end; ++constructor)
        (*constructor)();
}

}
