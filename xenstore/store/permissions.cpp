// See permissions.hpp.
#include "xenstore/store/permissions.hpp"

#include <charconv>

namespace xylem::xenstore {

Access rights_of(const Subject& subject, const PermissionList& list)
{
    const auto speaks_for = [&](DomId domain) { return domain == subject.domain || domain == subject.target; };
    if (subject.is_privileged || (!list.front().is_void && speaks_for(owner_of(list))))
        return Access::all;
    for (std::size_t i = 1; i < list.size(); ++i)
        if (!list[i].is_void && speaks_for(list[i].domain))
            return list[i].access;
    return list.front().access;
}

std::string to_text(const Permission& permission)
{
    constexpr char letters[] = {'n', 'r', 'w', 'b'};
    return letters[static_cast<u8>(permission.access)] + std::to_string(permission.domain.value);
}

Result<Permission> parse_permission(std::string_view text)
{
    Permission permission;
    if (text.empty())
        return Error::Invalid;
    switch (text.front()) {
    case 'n':
        permission.access = Access::none;
        break;
    case 'r':
        permission.access = Access::read;
        break;
    case 'w':
        permission.access = Access::write;
        break;
    case 'b':
        permission.access = Access::read_write;
        break;
    default:
        return Error::Invalid;
    }
    text.remove_prefix(1);
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), permission.domain.value);
    if (error != std::errc() || end != text.data() + text.size())
        return Error::Invalid;
    return permission;
}

}
