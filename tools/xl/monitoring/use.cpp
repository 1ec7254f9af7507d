// What dom0's files tell of devices, and the parts of a sample that need no hypervisor. (sample.hpp)
#include "tools/xl/monitoring/sample.hpp"

#include "hypervisor/abi/sched.hpp"

#include <algorithm>
#include <charconv>
#include <fmt/format.h>
#include <fstream>
#include <sstream>

namespace xylem::xl {

bool DomainUse::has_crashed() const
{
    const u32 reason = flags >> abi::dominf_shutdownshift & abi::dominf_shutdownmask;
    return is(abi::dominf_shutdown) && reason == static_cast<u32>(abi::ShutdownReason::crash);
}

const DomainUse* Sample::find(u16 domain) const
{
    const auto found = std::ranges::find(domains, domain, &DomainUse::id);
    return found == domains.end() ? nullptr : &*found;
}

static std::optional<u64> read_number(const std::string& path)
{
    u64 number = 0;
    std::ifstream file(path);
    return file >> number ? std::optional(number) : std::nullopt;
}

std::optional<InterfaceUse> read_interface(const std::string& sys, const std::string& name, u32 number)
{
    if (name.empty() || name.find('/') != std::string::npos)
        return std::nullopt;
    const std::string folder = sys + "/class/net/" + name + "/statistics/";
    const auto read = [&](const std::string& prefix) {
        const auto value = [&](const char* what) { return read_number(folder + prefix + what).value_or(0); };
        return InterfaceUse::Direction{value("bytes"), value("packets"), value("errors"), value("dropped")};
    };
    if (!read_number(folder + "rx_bytes"))
        return std::nullopt;
    return InterfaceUse{number, read("rx_"), read("tx_")};
}

static DiskUse from_ours(u32 number, const dom0::DiskCount& count)
{
    using enum dom0::DiskOperation;
    const auto& reads = count.of(read);
    const auto& writes = count.of(write);
    return {number, true, count.waits, reads.requests, writes.requests, reads.sectors, writes.sectors, count};
}

DiskUse read_disk(const std::string& counters, const std::string& sys, DomId domain, u32 number)
{
    if (const auto count = dom0::read_disk_counters(dom0::disk_counters_path(counters, domain, number)))
        return from_ours(number, *count);
    const std::string folder =
        fmt::format("{}/bus/xen-backend/devices/vbd-{}-{}/statistics/", sys, domain.value, number);
    const auto value = [&](const char* name) { return read_number(folder + name); };
    const auto waits = value("oo_req");
    return {number,
            waits.has_value(),
            waits.value_or(0),
            value("rd_req").value_or(0),
            value("wr_req").value_or(0),
            value("rd_sect").value_or(0),
            value("wr_sect").value_or(0),
            std::nullopt};
}

std::map<std::string, u64> parse_store_numbers(const std::string& text)
{
    std::map<std::string, u64> numbers;
    std::istringstream lines(text);
    for (std::string line; std::getline(lines, line);) {
        const auto colon = line.find(':');
        const auto digits = line.find_first_not_of(' ', colon + 1);
        if (colon == std::string::npos || colon == 0 || digits == std::string::npos)
            continue;
        u64 number = 0;
        const auto [end, error] = std::from_chars(line.data() + digits, line.data() + line.size(), number);
        if (error == std::errc())
            numbers[line.substr(0, line.find_last_not_of(' ', colon - 1) + 1)] = number;
    }
    return numbers;
}

}
