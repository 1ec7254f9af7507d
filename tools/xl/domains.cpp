// See domains.hpp.
#include "tools/xl/domains.hpp"

#include "dom0/lib/fd.hpp"
#include "tools/xl/failure.hpp"
#include "tools/xl/paths.hpp"

#include <algorithm>
#include <array>
#include <charconv>

namespace xylem::xl {

std::optional<std::string> find_name(Session& session, DomId domain)
{
    return session.store.find(domain_path(domain) + "/name");
}

std::string name_or_null(Session& session, DomId domain)
{
    return find_name(session, domain).value_or("(null)");
}

std::optional<dom0::DomainInfo> find_by_name(Session& session, const std::vector<dom0::DomainInfo>& domains,
                                             const std::string& name)
{
    std::vector<std::string> paths;
    for (const dom0::DomainInfo& info : domains)
        paths.push_back(domain_path(id_of(info)) + "/name");
    const auto names = session.store.find_each(paths);
    const auto found = std::find(names.begin(), names.end(), name);
    if (found == names.end())
        return std::nullopt;
    return domains[static_cast<std::size_t>(found - names.begin())];
}

std::optional<DomId> find_by_name(Session& session, const std::string& name)
{
    const auto info = find_by_name(session, session.hypervisor.domains(), name);
    return info ? std::optional(id_of(*info)) : std::nullopt;
}

static std::optional<dom0::DomainInfo> find_domain(Session& session, const std::string& name_or_id)
{
    if (const auto named = find_by_name(session, session.hypervisor.domains(), name_or_id))
        return named;
    u16 number = 0;
    const char* end = name_or_id.data() + name_or_id.size();
    const auto [stop, error] = std::from_chars(name_or_id.data(), end, number);
    if (error != std::errc() || stop != end || number >= first_reserved_domid)
        return std::nullopt;
    return session.hypervisor.domain(DomId(number));
}

dom0::DomainInfo resolve(Session& session, const std::string& name_or_id)
{
    const auto info = find_domain(session, name_or_id);
    if (!info)
        fail("there is no domain '{}'", name_or_id);
    return *info;
}

dom0::DomainInfo resolve_guest(Session& session, const std::string& name_or_id, const char* what)
{
    const dom0::DomainInfo info = resolve(session, name_or_id);
    if (info.domain == 0)
        fail("cannot {} domain 0, the control domain", what);
    return info;
}

DomId resolve_backend(Session& session, const std::string& name_or_id, const std::string& what,
                      std::optional<DomId> guest)
{
    if (name_or_id.empty())
        return dom0_id;
    const auto info = find_domain(session, name_or_id);
    if (!info)
        fail("{}: there is no domain '{}'; expected with backend= a driver domain, which runs 'xl devd'", what,
             name_or_id);
    if (info->flags & (abi::dominf_dying | abi::dominf_shutdown))
        fail("{}: the domain '{}' that is to serve it has shut down", what, name_or_id);
    if (guest == id_of(*info))
        fail("{}: a domain cannot serve itself; 'backend={}' has to be another", what, name_or_id);
    return id_of(*info);
}

std::string uuid_text(const abi::DomainHandle& handle)
{
    std::string text;
    for (std::size_t i = 0; i < sizeof handle.bytes; ++i)
        text += fmt::format("{}{:02x}", i == 4 || i == 6 || i == 8 || i == 10 ? "-" : "", handle.bytes[i]);
    return text;
}

abi::DomainHandle uuid_bytes(const std::string& text)
{
    std::string digits;
    std::copy_if(text.begin(), text.end(), std::back_inserter(digits), [](char c) { return c != '-'; });
    abi::DomainHandle handle{};
    for (std::size_t i = 0; i < sizeof handle.bytes; ++i)
        std::from_chars(digits.data() + 2 * i, digits.data() + 2 * i + 2, handle.bytes[i], 16);
    return handle;
}

std::string new_uuid()
{
    abi::DomainHandle handle{};
    dom0::fill_randomly(std::as_writable_bytes(std::span(handle.bytes)));
    handle.bytes[6] = static_cast<u8>((handle.bytes[6] & 0x0F) | 0x40); // version 4: random
    handle.bytes[8] = static_cast<u8>((handle.bytes[8] & 0x3F) | 0x80);
    return uuid_text(handle);
}

std::vector<dom0::DomainInfo> select(Session& session, const std::vector<std::string>& names)
{
    if (names.empty())
        return session.hypervisor.domains();
    std::vector<dom0::DomainInfo> chosen;
    for (const std::string& name : names)
        chosen.push_back(resolve(session, name));
    return chosen;
}

}
