// See store.hpp.
#include "backends/lib/store.hpp"

#include <charconv>
#include <fmt/format.h>
#include <stdexcept>

namespace xylem::backends {

std::optional<unsigned long> read_number(Store& store, const std::string& path)
{
    const auto text = store.read(path);
    if (!text || text->empty())
        return std::nullopt;
    unsigned long value = 0;
    const char* end = text->data() + text->size();
    const auto result = std::from_chars(text->data(), end, value);
    if (result.ec != std::errc() || result.ptr != end)
        return std::nullopt;
    return value;
}

u32 wanted_number(Store& store, const std::string& path)
{
    const auto number = read_number(store, path);
    if (!number || *number > ~u32{0})
        throw std::runtime_error(fmt::format("the frontend's node {} is missing or no number", path));
    return static_cast<u32>(*number);
}

bool read_flag(Store& store, const std::string& path)
{
    return read_number(store, path) == 1;
}

}
