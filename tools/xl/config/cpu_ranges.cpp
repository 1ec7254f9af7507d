// See cpu_ranges.hpp.
#include "tools/xl/config/cpu_ranges.hpp"

#include "tools/xl/config/reader.hpp"

#include <cstdlib>

namespace xylem::xl::config {

bool parse_range(const std::string& text, Range& range)
{
    constexpr unsigned long none = std::numeric_limits<unsigned long>::max();
    char* end = nullptr;
    range.first = range.last = std::strtoul(text.c_str(), &end, 10);
    if (end == text.c_str() || range.first == none)
        return false;
    if (*end == '-') {
        const char* second = end + 1;
        range.last = std::strtoul(second, &end, 10);
        if (end == second || range.last == none || range.last < range.first)
            return false;
    }
    return *end == '\0';
}

static void apply(std::string_view word, unsigned cpus, unsigned nodes, CpuSet& set)
{
    const std::string whole(word);
    const bool include = !word.starts_with('^');
    if (!include)
        word.remove_prefix(1);
    bool by_node = false;
    for (std::string_view prefix : {"node:", "nodes:"})
        if (!by_node && word.starts_with(prefix)) {
            by_node = true;
            word.remove_prefix(prefix.size());
        }
    if (word == "all") {
        if (!include)
            fail("'{}' leaves no processor; '^' and 'all' do not go together", whole);
        set.assign(set.size(), true);
        return;
    }
    Range range{};
    if (!parse_range(std::string(word), range))
        fail("'{}' is no list of processors; expected one like 0-3,^1 or node:0 or all", whole);
    // A machine of one node, which is all we run on, has all its processors there.
    const std::uint64_t first = by_node ? 0 : range.first;
    const std::uint64_t end = by_node ? (range.first < nodes ? cpus : 0) : range.last + 1;
    for (std::uint64_t cpu = first; cpu < end && cpu < set.size(); ++cpu)
        set[cpu] = include;
}

CpuSet parse_cpu_ranges(const std::string& list, unsigned cpus, unsigned nodes)
{
    CpuSet set((cpus + 7U) & ~7U);
    for (const std::string& word : split(list, ","))
        apply(word, cpus, nodes, set);
    return set;
}

std::vector<unsigned> members(const CpuSet& cpus)
{
    std::vector<unsigned> numbers;
    for (unsigned cpu = 0; cpu < cpus.size(); ++cpu)
        if (cpus[cpu])
            numbers.push_back(cpu);
    return numbers;
}

}
