// The hypervisor's parameters: hypfs_op. (hypervisor.hpp)
#include "dom0/lib/hypervisor_support.hpp"

#include <algorithm>
#include <charconv>
#include <cstring>
#include <iterator>

namespace xylem::dom0 {

using abi::HypercallNumber;
using abi::HypfsCmd;
using abi::HypfsType;

namespace {

/// A value as the hypervisor wants it of an entry: text with its zero byte, or a number of `size` bytes.
std::optional<std::vector<char>> encoded(const abi::HypfsDirentry& entry, const std::string& value)
{
    if (entry.type == HypfsType::string)
        return std::vector<char>(value.c_str(), value.c_str() + value.size() + 1);
    static const std::string_view words[][5] = {{"0", "no", "off", "false", "disable"},
                                                {"1", "yes", "on", "true", "enable"}};
    u64 number = 0;
    if (entry.type == HypfsType::boolean) {
        const auto is = [&](const auto& meanings) {
            return std::find(std::begin(meanings), std::end(meanings), value) != std::end(meanings);
        };
        if (!is(words[0]) && !is(words[1]))
            return std::nullopt;
        number = is(words[1]);
    } else {
        i64 with_sign = 0;
        const auto [stop, error] = std::from_chars(value.data(), value.data() + value.size(), with_sign);
        if (error != std::errc() || stop != value.data() + value.size())
            return std::nullopt;
        number = static_cast<u64>(with_sign);
    }
    const char* bytes = reinterpret_cast<const char*>(&number);
    return std::vector<char>(bytes, bytes + std::min<std::size_t>(entry.content_len, sizeof number));
}

}

int Hypervisor::hypfs(HypfsCmd command, const std::string& path, u64 buffer, u64 size)
{
    const Bounce<char> name(privcmd_, std::span<const char>(path.c_str(), path.size() + 1));
    return privcmd_.call(number_of(HypercallNumber::hypfs_op), static_cast<u64>(command), name.address(),
                         path.size() + 1, buffer, size);
}

Hypervisor::ParameterSet Hypervisor::set_parameter(const std::string& name, const std::string& value)
{
    constexpr std::size_t room = 4096;
    if (privcmd_.call(number_of(HypercallNumber::hypfs_op), static_cast<u64>(HypfsCmd::get_version)) < 0)
        return ParameterSet::no_hypfs;
    const std::string path = "/params/" + name;
    Bounce<char> content(privcmd_, Elements{room});
    if (hypfs(HypfsCmd::read, path, content.address(), room) < 0)
        return ParameterSet::unknown;
    abi::HypfsDirentry entry;
    std::memcpy(&entry, content.values().data(), sizeof entry);
    if (entry.max_write_len == 0)
        return ParameterSet::unknown;
    const auto bytes = encoded(entry, value);
    if (!bytes || bytes->size() > entry.max_write_len)
        return ParameterSet::refused;
    const Bounce<char> wanted(privcmd_, std::span<const char>(*bytes));
    return hypfs(HypfsCmd::write_contents, path, wanted.address(), bytes->size()) < 0 ? ParameterSet::refused
                                                                                      : ParameterSet::done;
}

}
