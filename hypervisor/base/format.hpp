// Formatting without a library: literals with {} (decimal, text, or a Number's raw value) and {:x} (hexadecimal).
#pragma once

#include "hypervisor/base/types.hpp"

#include <type_traits>

namespace xylem {

/// One argument of a format, its type erased.
struct FormatArgument {
    enum class Kind : u8 { unsigned_number, signed_number, text } kind;
    union {
        u64 number;
        const char* text;
    };

    FormatArgument(const char* value) : kind(Kind::text), text(value) {}
    template <typename T>
    requires std::is_integral_v<T> FormatArgument(T value)
        : kind(std::is_signed_v<T> ? Kind::signed_number : Kind::unsigned_number), number(static_cast<u64>(value))
    {
    }
    template <typename T>
    requires std::is_enum_v<T> FormatArgument(T value) : FormatArgument(static_cast<std::underlying_type_t<T>>(value))
    {
    }
    template <typename Tag, typename Raw> FormatArgument(Number<Tag, Raw> value) : FormatArgument(value.value) {}
    template <typename T> FormatArgument(T* value) : kind(Kind::unsigned_number), number(reinterpret_cast<u64>(value))
    {
    }
};

/// Writes the formatted text, cut to `capacity - 1` bytes, and a terminating zero. @return its length.
size_t format_arguments(char* out, size_t capacity, const char* format, const FormatArgument* arguments, size_t count);

template <typename... Args> size_t format_to(char* out, size_t capacity, const char* format, const Args&... args)
{
    const FormatArgument arguments[] = {FormatArgument(args)..., FormatArgument(0)};
    return format_arguments(out, capacity, format, arguments, sizeof...(args));
}

}
