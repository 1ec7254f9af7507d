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

std::vector<std::string> queue_folders(Store& store, const std::string& front, unsigned most)
{
    const auto queues = read_number(store, front + "/multi-queue-num-queues").value_or(1);
    if (queues == 0 || queues > most)
        throw std::runtime_error(fmt::format("the frontend wants {} queues; from 1 to {} are served", queues, most));
    if (queues == 1)
        return {front};
    std::vector<std::string> folders;
    for (unsigned i = 0; i < queues; ++i)
        folders.push_back(fmt::format("{}/queue-{}", front, i));
    return folders;
}

bool read_flag(Store& store, const std::string& path)
{
    return read_number(store, path) == 1;
}

}
