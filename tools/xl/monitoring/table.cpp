// See table.hpp.
#include "tools/xl/monitoring/table.hpp"

#include "hypervisor/abi/domctl.hpp"

#include <algorithm>
#include <fmt/format.h>
#include <strings.h>

namespace xylem::xl {

namespace {

constexpr u64 kib = 1024;
constexpr std::size_t narrow_name = 10;

/// A domain with what the columns say of it.
struct Row {
    const DomainUse* domain;
    const Sample* now;
    double cpu_percent;
    u64 sent_bytes = 0, received_bytes = 0;
    bool disks_counted = false;
    u64 waits = 0, reads = 0, writes = 0, sectors_read = 0, sectors_written = 0;

    double memory_percent(u64 bytes) const
    {
        return static_cast<double>(bytes) / static_cast<double>(now->memory_bytes) * 100;
    }
    std::string disk(u64 number) const { return disks_counted ? std::to_string(number) : "-"; }
};

Row row_of(const DomainUse& domain, const Sample& now, const Sample* before)
{
    Row row{&domain, &now, cpu_percent(domain, now, before)};
    for (const InterfaceUse& use : domain.interfaces) {
        row.sent_bytes += use.sent.bytes;
        row.received_bytes += use.received.bytes;
    }
    row.disks_counted = domain.disks.empty();
    for (const DiskUse& use : domain.disks) {
        row.disks_counted = row.disks_counted || use.is_counted;
        row.waits += use.waits;
        row.reads += use.reads;
        row.writes += use.writes;
        row.sectors_read += use.sectors_read;
        row.sectors_written += use.sectors_written;
    }
    return row;
}

struct StateLetter {
    char letter;
    bool (*holds)(const DomainUse& domain);
};
/// In xentop's order, which is not that of xl list.
constexpr StateLetter state_letters[] = {
    {'d', [](const DomainUse& domain) { return domain.is(abi::dominf_dying); }},
    {'s', [](const DomainUse& domain) { return domain.is(abi::dominf_shutdown) && !domain.has_crashed(); }},
    {'b', [](const DomainUse& domain) { return domain.is(abi::dominf_blocked); }},
    {'c', [](const DomainUse& domain) { return domain.has_crashed(); }},
    {'p', [](const DomainUse& domain) { return domain.is(abi::dominf_paused); }},
    {'r', [](const DomainUse& domain) { return domain.is(abi::dominf_running); }},
};

std::string letters_of(const DomainUse& domain)
{
    std::string letters;
    for (const StateLetter& state : state_letters)
        letters += state.holds(domain) ? state.letter : '-';
    return letters;
}

/// What sets the first state apart comes first.
int compare_states(const Row& a, const Row& b)
{
    for (const StateLetter& state : state_letters)
        if (state.holds(*a.domain) != state.holds(*b.domain))
            return state.holds(*a.domain) ? -1 : 1;
    return 0;
}

template <typename Value> int descending(Value a, Value b)
{
    return a > b ? -1 : a < b ? 1 : 0;
}

struct Column {
    std::string_view name;
    std::size_t width;
    int (*compare)(const Row& a, const Row& b); ///< below 0: a comes first
    std::string (*text)(const Row& row);
};

u64 most_memory(const Row& row)
{
    return row.domain->max_memory_bytes.value_or(~u64{0});
}

constexpr auto by_memory = [](const Row& a, const Row& b) {
    return descending(a.domain->memory_bytes, b.domain->memory_bytes);
};
constexpr auto by_most_memory = [](const Row& a, const Row& b) { return descending(most_memory(a), most_memory(b)); };

constexpr Column columns[] = {
    {"NAME", narrow_name,
     [](const Row& a, const Row& b) { return strcasecmp(a.domain->name.c_str(), b.domain->name.c_str()); },
     [](const Row& row) { return row.domain->name; }},
    {"STATE", 6, compare_states, [](const Row& row) { return letters_of(*row.domain); }},
    {"CPU(sec)", 10, [](const Row& a, const Row& b) { return descending(a.domain->cpu_ns, b.domain->cpu_ns); },
     [](const Row& row) { return std::to_string(row.domain->cpu_ns / 1'000'000'000); }},
    {"CPU(%)", 6, [](const Row& a, const Row& b) { return descending(a.cpu_percent, b.cpu_percent); },
     [](const Row& row) { return fmt::format("{:.1f}", row.cpu_percent); }},
    {"MEM(k)", 10, by_memory, [](const Row& row) { return std::to_string(row.domain->memory_bytes / kib); }},
    {"MEM(%)", 6, by_memory,
     [](const Row& row) { return fmt::format("{:.1f}", row.memory_percent(row.domain->memory_bytes)); }},
    {"MAXMEM(k)", 10, by_most_memory,
     [](const Row& row) {
         const auto& most = row.domain->max_memory_bytes;
         return most ? std::to_string(*most / kib) : "no limit";
     }},
    {"MAXMEM(%)", 9, by_most_memory,
     [](const Row& row) {
         const auto& most = row.domain->max_memory_bytes;
         return most ? fmt::format("{:.1f}", row.memory_percent(*most)) : "n/a";
     }},
    {"VCPUS", 5, [](const Row& a, const Row& b) { return descending(a.domain->vcpus.size(), b.domain->vcpus.size()); },
     [](const Row& row) { return std::to_string(row.domain->vcpus.size()); }},
    {"NETS", 4,
     [](const Row& a, const Row& b) { return descending(a.domain->interfaces.size(), b.domain->interfaces.size()); },
     [](const Row& row) { return std::to_string(row.domain->interfaces.size()); }},
    {"NETTX(k)", 8, [](const Row& a, const Row& b) { return descending(a.sent_bytes, b.sent_bytes); },
     [](const Row& row) { return std::to_string(row.sent_bytes / kib); }},
    {"NETRX(k)", 8, [](const Row& a, const Row& b) { return descending(a.received_bytes, b.received_bytes); },
     [](const Row& row) { return std::to_string(row.received_bytes / kib); }},
    {"VBDS", 4, [](const Row& a, const Row& b) { return descending(a.domain->disks.size(), b.domain->disks.size()); },
     [](const Row& row) { return std::to_string(row.domain->disks.size()); }},
    {"VBD_OO", 8, [](const Row& a, const Row& b) { return descending(a.waits, b.waits); },
     [](const Row& row) { return row.disk(row.waits); }},
    {"VBD_RD", 8, [](const Row& a, const Row& b) { return descending(a.reads, b.reads); },
     [](const Row& row) { return row.disk(row.reads); }},
    {"VBD_WR", 8, [](const Row& a, const Row& b) { return descending(a.writes, b.writes); },
     [](const Row& row) { return row.disk(row.writes); }},
    {"VBD_RSECT", 10, [](const Row& a, const Row& b) { return descending(a.sectors_read, b.sectors_read); },
     [](const Row& row) { return row.disk(row.sectors_read); }},
    {"VBD_WSECT", 10, [](const Row& a, const Row& b) { return descending(a.sectors_written, b.sectors_written); },
     [](const Row& row) { return row.disk(row.sectors_written); }},
    {"SSID", 4, [](const Row& a, const Row& b) { return descending(b.domain->ssid, a.domain->ssid); },
     [](const Row& row) { return std::to_string(row.domain->ssid); }},
};

std::vector<Row> sorted_rows(const Sample& now, const Sample* before, const View& view)
{
    std::vector<Row> rows;
    for (const DomainUse& domain : now.domains)
        rows.push_back(row_of(domain, now, before));
    const bool keep_first = view.dom0_first && !rows.empty() && rows[0].domain->id == 0;
    const auto compare = columns[view.sort_column].compare;
    std::stable_sort(rows.begin() + (keep_first ? 1 : 0), rows.end(),
                     [&](const Row& a, const Row& b) { return compare(a, b) < 0; });
    if (!rows.empty())
        rows.erase(rows.begin(),
                   rows.begin() + static_cast<std::ptrdiff_t>(std::min(view.first_domain, rows.size() - 1)));
    return rows;
}

/// Lines are right-aligned in columns that are as wide as the widest.
struct Cells {
    std::vector<std::vector<std::string>> rows;
    std::vector<std::size_t> widths;

    Cells(const std::vector<Row>& domains, const View& view)
    {
        for (const Column& column : columns)
            widths.push_back(column.width);
        for (const Row& row : domains) {
            auto& cells = rows.emplace_back();
            for (const Column& column : columns) {
                std::string text = column.text(row);
                if (cells.empty() && !view.full_names)
                    text.resize(std::min(text.size(), narrow_name));
                widths[cells.size()] = std::max(widths[cells.size()], text.size());
                cells.push_back(std::move(text));
            }
        }
    }

    Line line(auto text_at, Style style, Style sorted_style, std::size_t sort_column) const
    {
        Line line;
        for (std::size_t i = 0; i < widths.size(); ++i) {
            if (i > 0)
                line.push_back({" ", style});
            line.push_back({fmt::format("{:>{}}", text_at(i), widths[i]), i == sort_column ? sorted_style : style});
        }
        return line;
    }
    Line header(std::size_t sort_column) const
    {
        return line([](std::size_t i) { return columns[i].name; }, Style::header, Style::sorted_header, sort_column);
    }
    Line domain(std::size_t row, std::size_t sort_column) const
    {
        return line([&](std::size_t i) { return std::string_view(rows[row][i]); }, Style::plain, Style::sorted,
                    sort_column);
    }
};

void add_vcpus(std::vector<Line>& lines, const DomainUse& domain)
{
    std::string text = "VCPUs(sec): ";
    for (std::size_t i = 0; i < domain.vcpus.size(); ++i) {
        const VcpuUse& vcpu = domain.vcpus[i];
        if (!vcpu.online)
            continue;
        if (i != 0 && i % 5 == 0) {
            lines.push_back({{text}});
            text = "        ";
        }
        text += fmt::format(" {:2}: {:10}s", vcpu.number, vcpu.cpu_ns / 1'000'000'000);
    }
    lines.push_back({{text}});
}

std::string text_of(const char* name, const InterfaceUse::Direction& direction)
{
    return fmt::format("{}: {:8}bytes {:8}pkts {:8}err {:8}drop", name, direction.bytes, direction.packets,
                       direction.errors, direction.dropped);
}

void add_interfaces(std::vector<Line>& lines, const DomainUse& domain)
{
    for (std::size_t i = 0; i < domain.interfaces.size(); ++i)
        lines.push_back({{fmt::format("Net{} {}  {}", i, text_of("RX", domain.interfaces[i].received),
                                      text_of("TX", domain.interfaces[i].sent))}});
}

void add_disks(std::vector<Line>& lines, const DomainUse& domain)
{
    for (const DiskUse& disk : domain.disks) {
        const auto number = [&](u64 value) { return disk.is_counted ? std::to_string(value) : std::string("-"); };
        // Major and minor number of the guest's device, as Linux has them.
        const u32 major = disk.number >> 8 & 0xfff;
        const u32 minor = (disk.number & 0xff) | (disk.number >> 12 & 0xfff00);
        lines.push_back({{fmt::format("VBD {} {:4} [{:2x}:{:2x}]  OO: {:>8}   RD: {:>8}   WR: {:>8}   RSECT: {:>10}   "
                                      "WSECT: {:>10}",
                                      disk.is_counted ? "BlkBack" : "Unidentified", disk.number, major, minor,
                                      number(disk.waits), number(disk.reads), number(disk.writes),
                                      number(disk.sectors_read), number(disk.sectors_written))}});
    }
}

}

std::string text_of(const Line& line)
{
    std::string text;
    for (const Span& span : line)
        text += span.text;
    return text;
}

double cpu_percent(const DomainUse& domain, const Sample& now, const Sample* before)
{
    const DomainUse* earlier = before ? before->find(domain.id) : nullptr;
    const double elapsed = before ? std::chrono::duration<double, std::nano>(now.at - before->at).count() : 0;
    if (!earlier || elapsed <= 0 || earlier->cpu_ns > domain.cpu_ns) // less than before: its number was given anew
        return 0;
    return static_cast<double>(domain.cpu_ns - earlier->cpu_ns) / elapsed * 100;
}

std::vector<Line> summary_lines(const Sample& now)
{
    // Each domain counts for one state.
    static constexpr std::string_view order = "rbpscd";
    std::array<unsigned, order.size()> count{};
    for (const DomainUse& domain : now.domains) {
        const std::string letters = letters_of(domain);
        for (std::size_t i = 0; i < order.size(); ++i)
            if (letters.find(order[i]) != std::string::npos) {
                ++count[i];
                break;
            }
    }
    std::tm parts{};
    localtime_r(&now.time, &parts);
    char clock[16];
    std::strftime(clock, sizeof clock, "%H:%M:%S", &parts);
    return {
        {{fmt::format("xentop - {}   Xen {}", clock, now.version)}},
        {{fmt::format("{} domains: {} running, {} blocked, {} paused, {} crashed, {} dying, {} shutdown",
                      now.domains.size(), count[0], count[1], count[2], count[4], count[5], count[3])}},
        {{fmt::format("Mem: {}k total, {}k used, {}k free    CPUs: {} @ {}MHz", now.memory_bytes / kib,
                      (now.memory_bytes - now.free_bytes) / kib, now.free_bytes / kib, now.cpus, now.cpu_khz / 1000)}},
    };
}

std::vector<Line> domain_lines(const Sample& now, const Sample* before, const View& view)
{
    const std::vector<Row> rows = sorted_rows(now, before, view);
    const Cells cells(rows, view);
    std::vector<Line> lines;
    for (std::size_t i = 0; i < rows.size(); ++i) {
        if (i == 0 || view.repeat_header)
            lines.push_back(cells.header(view.sort_column));
        lines.push_back(cells.domain(i, view.sort_column));
        if (view.vcpus)
            add_vcpus(lines, *rows[i].domain);
        if (view.interfaces)
            add_interfaces(lines, *rows[i].domain);
        if (view.disks)
            add_disks(lines, *rows[i].domain);
    }
    return lines;
}

std::size_t column_count()
{
    return std::size(columns);
}

std::string_view column_name(std::size_t column)
{
    return columns[column].name;
}

}
