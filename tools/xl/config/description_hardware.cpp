// Pieces of the machine that a configuration hands out or lays out: I/O ports, interrupts, memory, NUMA nodes.
#include "tools/xl/config/cpu_ranges.hpp"
#include "tools/xl/config/description_parts.hpp"

#include <cstdlib>

namespace xylem::xl::config {

namespace {

constexpr std::uint64_t most_32_bits = std::numeric_limits<std::uint32_t>::max();

/// Takes a number off the front of `text`.
std::optional<std::uint64_t> take(std::string& text, int base)
{
    char* end = nullptr;
    const std::uint64_t value = std::strtoul(text.c_str(), &end, base);
    if (end == text.c_str())
        return std::nullopt;
    text.erase(0, static_cast<std::size_t>(end - text.c_str()));
    return value;
}

bool skip(std::string& text, char c)
{
    if (!text.starts_with(c))
        return false;
    text.erase(0, 1);
    return true;
}

/// "PORT" or "FIRST-LAST", in hexadecimal.
Json port_range(const Reader& reader, const Reader::Item& item)
{
    constexpr int hexadecimal = 16;
    std::string rest = item.text;
    const auto first = take(rest, hexadecimal);
    auto last = first;
    if (first && skip(rest, '-')) {
        last = take(rest, hexadecimal);
        if (!last || !rest.empty())
            last = std::nullopt;
    }
    if (!first || !last || *first >= most_32_bits || *last >= most_32_bits)
        throw SyntaxError(item.where, fmt::format("'{}' is no range of ports; expected one like 3f8-3ff", item.text));
    if (!rest.empty())
        reader.complain(item.where,
                        fmt::format("'{}' is no range of ports; what follows the number is lost", item.text));
    return {{"first", *first}, {"number", static_cast<std::uint32_t>(*last - *first + 1)}};
}

Json interrupt(const Reader::Item& item)
{
    constexpr int decimal = 10;
    std::string rest = item.text;
    const auto number = take(rest, decimal);
    if (!number || !rest.empty() || *number >= most_32_bits)
        throw SyntaxError(item.where, fmt::format("'{}' is no interrupt; expected a number", item.text));
    return *number;
}

/// "FRAME,COUNT[@GUEST-FRAME]", in hexadecimal.
Json memory_range(const Reader::Item& item)
{
    constexpr int hexadecimal = 16;
    std::string rest = item.text;
    const auto start = take(rest, hexadecimal);
    const auto number = start && skip(rest, ',') ? take(rest, hexadecimal) : std::nullopt;
    const bool placed = number && skip(rest, '@');
    const auto gfn = placed ? take(rest, hexadecimal) : std::nullopt;
    if (!number || !rest.empty() || (placed && !gfn))
        throw SyntaxError(item.where,
                          fmt::format("'{}' is no range of frames; expected one like b8000,2 or b8000,2@0", item.text));
    Json json = Json::object();
    if (*start != 0)
        json["start"] = *start;
    if (*number != 0)
        json["number"] = *number;
    if (gfn)
        json["gfn"] = *gfn;
    return json;
}

struct Node {
    std::uint64_t kib = 0;
    std::uint64_t pnode = 0;
    std::vector<std::uint64_t> distances;
    CpuSet vcpus;
};

class VnumaReader {
public:
    VnumaReader(const Reader& reader, const Machine& machine) : reader_(reader), machine_(machine) {}
    Vnuma read();

private:
    void read_part(const Position& where, const std::string& part, Node& node);
    std::uint64_t number(const Position& where, const std::string& text) const;

    const Reader& reader_;
    const Machine& machine_;
    Vnuma vnuma_;
};

std::uint64_t VnumaReader::number(const Position& where, const std::string& text) const
{
    std::string rest = text;
    const auto value = take(rest, 10);
    if (!value || *value == std::numeric_limits<unsigned long>::max())
        throw SyntaxError(where, fmt::format("'vnuma': '{}' is no number", text));
    return *value;
}

void VnumaReader::read_part(const Position& where, const std::string& part, Node& node)
{
    const std::vector<std::string> pair = split(part, "=");
    if (pair.size() < 2)
        throw SyntaxError(where, fmt::format("'vnuma': expected KEY=VALUE, found '{}'", part));
    const std::string key = trimmed(pair[0]);
    const std::string value = trimmed(pair[1]);
    if (key == "pnode") {
        node.pnode = number(where, value);
        if (node.pnode >= machine_.nodes)
            throw SyntaxError(where, fmt::format("'vnuma': the machine has no node {}", node.pnode));
        vnuma_.pinned = true;
    } else if (key == "size") {
        node.kib = number(where, value) << 10;
        vnuma_.kib += node.kib;
    } else if (key == "vcpus") {
        for (const std::string& word : split(value, ",")) {
            Range range{};
            if (!parse_range(word, range) || range.last >= static_cast<std::uint64_t>(most_listed_vcpus))
                throw SyntaxError(where, fmt::format("'vnuma': '{}' is no range of vCPUs", word));
            vnuma_.vcpus += static_cast<std::int64_t>(range.last - range.first + 1);
            for (std::uint64_t vcpu = range.first; vcpu <= range.last && vcpu < node.vcpus.size(); ++vcpu)
                node.vcpus[vcpu] = true;
        }
    } else if (key == "vdistances") {
        const std::vector<std::string> words = split(value, ",");
        if (words.size() > node.distances.size())
            throw SyntaxError(where, "'vnuma': there are more distances than nodes");
        for (std::size_t i = 0; i < words.size(); ++i)
            node.distances[i] = number(where, words[i]);
    } else {
        reader_.complain(where, fmt::format("'vnuma': '{}' is not understood", key));
    }
}

Vnuma VnumaReader::read()
{
    if (!reader_.is_list("vnuma"))
        return {};
    const std::vector<Value>& values = reader_.find("vnuma")->value.list;
    const auto most = static_cast<std::size_t>(
        std::max<std::int64_t>(reader_.number_or_text("maxvcpus").value_or(machine_.cpus), machine_.cpus));
    for (const Value& value : values) {
        if (value.kind != Value::Kind::list)
            throw SyntaxError(value.where, "'vnuma' wants a list of lists, one a node");
        Node node;
        node.distances.resize(values.size());
        node.vcpus.resize((std::min<std::size_t>(most, most_listed_vcpus) + 7U) & ~std::size_t{7});
        for (const Value& part : value.list)
            if (part.kind == Value::Kind::string)
                read_part(part.where, part.text, node);
        Json json = Json::object();
        if (node.kib != 0)
            json["memkb"] = node.kib;
        json["distances"] = node.distances;
        if (node.pnode != 0)
            json["pnode"] = node.pnode;
        if (const auto vcpus = members(node.vcpus); !vcpus.empty())
            json["vcpus"] = vcpus;
        vnuma_.nodes.push_back(std::move(json));
    }
    return vnuma_;
}

}

void set_hardware(Json& json, const Reader& reader)
{
    for (const Reader::Item& item : reader.items("ioports"))
        json["ioports"].push_back(port_range(reader, item));
    for (const Reader::Item& item : reader.items("irqs"))
        json["irqs"].push_back(interrupt(item));
    for (const Reader::Item& item : reader.items("iomem"))
        json["iomem"].push_back(memory_range(item));
}

Vnuma vnuma_of(const Reader& reader, const Machine& machine)
{
    return VnumaReader(reader, machine).read();
}

}
