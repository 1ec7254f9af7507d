// See daemon.hpp.
#include "xenstore/daemon/daemon.hpp"

#include "xenstore/daemon/live_update.hpp"
#include "xenstore/daemon/socket_link.hpp"

#include <cerrno>
#include <csignal>
#include <fstream>
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

Daemon::Daemon(const Options& options, Log& log, Journal& journal, Doorway& doorway, Domains* domains)
    : log_(log), journal_(journal), doorway_(doorway), domains_(domains), arguments_(options.arguments),
      server_(*this, options.limits)
{
    log_.shows_requests = options.is_verbose;
    if (journal_.has_state())
        resume();
    else
        begin(options);
    if (domains_)
        loop_.add(domains_->fd(), EPOLLIN, [this](unsigned) { serve_domain_events(); });
    loop_.add(doorway_.fd(), EPOLLIN, [this](unsigned) { accept_visitors(); });
    accept_visitors();
}

Daemon::~Daemon() = default;

void Daemon::begin(const Options& options)
{
    if (options.writes_dom0_nodes)
        write_dom0_nodes();
    if (domains_) {
        RingLink::Page& page = domains_->connect_own_kernel();
        Session& session = add_session(server_.add_control_domain(), Session::Peer::domain);
        session.set_progress(RingLink::progress_of(page));
        DomainSession& kernel = domain_sessions_[DomId(0)];
        kernel = {&session, nullptr, Gfn(0), Port(0)};
        attach_domain(DomId(0), kernel, page).resume({}); // it waits for us
    }
    save_state();
}

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

Session& Daemon::add_session(Connection& connection, Session::Peer peer)
{
    auto& session = sessions_[connection.id];
    session = std::make_unique<Session>(server_, connection, peer, journal_, log_);
    ready_.insert(connection.id);
    return *session;
}

void Daemon::attach_process(u32 id, int fd)
{
    sessions_.at(id)->attach(std::make_unique<SocketLink>(loop_, fd, [this, id] { ready_.insert(id); }));
}

RingLink& Daemon::attach_domain(DomId id, DomainSession& domain, RingLink::Page& page)
{
    auto link = std::make_unique<RingLink>(page, domain.session->progress(), [this, id] { domains_->notify(id); });
    domain.ring = link.get();
    domain.session->attach(std::move(link));
    return *domain.ring;
}

/// A few requests of each client at a time: nobody waits longer for having talkative neighbours than they are many.
void Daemon::take_turns()
{
    if (server_.has_met_want())
        save_state(); // before anything of it leaves
    const std::set<u32> turn = std::exchange(ready_, {});
    for (u32 id : turn) {
        const auto found = sessions_.find(id);
        if (found == sessions_.end())
            continue;
        if (found->second->pump())
            ready_.insert(id);
        else
            ready_.erase(id); // its own output, which it has sent as far as it can
        if (found->second->is_over())
            close_session(id);
        if (server_.has_met_want() || journal_.wants_state())
            save_state();
    }
}

void Daemon::close_session(u32 id)
{
    const u32 number = visitors_.at(id);
    journal_.append(Journal::Kind::closed, id);
    log_.access("DESTROY", id);
    on_closed(id);
    doorway_.leave(number);
}

void Daemon::accept_visitors()
{
    try {
        while (const std::optional<Visitor> visitor = doorway_.next()) {
            const bool is_known = visitor->number <= last_visitor_; // our predecessor died before it said so
            if (is_known || !is_trusted(visitor->fd)) {
                if (!is_known)
                    log_.line("refused a client that is neither root nor of our own user");
                close(visitor->fd);
                doorway_.leave(visitor->number);
                continue;
            }
            journal_.append(Journal::Kind::client, 0, visitor->number);
            on_client(visitor->number);
            attach_process(sessions_.rbegin()->first, visitor->fd);
            log_.access("CREATE", sessions_.rbegin()->first);
        }
    } catch (const std::system_error& error) {
        if (error.code().value() == EPIPE)
            throw;
        log_.line("{}", error.what());
    }
}

void Daemon::serve_domain_events()
{
    const Domains::News news = domains_->take_events();
    for (DomId domain : news.domains)
        serve_ring(domain);
    if (news.states_changed)
        look_at_domains();
}

void Daemon::look_at_domains()
{
    std::string states;
    for (const auto& [domain, state] : domains_->states_of(server_.known_domains())) {
        const u16 words[] = {domain.value, static_cast<u16>(state)};
        states.append(reinterpret_cast<const char*>(words), sizeof words);
    }
    journal_.append(Journal::Kind::domains, 0, 0, states);
    on_domains(states);
}

void Daemon::serve_ring(DomId domain)
{
    const auto found = domain_sessions_.find(domain);
    if (found == domain_sessions_.end() || !found->second.ring)
        return;
    const DomainSession& it = found->second;
    if (it.ring->wants_reconnect()) {
        journal_.append(Journal::Kind::reconnect, it.session->connection().id);
        on_reconnect(*it.session);
        it.ring->complete_reconnect();
    }
    ready_.insert(it.session->connection().id);
}

bool Daemon::domain_exists(DomId domain)
{
    if (journal_.is_replaying())
        return answer_of(Journal::Kind::exists).value != 0;
    const bool exists = !domains_ || domains_->exists(domain);
    journal_.append(Journal::Kind::exists, 0, exists);
    return exists;
}

Result<> Daemon::connect_domain(DomId domain, Gfn frame, Port remote_port, Connection& connection)
{
    if (!domains_)
        return Error::NotImplemented;
    const auto known = domain_sessions_.find(domain);
    const bool is_served = known != domain_sessions_.end() && known->second.ring;
    RingLink::Page* page = nullptr;
    auto how = Introduction::failed;
    const bool is_replaying = journal_.is_replaying();
    if (is_replaying) {
        how = static_cast<Introduction>(answer_of(Journal::Kind::introduced).value);
    } else {
        try {
            if (is_served)
                domains_->rebind(domain, remote_port);
            else
                page = &domains_->connect(domain, frame, remote_port);
            // The guest's builder may have asked for the handshake, so that the guest waits until we are there.
            how = page && RingLink::wants_reconnect(*page) ? Introduction::handshake : Introduction::plain;
        } catch (const std::system_error& error) {
            log_.line("domain {} cannot be introduced: {}", domain.value, error.what());
        }
        journal_.append(Journal::Kind::introduced, connection.id, static_cast<u32>(how));
    }
    if (how == Introduction::failed)
        return Error::Invalid;

    DomainSession& it = domain_sessions_[domain];
    if (!it.session)
        it.session = &add_session(connection, Session::Peer::domain);
    it.frame = frame;
    it.port = remote_port;
    it.session->start_anew();
    if (is_replaying) {
        unfinished_ = {connection.id, {}, how};
        return {};
    }
    RingLink& ring = page ? attach_domain(domain, it, *page) : *it.ring;
    if (how == Introduction::handshake)
        ring.complete_reconnect();
    else
        ring.start_anew();
    return {};
}

void Daemon::disconnect_domain(DomId domain)
{
    const auto found = domain_sessions_.find(domain);
    if (found == domain_sessions_.end())
        return;
    const bool is_mapped = found->second.ring;
    sessions_.erase(found->second.session->connection().id);
    domain_sessions_.erase(found);
    if (is_mapped)
        domains_->disconnect(domain);
}

Result<> Daemon::set_log_file(const std::string& path)
{
    if (journal_.is_replaying()) {
        if (answer_of(Journal::Kind::file).value == 0)
            return Error::IoError;
        (void)log_.open(path); // the client knows already that it could be opened
        return {};
    }
    const Result<> opened = log_.open(path);
    journal_.append(Journal::Kind::file, 0, opened.ok());
    if (!opened.ok())
        return Error::IoError;
    return {};
}

Result<> Daemon::write_file(const std::string& path, std::string_view text)
{
    bool is_written;
    if (journal_.is_replaying()) {
        is_written = answer_of(Journal::Kind::file).value != 0;
    } else {
        std::ofstream file(path);
        is_written = static_cast<bool>(file << text << std::flush);
        journal_.append(Journal::Kind::file, 0, is_written);
    }
    if (!is_written)
        return Error::IoError;
    return {};
}

void Daemon::print(std::string_view text)
{
    if (!journal_.is_replaying())
        log_.line("{}", text);
}

/// Two records: that we were about to, and what came of it. Whoever finds the first alone is the one that came of it.
std::string Daemon::update(const std::string& file, const std::string& command_line)
{
    std::string failure = "the new daemon died before it could answer; the old one has been started again";
    if (journal_.is_replaying()) {
        (void)answer_of(Journal::Kind::updating);
        if (journal_.is_replaying())
            return std::string(answer_of(Journal::Kind::updated).bytes);
        if (has_taken_over())
            failure.clear();
    } else {
        journal_.append(Journal::Kind::updating, 0);
        log_.line("{} takes this daemon's place", file);
        failure = give_way_to(file, command_line, arguments_);
    }
    if (!failure.empty())
        log_.line("live update: {}", failure);
    journal_.append(Journal::Kind::updated, 0, 0, failure);
    return failure;
}

void Daemon::write_dom0_nodes()
{
    server_.put("/local/domain/0/domid", "0");
    server_.put("/local/domain/0/name", "Domain-0");
    server_.put("/local/pool/0/name", "Pool-0");
}

}
