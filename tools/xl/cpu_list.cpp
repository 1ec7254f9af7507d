// Lists of processors, as cpus= and vcpu-pin take them. (lifecycle.hpp)
#include "tools/xl/failure.hpp"
#include "tools/xl/lifecycle.hpp"

#include <charconv>

namespace xylem::xl {

namespace {

std::size_t take_cpu(std::string_view& text, const std::string& list, std::size_t cpus)
{
    std::size_t cpu = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), cpu);
    if (error != std::errc())
        fail("'{}' is no list of processors; expected one like 0-3,^1 or all", list);
    if (cpu >= cpus)
        fail("the list of processors '{}' names processor {}; the last is {}", list, cpu, cpus - 1);
    text.remove_prefix(static_cast<std::size_t>(end - text.data()));
    return cpu;
}

void take_item(std::string_view item, const std::string& list, dom0::CpuMap& map)
{
    const bool include = !item.starts_with('^');
    if (!include)
        item.remove_prefix(1);
    if (item == "all") {
        map.assign(map.size(), include);
        return;
    }
    const std::size_t first = take_cpu(item, list, map.size());
    std::size_t last = first;
    if (item.starts_with('-')) {
        item.remove_prefix(1);
        last = take_cpu(item, list, map.size());
    }
    if (!item.empty() || last < first)
        fail("'{}' is no list of processors; expected one like 0-3,^1 or all", list);
    for (std::size_t cpu = first; cpu <= last; ++cpu)
        map[cpu] = include;
}

}

dom0::CpuMap parse_cpu_list(const std::string& list, std::size_t cpus)
{
    dom0::CpuMap map(cpus);
    std::string_view rest = list;
    for (bool more = true; more;) {
        const std::size_t comma = std::min(rest.find(','), rest.size());
        take_item(rest.substr(0, comma), list, map);
        more = comma < rest.size();
        rest.remove_prefix(std::min(comma + 1, rest.size()));
    }
    return map;
}

}
