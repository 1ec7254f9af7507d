// See ring.hpp.
#include "backends/console/ring.hpp"

namespace xylem::backends::console {

std::optional<std::size_t> ConsoleRing::peek(std::span<char, out_bytes> buffer) const
{
    const u32 consumed = out_cons_.load();
    const u32 count = out_prod_.load() - consumed;
    if (count > out_bytes)
        return std::nullopt;
    for (u32 i = 0; i < count; ++i)
        buffer[i] = page_->out[(consumed + i) % out_bytes];
    return count;
}

void ConsoleRing::release(std::size_t bytes)
{
    out_cons_.store(out_cons_.load() + static_cast<u32>(bytes));
}

std::optional<std::size_t> ConsoleRing::room() const
{
    const u32 used = in_prod_.load() - in_cons_.load();
    if (used > in_bytes)
        return std::nullopt;
    return in_bytes - used;
}

void ConsoleRing::give(std::string_view input)
{
    const u32 produced = in_prod_.load();
    for (u32 i = 0; i < input.size(); ++i)
        page_->in[(produced + i) % in_bytes] = input[i];
    in_prod_.store(produced + static_cast<u32>(input.size()));
}

}
