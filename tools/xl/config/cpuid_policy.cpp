// See cpuid_policy.hpp. There are two ways to write it: "host,feature=value,..." by name, and a list of
// "leaf[,subleaf]:register=pattern,..." of older days.
#include "tools/xl/config/cpuid_policy.hpp"

#include <algorithm>
#include <cstdlib>
#include <nlohmann/json.hpp>

namespace xylem::xl::config {

namespace {

constexpr std::size_t register_bits = 32;
constexpr std::size_t msr_bits = 64;
constexpr const char* register_names[] = {"eax", "ebx", "ecx", "edx"};

struct Leaf {
    std::uint32_t leaf;
    std::int64_t subleaf;
    std::string registers[4]; ///< most significant bit first; empty if nothing is said
};

struct Msr {
    std::uint32_t index;
    std::string bits;
};

class Policy {
public:
    /// @return false  the value makes no sense
    bool set(const CpuidField& field, const std::string& value);
    std::string& pattern(std::uint32_t leaf, std::int64_t subleaf, unsigned in);
    Json json() const;

private:
    bool set_msr(const CpuidField& field, const std::string& value);

    std::vector<Leaf> leaves_;
    std::vector<Msr> msrs_;
};

std::string& Policy::pattern(std::uint32_t leaf, std::int64_t subleaf, unsigned in)
{
    for (Leaf& known : leaves_)
        if (known.leaf == leaf && known.subleaf == subleaf)
            return known.registers[in];
    leaves_.push_back({leaf, subleaf, {}});
    return leaves_.back().registers[in];
}

std::string binary(std::uint64_t value, unsigned length)
{
    std::string bits(length, '0');
    for (unsigned i = 0; i < length; ++i)
        bits[length - 1 - i] = value >> i & 1 ? '1' : '0';
    return bits;
}

/// Puts `bits` so that the lowest stands at `bit`.
void place(std::string& pattern, unsigned bit, std::string_view bits)
{
    pattern.replace(pattern.size() - bit - bits.size(), bits.size(), bits);
}

/// Family and model are split in two in their register: a part of four bits, and what goes beyond it.
constexpr unsigned extended_family_bit = 20;
constexpr unsigned extended_model_bit = 16;

void place_family(std::string& pattern, unsigned bit, const std::string& bits, std::uint64_t number)
{
    constexpr unsigned most_without_extension = 15;
    const bool extended = number > most_without_extension;
    place(pattern, bit, extended ? "1111" : bits.substr(4));
    place(pattern, extended_family_bit, binary(extended ? number - most_without_extension : 0, 8));
}

bool Policy::set_msr(const CpuidField& field, const std::string& value)
{
    if (value.size() != 1 || std::string_view("01xks").find(value[0]) == std::string_view::npos)
        return false;
    auto known = std::find_if(msrs_.begin(), msrs_.end(), [&](const Msr& msr) { return msr.index == field.leaf; });
    if (known == msrs_.end())
        known = msrs_.insert(msrs_.end(), {field.leaf, std::string(msr_bits, 'x')});
    place(known->bits, field.bit, value == "s" ? "k" : value);
    return true;
}

bool Policy::set(const CpuidField& field, const std::string& value)
{
    if (field.subleaf == CpuidField::in_msr)
        return set_msr(field, value);
    char* end = nullptr;
    const std::uint64_t number = std::strtoul(value.c_str(), &end, 0);
    std::string& pattern = this->pattern(field.leaf, field.subleaf, field.in);
    std::string bits;
    if (end != value.c_str())
        bits = binary(number, field.length);
    else if (!value.empty() && std::string_view("xks").find(value[0]) != std::string_view::npos)
        bits.assign(field.length, value[0]);
    else
        return false;
    if (pattern.empty())
        pattern.assign(register_bits, 'x');
    if (field.name == "family") {
        place_family(pattern, field.bit, bits, number);
    } else if (field.name == "model") {
        place(pattern, extended_model_bit, bits.substr(0, 4));
        place(pattern, field.bit, bits.substr(4));
    } else {
        place(pattern, field.bit, bits);
    }
    return true;
}

Json Policy::json() const
{
    if (leaves_.empty() && msrs_.empty())
        return {};
    Json json{{"cpuid", Json::array()}, {"msr", Json::array()}};
    for (const Leaf& leaf : leaves_) {
        Json entry{{"leaf", leaf.leaf}};
        if (leaf.subleaf != CpuidField::no_subleaf)
            entry["subleaf"] = leaf.subleaf;
        for (unsigned in = 0; in < 4; ++in)
            if (!leaf.registers[in].empty())
                entry[register_names[in]] = leaf.registers[in];
        json["cpuid"].push_back(std::move(entry));
    }
    for (const Msr& msr : msrs_)
        json["msr"].push_back({{"index", msr.index}, {"policy", msr.bits}});
    return json;
}

void read_by_name(const Reader& reader, Policy& policy)
{
    const Position where = reader.place("cpuid");
    const std::vector<std::string> words = split(*reader.text("cpuid"), ",");
    if (words.empty())
        return;
    if (words[0] != "host")
        return reader.complain(where, "'cpuid' begins with 'host'; the rest of it is lost");
    for (std::size_t i = 1; i < words.size(); ++i) {
        const std::size_t equals = words[i].find('=');
        if (equals == std::string::npos) {
            reader.complain(where, fmt::format("'cpuid': expected FEATURE=VALUE, found '{}'", words[i]));
            continue;
        }
        const CpuidField* field = find_cpuid_field(std::string_view(words[i]).substr(0, equals));
        if (!field)
            reader.complain(where, fmt::format("'cpuid': there is no feature '{}'", words[i].substr(0, equals)));
        else if (!policy.set(*field, words[i].substr(equals + 1)))
            reader.complain(where, fmt::format("'cpuid': '{}' has no value; expected 0, 1, x, k or s", words[i]));
    }
}

/// Takes a number off the front of `text`.
std::optional<std::uint32_t> take_number(std::string& text)
{
    char* end = nullptr;
    const unsigned long value = std::strtoul(text.c_str(), &end, 0);
    if (end == text.c_str())
        return std::nullopt;
    text.erase(0, static_cast<std::size_t>(end - text.c_str()));
    return static_cast<std::uint32_t>(value);
}

/// @return what is wrong with the line, or nothing
const char* read_line(std::string text, Policy& policy)
{
    const auto leaf = take_number(text);
    if (!leaf)
        return "expected the number of a leaf";
    std::int64_t subleaf = CpuidField::no_subleaf;
    if (text.starts_with(',')) {
        text.erase(0, 1);
        const auto number = take_number(text);
        if (!number)
            return "expected the number of a subleaf";
        subleaf = *number;
    }
    if (!text.starts_with(':'))
        return "expected a colon behind the leaf";
    policy.pattern(*leaf, subleaf, 0);
    for (text.erase(0, 1); !text.empty();) {
        const std::size_t equals = text.find('=');
        const unsigned in = text.size() > 2 ? static_cast<unsigned>(text[1] - 'a') : 4;
        if (in > 3 || text[0] != 'e' || text[2] != 'x' || equals == std::string::npos)
            return "expected eax=, ebx=, ecx= or edx=";
        const std::size_t comma = std::min(text.find(',', equals), text.size());
        if (comma - equals - 1 != register_bits)
            return "expected a pattern of 32 characters";
        policy.pattern(*leaf, subleaf, in) = text.substr(equals + 1, register_bits);
        text.erase(0, std::min(comma + 1, text.size()));
        text.erase(0, std::min(text.find_first_not_of(" \n"), text.size()));
    }
    return nullptr;
}

}

Json cpuid_policy(const Reader& reader)
{
    Policy policy;
    if (reader.is_list("cpuid")) {
        for (const Reader::Item& item : reader.items("cpuid"))
            if (const char* wrong = read_line(item.text, policy))
                reader.complain(item.where, fmt::format("'cpuid': {}, in '{}'", wrong, item.text));
    } else if (reader.find("cpuid")) {
        read_by_name(reader, policy);
    }
    return policy.json();
}

}
