// See keeper.hpp.

#include "dom0/init/keeper.hpp"

#include <cerrno>
#include <cstring>
#include <system_error>

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

namespace xylem::init {
namespace {

using Kind = dom0::KeeperMessage::Kind;

[[noreturn]] void fail(const std::string& what)
{
    throw std::system_error(errno, std::generic_category(), what);
}

int listen_at(const std::string& path)
{
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    if (path.size() >= sizeof address.sun_path) {
        errno = ENAMETOOLONG;
        fail(path);
    }
    path.copy(address.sun_path, path.size());
    unlink(path.c_str());
    const int socket = ::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    const mode_t mask = umask(0177);
    const bool done = socket >= 0 && bind(socket, reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0 &&
                      listen(socket, 128) == 0;
    umask(mask);
    if (!done)
        fail("cannot listen at " + path);
    return socket;
}

}

Keeper::Keeper(const std::string& path) : m_listener(listen_at(path)), m_memory(memfd_create("kept", MFD_CLOEXEC))
{
    if (m_memory < 0)
        fail("no file in memory");
}

Keeper::~Keeper()
{
    disconnect_service();
    close(m_listener);
    close(m_memory);
    for (const auto& [number, fd] : m_clients)
        close(fd);
}

int Keeper::connect_service()
{
    disconnect_service();
    int ends[2];
    if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends) != 0)
        fail("no channel to a service");
    fcntl(ends[0], F_SETFL, O_NONBLOCK); // the service's end may wait
    m_channel = ends[0];
    return ends[1];
}

void Keeper::pass_all()
{
    m_to_pass = {{Kind::memory, 0}};
    for (const auto& [number, fd] : m_clients)
        m_to_pass.push_back({Kind::client, number});
    m_to_pass.push_back({Kind::all, 0});
}

void Keeper::disconnect_service()
{
    if (m_channel >= 0)
        close(m_channel);
    m_channel = -1;
    m_to_pass.clear();
}

void Keeper::add_to(std::vector<pollfd>& waiting) const
{
    if (!m_is_full)
        waiting.push_back({m_listener, POLLIN, 0});
    if (m_channel >= 0)
        waiting.push_back({m_channel, static_cast<short>(m_to_pass.empty() ? POLLIN : POLLIN | POLLOUT), 0});
}

void Keeper::serve()
{
    hear_service();
    accept_clients();
    pass_on();
}

void Keeper::accept_clients()
{
    while (!m_is_full) {
        const int fd = accept4(m_listener, nullptr, nullptr, SOCK_NONBLOCK | SOCK_CLOEXEC);
        if (fd < 0) {
            m_is_full = errno == EMFILE || errno == ENFILE;
            return;
        }
        m_clients[++m_last_number] = fd;
        m_to_pass.push_back({Kind::client, m_last_number});
    }
}

void Keeper::hear_service()
{
    dom0::KeeperMessage message{};
    ssize_t got = -1;
    while (m_channel >= 0 && (got = recv(m_channel, &message, sizeof message, MSG_DONTWAIT)) == sizeof message) {
        if (message.kind == Kind::begin)
            pass_all();
        const auto client = m_clients.find(message.number);
        if (message.kind != Kind::leave || client == m_clients.end())
            continue;
        close(client->second);
        m_clients.erase(client);
        m_is_full = false;
    }
    if (got == 0 || (got < 0 && errno != EAGAIN && errno != EINTR))
        disconnect_service();
}

void Keeper::pass_on()
{
    if (m_channel < 0)
        m_to_pass.clear(); // a new service asks for all there is
    while (!m_to_pass.empty()) {
        const dom0::KeeperMessage message = m_to_pass.front();
        const auto client = m_clients.find(message.number);
        const bool is_gone = message.kind == Kind::client && client == m_clients.end();
        const int fd = message.kind == Kind::memory           ? m_memory
                       : message.kind == Kind::all || is_gone ? -1
                                                              : client->second;
        if (!is_gone && !pass(message, fd))
            return;
        m_to_pass.pop_front();
    }
}

/// @return whether there was room
bool Keeper::pass(dom0::KeeperMessage message, int fd)
{
    alignas(cmsghdr) char control[CMSG_SPACE(sizeof fd)] = {};
    iovec piece{&message, sizeof message};
    msghdr whole{};
    whole.msg_iov = &piece;
    whole.msg_iovlen = 1;
    if (fd >= 0) {
        whole.msg_control = control;
        whole.msg_controllen = sizeof control;
        cmsghdr* header = CMSG_FIRSTHDR(&whole);
        header->cmsg_level = SOL_SOCKET;
        header->cmsg_type = SCM_RIGHTS;
        header->cmsg_len = CMSG_LEN(sizeof fd);
        std::memcpy(CMSG_DATA(header), &fd, sizeof fd);
    }
    return sendmsg(m_channel, &whole, MSG_NOSIGNAL | MSG_DONTWAIT) >= 0;
}

}
