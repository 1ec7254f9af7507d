// See daemon.hpp.
#include "xenstore/daemon/daemon.hpp"

#include "xenstore/daemon/socket_link.hpp"

#include <cerrno>
#include <csignal>
#include <sys/epoll.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <unistd.h>

namespace xylem::xenstore {

namespace {

/// Who may speak as dom0: root, and whoever the daemon itself runs as.
bool is_trusted(int client)
{
    ucred who{};
    socklen_t size = sizeof who;
    if (getsockopt(client, SOL_SOCKET, SO_PEERCRED, &who, &size) < 0)
        return false;
    return who.uid == 0 || who.uid == geteuid();
}

}

Daemon::Daemon(const Options& options, Log& log, int listener)
    : log_(log), domains_(options.has_domains ? std::make_unique<Domains>() : nullptr), server_(*this, options.limits)
{
    log_.shows_requests = options.is_verbose;
    if (options.writes_dom0_nodes)
        write_dom0_nodes();
    if (domains_) {
        std::unique_ptr<RingLink> ring = domains_->connect_own_kernel();
        RingLink* raw = ring.get();
        Connection& kernel = server_.add_control_domain();
        add_session(kernel, std::move(ring));
        domain_sessions_[DomId(0)] = {sessions_[kernel.id].get(), raw};
        loop_.add(domains_->fd(), EPOLLIN, [this](unsigned) { serve_domain_events(); });
    }
    loop_.add(listener, EPOLLIN, [this, listener](unsigned) { accept_clients(listener); });
}

Daemon::~Daemon() = default;

void Daemon::run(int signals)
{
    bool is_stopping = false;
    loop_.add(signals, EPOLLIN, [&](unsigned) {
        signalfd_siginfo signal{};
        if (read(signals, &signal, sizeof signal) != sizeof signal)
            return;
        if (signal.ssi_signo == SIGHUP)
            log_.reopen();
        else
            is_stopping = true;
    });
    while (!is_stopping) {
        loop_.turn(ready_.empty() ? EventLoop::Wait::yes : EventLoop::Wait::no);
        take_turns();
    }
    loop_.remove(signals);
}

void Daemon::add_session(Connection& connection, std::unique_ptr<Link> link)
{
    sessions_[connection.id] = std::make_unique<Session>(server_, connection, std::move(link), log_);
    ready_.insert(connection.id);
}

/// One request of each client at a time: nobody waits longer for having talkative neighbours than they are many.
void Daemon::take_turns()
{
    const std::set<u32> turn = std::exchange(ready_, {});
    for (u32 id : turn) {
        const auto found = sessions_.find(id);
        if (found == sessions_.end())
            continue;
        if (found->second->pump())
            ready_.insert(id);
        if (found->second->is_over())
            close_session(id);
    }
}

void Daemon::close_session(u32 id)
{
    const auto found = sessions_.find(id);
    Connection& connection = found->second->connection();
    sessions_.erase(found);
    server_.remove_client(connection);
}

void Daemon::accept_clients(int listener)
{
    for (;;) {
        const int fd = accept4(listener, nullptr, nullptr, SOCK_NONBLOCK | SOCK_CLOEXEC);
        if (fd < 0) {
            if (errno != EAGAIN && errno != EINTR && errno != ECONNABORTED)
                log_.line("cannot accept a client: {}", std::generic_category().message(errno));
            return;
        }
        if (!is_trusted(fd)) {
            log_.line("refused a client that is neither root nor of our own user");
            close(fd);
            continue;
        }
        Connection& connection = server_.add_client();
        const u32 id = connection.id;
        add_session(connection, std::make_unique<SocketLink>(loop_, fd, [this, id] { ready_.insert(id); }));
    }
}

void Daemon::serve_domain_events()
{
    const Domains::News news = domains_->take_events();
    for (DomId domain : news.domains)
        serve_ring(domain);
    if (news.states_changed)
        server_.domains_changed(domains_->states_of(server_.known_domains()));
}

void Daemon::serve_ring(DomId domain)
{
    const auto found = domain_sessions_.find(domain);
    if (found == domain_sessions_.end())
        return;
    auto [session, ring] = found->second;
    if (ring->wants_reconnect()) {
        server_.listen_anew(session->connection());
        session->start_anew();
        ring->complete_reconnect();
    }
    ready_.insert(session->connection().id);
}

bool Daemon::domain_exists(DomId domain)
{
    return !domains_ || domains_->exists(domain);
}

Result<> Daemon::connect_domain(DomId domain, Gfn ring, Port remote_port, Connection& connection)
{
    if (!domains_)
        return Error::NotImplemented;
    try {
        const auto known = domain_sessions_.find(domain);
        if (known != domain_sessions_.end()) {
            domains_->rebind(domain, remote_port);
            known->second.session->start_anew();
            known->second.ring->start_anew();
            return {};
        }
        std::unique_ptr<RingLink> link = domains_->connect(domain, ring, remote_port);
        RingLink* raw = link.get();
        // The guest's builder may have asked for the handshake, so that the guest waits until we are there.
        if (raw->wants_reconnect())
            raw->complete_reconnect();
        else
            raw->start_anew();
        add_session(connection, std::move(link));
        domain_sessions_[domain] = {sessions_[connection.id].get(), raw};
        return {};
    } catch (const std::system_error& error) {
        log_.line("domain {} cannot be introduced: {}", domain.value, error.what());
        return Error::Invalid;
    }
}

void Daemon::disconnect_domain(DomId domain)
{
    const auto found = domain_sessions_.find(domain);
    if (found == domain_sessions_.end())
        return;
    sessions_.erase(found->second.session->connection().id);
    domain_sessions_.erase(found);
    domains_->disconnect(domain);
}

Result<> Daemon::set_log_file(const std::string& path)
{
    return log_.open(path);
}

void Daemon::write_dom0_nodes()
{
    server_.put("/local/domain/0/domid", "0");
    server_.put("/local/domain/0/name", "Domain-0");
    server_.put("/local/pool/0/name", "Pool-0");
}

}
