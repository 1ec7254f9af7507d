// Names of nodes: what is a legal path, and how to take one apart. (Xen: docs/misc/xenstore.txt)
#pragma once

#include "hypervisor/base/types.hpp"

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

/// Of names and paths in hash tables, which are found by views.
struct NameHash {
    using is_transparent = void;
    std::size_t operator()(std::string_view name) const { return std::hash<std::string_view>{}(name); }
};

/// Takes the first component off `rest` and returns it; empty at the end. "/" has no component.
std::string_view next_component(std::string_view& rest);

}
