// Short texts without a heap: paths and values of the store.
#pragma once

#include "hypervisor/base/format.hpp"

#include <optional>

namespace xylem::frontends {

/// A text of at most Capacity - 1 bytes, with a terminating zero. One that did not fit is empty.
template <size_t Capacity> class Text {
public:
    Text() = default;
    template <typename... Args> explicit Text(const char* format, const Args&... args)
    {
        if (format_to(data_, Capacity, format, args...) == Capacity - 1)
            data_[0] = 0; // it may have been cut
    }

    const char* c_str() const { return data_; }
    bool empty() const { return data_[0] == 0; }

    char* data() { return data_; }
    static constexpr size_t capacity() { return Capacity; }

private:
    char data_[Capacity] = {};
};

using Path = Text<256>;
using Value = Text<128>;

/// A decimal number and nothing else.
inline std::optional<u64> number_in(const char* text)
{
    u64 value = 0;
    if (!*text)
        return std::nullopt;
    for (; *text; ++text)
        if (*text < '0' || *text > '9' || __builtin_mul_overflow(value, 10, &value) ||
            __builtin_add_overflow(value, static_cast<u64>(*text - '0'), &value))
            return std::nullopt;
    return value;
}

}
