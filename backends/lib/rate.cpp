// See rate.hpp.
#include "backends/lib/rate.hpp"

#include <charconv>
#include <fmt/format.h>
#include <stdexcept>

namespace xylem::backends {

std::optional<Rate> read_rate(Store& store, const std::string& path)
{
    const auto text = store.read(path);
    if (!text)
        return std::nullopt;
    // What a signed number of bytes times a tenth of a second still holds.
    static constexpr std::int64_t most_bytes = std::int64_t{1} << 40;
    std::int64_t bytes = 0;
    std::uint32_t microseconds = 0;
    const char* end = text->data() + text->size();
    const auto first = std::from_chars(text->data(), end, bytes);
    const bool comma = first.ec == std::errc() && first.ptr != end && *first.ptr == ',';
    const auto second = std::from_chars(comma ? first.ptr + 1 : end, end, microseconds);
    if (!comma || second.ec != std::errc() || second.ptr != end || bytes < 0 || bytes > most_bytes || microseconds == 0)
        throw std::runtime_error(
            fmt::format("the node {} holds '{}', which is no rate; expected BYTES,MICROSECONDS", path, *text));
    if (bytes == 0)
        return std::nullopt;
    return Rate{bytes, std::chrono::microseconds(microseconds)};
}

}
