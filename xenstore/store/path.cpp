// See path.hpp.
#include "xenstore/store/path.hpp"

#include "hypervisor/abi/io/xs_wire.hpp"

#include <algorithm>
#include <array>

namespace xylem::xenstore {

namespace {

constexpr std::string_view domains_directory = "/local/domain/";

constexpr auto is_permitted = [] {
    std::array<bool, 256> table{};
    for (unsigned char c : std::string_view("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-/_@"))
        table[c] = true;
    return table;
}();

bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

/// Bytes of "/local/domain/<domid>/" at the start of `path`, 0 if it does not start so.
std::size_t domain_prefix_bytes(std::string_view path)
{
    if (!path.starts_with(domains_directory))
        return 0;
    std::size_t end = domains_directory.size();
    while (end < path.size() && is_digit(path[end]) && end < domains_directory.size() + 5)
        ++end;
    const bool complete = end > domains_directory.size() && end < path.size() && path[end] == '/';
    return complete ? end + 1 : 0;
}

}

bool is_valid_path(std::string_view path, std::size_t longest)
{
    if (!path.starts_with('/') || (path.size() > 1 && path.ends_with('/')))
        return false;
    if (path.size() > std::min<std::size_t>(abi::io::xenstore_abs_path_max, domain_prefix_bytes(path) + longest))
        return false;
    char last = 0;
    for (char c : path) {
        if (!is_permitted[static_cast<unsigned char>(c)] || (c == '/' && last == '/'))
            return false;
        last = c;
    }
    return true;
}

std::string domain_path(DomId domain)
{
    return std::string(domains_directory) + std::to_string(domain.value);
}

std::string_view parent_of(std::string_view path)
{
    const std::size_t slash = path.rfind('/');
    return slash == 0 || slash == std::string_view::npos ? std::string_view("/") : path.substr(0, slash);
}

std::string_view name_of(std::string_view path)
{
    return path.substr(path.rfind('/') + 1);
}

std::string child_of(std::string_view parent, std::string_view name)
{
    std::string path(parent == "/" ? std::string_view() : parent);
    path += '/';
    path += name;
    return path;
}

bool is_within(std::string_view path, std::string_view ancestor)
{
    if (ancestor == "/")
        return path.starts_with('/');
    return path.starts_with(ancestor) && (path.size() == ancestor.size() || path[ancestor.size()] == '/');
}

std::string_view next_component(std::string_view& rest)
{
    if (rest.starts_with('/'))
        rest.remove_prefix(1);
    const std::string_view component = rest.substr(0, rest.find('/'));
    rest.remove_prefix(component.size());
    return component;
}

}
