// See ring.hpp.

#include "frontends/console/ring.hpp"

namespace xylem::frontends::console {

std::optional<u32> ConsoleRing::write(std::span<const char> text)
{
    constexpr u32 capacity = sizeof page_->out;
    const u32 at = out_prod_.load(), used = at - out_cons_.load();
    if (used > capacity)
        return std::nullopt;
    u32 count = 0;
    for (; count < capacity - used && count < text.size(); ++count)
        page_->out[(at + count) % capacity] = text[count];
    out_prod_.store(at + count);
    return count;
}

std::optional<u32> ConsoleRing::read(std::span<char> buffer)
{
    constexpr u32 capacity = sizeof page_->in;
    const u32 at = in_cons_.load(), there = in_prod_.load() - at;
    if (there > capacity)
        return std::nullopt;
    u32 count = 0;
    for (; count < there && count < buffer.size(); ++count)
        buffer[count] = const_cast<const volatile char&>(page_->in[(at + count) % capacity]);
    in_cons_.store(at + count);
    return count;
}

}
