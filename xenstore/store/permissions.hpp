// Who may do what with a node.
//
// The first entry names the owner and what everyone without an entry of his own may do; each further entry names one
// domain. The owner and privileged connections may do everything. A domain that targets another one (its device model)
// has the other's rights too. An entry whose domain is gone is void: a later domain of the same number inherits
// nothing.
#pragma once

#include "hypervisor/base/result.hpp"

#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace xylem::xenstore {

/// A set of rights.
enum class Access : u8 { none = 0, read = 1, write = 2, read_write = 3, owner = 4, all = 7 };
constexpr Access operator|(Access a, Access b)
{
    return static_cast<Access>(static_cast<u8>(a) | static_cast<u8>(b));
}
constexpr Access operator&(Access a, Access b)
{
    return static_cast<Access>(static_cast<u8>(a) & static_cast<u8>(b));
}
constexpr bool includes(Access have, Access need)
{
    return (have & need) == need;
}
constexpr bool overlaps(Access have, Access need)
{
    return (have & need) != Access::none;
}

struct Permission {
    DomId domain;
    Access access = Access::none; ///< of none, read, write, read_write
    bool is_void = false;         ///< its domain is gone

    bool operator==(const Permission&) const = default;
};

/// At least the owner's entry. Shared by the nodes that inherit it, hence immutable.
using PermissionList = std::vector<Permission>;
using Permissions = std::shared_ptr<const PermissionList>;

inline DomId owner_of(const PermissionList& list)
{
    return list.front().domain;
}

/// Who asks.
struct Subject {
    DomId domain;
    bool is_privileged = false;
    std::optional<DomId> target;
};

Access rights_of(const Subject& subject, const PermissionList& list);

/// "r5": the wire's form of an entry.
std::string to_text(const Permission& permission);
/// @return Invalid  not one of n, r, w, b followed by a domain number
Result<Permission> parse_permission(std::string_view text);

}
