// Names of nodes: what is a legal path, and how to take one apart. (Xen: docs/misc/xenstore.txt)
#pragma once

#include "hypervisor/base/types.hpp"

#include <cstring>
#include <functional>
#include <string>
#include <string_view>

namespace xylem::xenstore {

/// Special watch names; no node can have such a name.
inline constexpr std::string_view introduce_domain_event = "@introduceDomain";
inline constexpr std::string_view release_domain_event = "@releaseDomain";

inline bool is_special(std::string_view path)
{
    return path.starts_with('@');
}

/// An absolute path without empty components, of permitted characters, at most `longest` bytes. What precedes a
/// domain's own part ("/local/domain/<domid>/") does not count, so that each domain has the same room.
bool is_valid_path(std::string_view path, std::size_t longest);

/// "/local/domain/<domid>": where the relative paths of a domain begin.
std::string domain_path(DomId domain);

/// The path of the node above; "/" for its children and for itself.
std::string_view parent_of(std::string_view path);
/// The last component.
std::string_view name_of(std::string_view path);
/// `parent` + "/" + `name`, with one slash between.
std::string child_of(std::string_view parent, std::string_view name);
/// `path` is `ancestor` or lies below it.
bool is_within(std::string_view path, std::string_view ancestor);

/// Tells a name from most others of its directory by its size and its ends: within few instructions, for this is done a
/// hundred times in a transaction. For Children alone, who look at all names anyway: in a hash table, names that it
/// does not tell apart would make one long list.
inline u32 hash_of_name(std::string_view name)
{
    const std::size_t size = name.size();
    const auto load = [&]<typename Word>(std::size_t at, Word word) {
        std::memcpy(&word, name.data() + at, sizeof word);
        return u64{word};
    };
    u64 first = 0, last = 0;
    if (size >= sizeof(u64)) {
        first = load(0, u64{});
        last = load(size - sizeof(u64), u64{});
    } else if (size >= sizeof(u32)) {
        first = load(0, u32{});
        last = load(size - sizeof(u32), u32{});
    } else if (size > 0) {
        first = load(0, u8{});
        last = load(size / 2, u8{}) | load(size - 1, u8{}) << 8;
    }
    const u64 hash = (first ^ size) * 0x9E3779B97F4A7C15 + last * 0xC2B2AE3D27D4EB4F;
    return static_cast<u32>(hash >> 32);
}
/// Of names and paths in hash tables, which are found by views.
struct NameHash {
    using is_transparent = void;
    std::size_t operator()(std::string_view name) const { return std::hash<std::string_view>{}(name); }
};

/// Takes the first component off `rest` and returns it; empty at the end. "/" has no component.
std::string_view next_component(std::string_view& rest);

}
