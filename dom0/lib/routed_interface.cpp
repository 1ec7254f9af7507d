// See routed_interface.hpp. The two requests of rtnetlink(7) that it takes are written here by hand: two structures
// each, and no library in a process that has given up most of its system calls.
#include "dom0/lib/routed_interface.hpp"

#include "dom0/lib/fd.hpp"

#include <algorithm>
#include <arpa/inet.h>
#include <cerrno>
#include <charconv>
#include <cstring>
#include <fcntl.h>
#include <fmt/format.h>
#include <linux/rtnetlink.h>
#include <net/if.h>
#include <stdexcept>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

namespace xylem::dom0 {

namespace {

/// As vif-route's: behind the routes of emulated cards, which have 1.
constexpr u32 route_metric = 2;
constexpr unsigned host_prefix = 32;

std::runtime_error failed(const std::string& name, const std::string& what)
{
    return std::runtime_error(fmt::format("interface {}: {}", name, what));
}

/// One request to the kernel's network configuration, and its answer.
class Request {
public:
    Request(u16 type, u16 flags)
    {
        message_.header.nlmsg_len = NLMSG_HDRLEN;
        message_.header.nlmsg_type = type;
        message_.header.nlmsg_flags = static_cast<u16>(NLM_F_REQUEST | NLM_F_ACK | flags);
    }
    template <typename Body> void set_body(const Body& body) { append(&body, sizeof body); }
    void add(u16 type, u32 value)
    {
        const rtattr attribute{static_cast<u16>(RTA_LENGTH(sizeof value)), type};
        append(&attribute, sizeof attribute);
        append(&value, sizeof value);
    }

    /// @return 0 or an error number
    int perform()
    {
        const Fd kernel(socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE));
        if (!kernel || send(kernel.get(), &message_, message_.header.nlmsg_len, 0) < 0)
            return errno;
        struct {
            nlmsghdr header;
            nlmsgerr error;
            char request_again[sizeof(Message)];
        } answer{};
        const ssize_t received = recv(kernel.get(), &answer, sizeof answer, 0);
        if (received < 0)
            return errno;
        const bool is_answer = received >= static_cast<ssize_t>(sizeof answer.header + sizeof answer.error) &&
                               answer.header.nlmsg_type == NLMSG_ERROR;
        return is_answer ? -answer.error.error : EPROTO;
    }

private:
    struct Message {
        nlmsghdr header;
        char body[128];
    };

    /// All pieces are whole words, so that none needs padding.
    void append(const void* piece, std::size_t size)
    {
        std::memcpy(message_.body + message_.header.nlmsg_len - NLMSG_HDRLEN, piece, size);
        message_.header.nlmsg_len += static_cast<u32>(size);
    }

    Message message_{};
};

static_assert(sizeof(nlmsghdr) == NLMSG_HDRLEN && sizeof(ifaddrmsg) % NLMSG_ALIGNTO == 0 &&
              sizeof(rtmsg) % NLMSG_ALIGNTO == 0);

/// Without a network around it: nothing but the address itself becomes reachable by it.
void give_address(const std::string& name, unsigned index, u32 address)
{
    Request request(RTM_NEWADDR, NLM_F_CREATE | NLM_F_REPLACE);
    ifaddrmsg body{};
    body.ifa_family = AF_INET;
    body.ifa_prefixlen = host_prefix;
    body.ifa_index = index;
    request.set_body(body);
    request.add(IFA_LOCAL, htonl(address));
    request.add(IFA_ADDRESS, htonl(address));
    if (const int error = request.perform())
        throw failed(
            name, fmt::format("cannot have the address {}: {}", text_of({address, host_prefix}), std::strerror(error)));
}

void answer_for_others(const std::string& name)
{
    const std::string path = fmt::format("/proc/sys/net/ipv4/conf/{}/proxy_arp", name);
    const Fd file(open(path.c_str(), O_WRONLY | O_CLOEXEC));
    if (!file || write(file.get(), "1", 1) != 1)
        throw failed(name, fmt::format("cannot write to {}: {}", path, std::strerror(errno)));
}

void add_route(const std::string& name, unsigned index, const Ipv4Network& network, u32 source)
{
    Request request(RTM_NEWROUTE, NLM_F_CREATE | NLM_F_EXCL);
    rtmsg body{};
    body.rtm_family = AF_INET;
    body.rtm_dst_len = static_cast<unsigned char>(network.prefix);
    body.rtm_table = RT_TABLE_MAIN;
    body.rtm_protocol = RTPROT_BOOT;
    body.rtm_scope = RT_SCOPE_LINK;
    body.rtm_type = RTN_UNICAST;
    request.set_body(body);
    request.add(RTA_DST, htonl(network.address));
    request.add(RTA_OIF, index);
    request.add(RTA_PREFSRC, htonl(source));
    request.add(RTA_PRIORITY, route_metric);
    const int error = request.perform();
    if (error == EEXIST)
        throw failed(name, fmt::format("{} is another interface's already: ip route shows whose", text_of(network)));
    if (error != 0)
        throw failed(name, fmt::format("cannot add a route to {}: {}", text_of(network), std::strerror(error)));
}

template <typename Number> bool parse_number(std::string_view text, Number& value)
{
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
    return error == std::errc() && end == text.data() + text.size();
}

u32 mask_of(unsigned prefix)
{
    return prefix == 0 ? 0 : ~u32{0} << (host_prefix - prefix);
}

Ipv4Network parse_network(const std::string& word)
{
    const std::size_t slash = word.find('/');
    Ipv4Network network{0, host_prefix};
    in_addr address{};
    if (inet_pton(AF_INET, word.substr(0, slash).c_str(), &address) != 1 ||
        (slash != std::string::npos && !parse_number(std::string_view(word).substr(slash + 1), network.prefix)) ||
        network.prefix > host_prefix)
        throw std::runtime_error(
            fmt::format("'{}' is no IPv4 address or network; expected one like 10.0.0.5 or 10.0.1.0/24", word));
    network.address = ntohl(address.s_addr);
    if ((network.address & ~mask_of(network.prefix)) != 0)
        throw std::runtime_error(fmt::format("'{}' has bits behind its {}; expected {}", word, network.prefix,
                                             text_of({network.address & mask_of(network.prefix), network.prefix})));
    return network;
}

}

std::vector<Ipv4Network> parse_networks(std::string_view text)
{
    std::vector<Ipv4Network> networks;
    for (std::size_t at = 0; (at = text.find_first_not_of(" \t", at)) != std::string_view::npos;) {
        const std::size_t end = std::min(text.find_first_of(" \t", at), text.size());
        networks.push_back(parse_network(std::string(text.substr(at, end - at))));
        at = end;
    }
    return networks;
}

std::string text_of(const Ipv4Network& network)
{
    const u32 a = network.address;
    const std::string dotted = fmt::format("{}.{}.{}.{}", a >> 24, a >> 16 & 0xff, a >> 8 & 0xff, a & 0xff);
    return network.prefix == host_prefix ? dotted : fmt::format("{}/{}", dotted, network.prefix);
}

std::optional<u32> address_of_interface(const std::string& name)
{
    const Fd any(socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0));
    ifreq request{};
    if (name.size() >= sizeof request.ifr_name)
        return std::nullopt;
    name.copy(request.ifr_name, name.size());
    request.ifr_addr.sa_family = AF_INET;
    if (ioctl(any.get(), SIOCGIFADDR, &request) < 0)
        return std::nullopt;
    sockaddr_in address{};
    std::memcpy(&address, &request.ifr_addr, sizeof address);
    return ntohl(address.sin_addr.s_addr);
}

void route_interface(const std::string& name, const RoutedInterface& routed)
{
    const auto address = address_of_interface(routed.gateway_device);
    if (!address)
        throw failed(name, fmt::format("the gateway device '{}' has no IPv4 address; expected an interface that has "
                                       "one, by gatewaydev= in the guest's vif",
                                       routed.gateway_device));
    const unsigned index = if_nametoindex(name.c_str());
    if (index == 0)
        throw failed(name, "it is not there");
    give_address(name, index, *address);
    answer_for_others(name);
    for (const Ipv4Network& network : routed.networks)
        add_route(name, index, network, *address);
}

}
