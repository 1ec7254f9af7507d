// See channel_spec.hpp.
#include "tools/xl/config/channel_spec.hpp"

#include <algorithm>
#include <fmt/format.h>
#include <sys/un.h>

namespace xylem::xl::config {

std::string complaint_of_last(const std::vector<ChannelSpec>& channels)
{
    constexpr std::size_t longest_path = sizeof(sockaddr_un::sun_path) - 1;
    const ChannelSpec& last = channels.back();
    const std::string& path = last.socket_path;
    if (channels.size() > most_channels)
        return fmt::format("there are more than {} channels", most_channels);
    if (last.name.empty())
        return "the channel has no name, by which a program in the guest finds it; expected one like "
               "name=org.example.agent.1";
    if (!last.backend_domain.empty() && last.backend_domain != "0" && last.backend_domain != "Domain-0")
        return "channels with a backend outside of domain 0 are not served yet";
    if (path.empty())
        return {};
    if (path.front() != '/')
        return fmt::format("the channel's path '{}' does not begin with '/'", path);
    if (path.size() > longest_path)
        return fmt::format("the channel's path '{}' has {} bytes; a socket's has at most {}", path, path.size(),
                           longest_path);
    if (std::any_of(channels.begin(), channels.end() - 1,
                    [&](const ChannelSpec& other) { return other.socket_path == path; }))
        return fmt::format("there are two channels on the socket '{}'", path);
    return {};
}

}
