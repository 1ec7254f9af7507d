// See settings.hpp.

#include "frontends/lwip/settings.hpp"

#include <string_view>

namespace xylem::lwip {
namespace {

/// Reads four numbers with dots between, and moves `text` behind them.
std::optional<u32> address_at(const char*& text)
{
    u32 address = 0;
    for (unsigned i = 0; i < 4; ++i) {
        if (i > 0 && *text++ != '.')
            return std::nullopt;
        u32 number = 0;
        const char* const start = text;
        for (; *text >= '0' && *text <= '9' && number < 256; ++text)
            number = number * 10 + static_cast<u32>(*text - '0');
        if (text == start || number > 255)
            return std::nullopt;
        address |= number << i * 8;
    }
    return address;
}

/// Moves behind a colon. @return whether there was one
bool colon_at(const char*& text)
{
    return *text == ':' && *text++;
}

/// Ones from the top down, at least one of them, and two zeros.
bool is_netmask(u32 mask)
{
    const u32 hosts = ~__builtin_bswap32(mask);
    return mask != 0 && hosts >= 3 && (hosts & (hosts + 1)) == 0;
}

bool is_host(u32 address, u32 netmask)
{
    const u32 host = address & ~netmask, first = address & 0xff;
    return host != 0 && host != ~netmask && first != 0 && first != 127 && first < 224;
}

}

std::optional<Settings> settings_in(const char* text)
{
    if (std::string_view(text) == "dhcp")
        return Settings{};
    Settings settings{.dhcp = false};
    const auto address = address_at(text);
    if (!address || !colon_at(text))
        return std::nullopt;
    if (*text != ':' && !address_at(text))
        return std::nullopt;
    if (!colon_at(text))
        return std::nullopt;
    if (*text != ':') {
        const auto gateway = address_at(text);
        if (!gateway)
            return std::nullopt;
        settings.gateway = *gateway;
    }
    if (!colon_at(text))
        return std::nullopt;
    const auto netmask = address_at(text);
    if (!netmask || (*text != 0 && *text != ':') || !is_netmask(*netmask) || !is_host(*address, *netmask))
        return std::nullopt;
    settings.address = *address;
    settings.netmask = *netmask;
    return settings;
}

}
