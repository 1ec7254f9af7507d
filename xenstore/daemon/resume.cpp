// Daemon: how it goes on where a predecessor died.
#include "xenstore/daemon/daemon.hpp"

#include "xenstore/store/archive.hpp"

namespace xylem::xenstore {

template <typename Archive> void Daemon::archive(Archive& with)
{
    std::string server;
    if constexpr (!Archive::loads)
        server = server_.save();
    xenstore::archive(with, server);
    if constexpr (Archive::loads)
        server_.load(server);
    xenstore::archive(with, log_.shows_requests);
    std::string log_path = log_.path();
    xenstore::archive(with, log_path);
    if (Archive::loads && !log_path.empty())
        (void)log_.open(log_path);

    xenstore::archive(with, last_visitor_);
    archive_map(with, visitors_);
    auto domains = static_cast<u32>(domain_sessions_.size());
    xenstore::archive(with, domains);
    auto entry = domain_sessions_.begin();
    for (u32 i = 0; i < domains; ++i) {
        DomId id = Archive::loads ? DomId(0) : entry->first;
        u32 connection = Archive::loads ? 0 : entry->second.session->connection().id;
        xenstore::archive(with, id);
        xenstore::archive(with, connection);
        DomainSession& domain = domain_sessions_[id];
        xenstore::archive(with, domain.frame.value);
        xenstore::archive(with, domain.port.value);
        if constexpr (Archive::loads)
            domain.session = &add_session(*server_.connection(connection), Session::Peer::domain);
        else
            ++entry;
    }
    if constexpr (Archive::loads)
        for (const auto& [id, number] : visitors_)
            add_session(*server_.connection(id), Session::Peer::process);
    for (auto& [id, session] : sessions_)
        session->archive(with);
}

void Daemon::save_state()
{
    Saver saver;
    archive(saver);
    journal_.set_state(saver.take());
    server_.forget_want();
}

void Daemon::resume()
{
    Loader loader(journal_.state());
    archive(loader);
    while (const std::optional<Journal::Record> record = journal_.next()) {
        unfinished_ = {};
        replay(*record);
    }
    if (server_.has_met_want())
        save_state();
    reattach();
    if (domains_)
        look_at_domains();
    unfinished_ = {};
}

void Daemon::replay(const Journal::Record& record)
{
    using Kind = Journal::Kind;
    if (record.kind == Kind::client)
        return on_client(record.value);
    if (record.kind == Kind::domains)
        return on_domains(record.bytes);
    Session& session = *sessions_.at(record.connection);
    switch (record.kind) {
    case Kind::closed:
        return on_closed(record.connection);
    case Kind::received:
        return session.on_received(record.bytes);
    case Kind::sent:
        unfinished_ = {record.connection, session.on_sent(record.value), Introduction::failed};
        return;
    case Kind::request:
        return session.on_request();
    case Kind::refused:
        return session.on_refused();
    case Kind::fault:
        return session.on_fault();
    case Kind::reconnect:
        unfinished_ = {record.connection, {}, Introduction::handshake};
        return on_reconnect(session);
    default:
        throw std::runtime_error("the journal has an answer that nobody asked for");
    }
}

/// What the surroundings said when the server asked them for the first time.
Journal::Record Daemon::answer_of(Journal::Kind kind)
{
    const std::optional<Journal::Record> record = journal_.next();
    if (!record || record->kind != kind)
        throw std::runtime_error("the journal lacks an answer");
    return *record;
}

void Daemon::on_client(u32 number)
{
    Connection& connection = server_.add_client();
    visitors_[connection.id] = last_visitor_ = number;
    add_session(connection, Session::Peer::process);
}

void Daemon::on_closed(u32 id)
{
    Connection& connection = sessions_.at(id)->connection();
    sessions_.erase(id);
    visitors_.erase(id);
    server_.remove_client(connection);
}

void Daemon::on_reconnect(Session& session)
{
    server_.listen_anew(session.connection());
    session.start_anew();
}

void Daemon::on_domains(std::string_view bytes)
{
    std::map<DomId, DomainState> states;
    for (; !bytes.empty(); bytes.remove_prefix(2 * sizeof(u16))) {
        u16 words[2];
        std::memcpy(words, bytes.data(), sizeof words);
        states[DomId(words[0])] = static_cast<DomainState>(words[1]);
    }
    server_.domains_changed(states);
}

/// Gives each session its link again, and has each client see what it should have seen already.
void Daemon::reattach()
{
    for (auto& [id, domain] : domain_sessions_)
        if (!domain.ring)
            reattach_domain(id, domain);
    const std::map<u32, u32> visitors = visitors_;
    for (const auto& [id, number] : visitors) {
        if (const int fd = doorway_.kept(number); fd >= 0)
            attach_process(id, fd);
        else
            close_session(id);
    }
    for (const auto& [id, session] : sessions_)
        ready_.insert(id);
}

void Daemon::reattach_domain(DomId id, DomainSession& domain)
{
    try {
        RingLink::Page& page =
            id == DomId(0) ? domains_->connect_own_kernel() : domains_->connect(id, domain.frame, domain.port);
        RingLink& ring = attach_domain(id, domain, page);
        const bool is_concerned = unfinished_.connection == domain.session->connection().id;
        const Introduction how = is_concerned ? unfinished_.introduction : Introduction::failed;
        if (how == Introduction::plain)
            ring.start_anew(); // whoever introduces it does not let it run before he has our reply
        else if (how == Introduction::handshake && ring.wants_reconnect())
            ring.complete_reconnect();
        else
            ring.resume(is_concerned ? unfinished_.sent : std::string());
        serve_ring(id);
    } catch (const std::system_error& error) {
        log_.line("domain {} has lost its ring: {}", id.value, error.what());
    }
}

}
