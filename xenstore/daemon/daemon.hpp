// The daemon: the server, its clients and its domains, on one event loop.
//
// Whatever happens is in the journal before anything follows from it, and a new daemon does the same again up to where
// its predecessor died. What the surroundings answer to the server is journaled, too, since a second time they might
// answer otherwise. See README.md.
#pragma once

#include "xenstore/daemon/domains.hpp"
#include "xenstore/daemon/doorway.hpp"
#include "xenstore/daemon/event_loop.hpp"
#include "xenstore/daemon/options.hpp"
#include "xenstore/daemon/session.hpp"

#include <set>

namespace xylem::xenstore {

class Daemon : private Surroundings {
public:
    /// Goes on from what the journal holds, or begins with an empty store. `domains` is null where there is no
    /// hypervisor.
    /// @throws std::system_error  the hypervisor's devices cannot be used
    /// @throws std::runtime_error  the journal is none of ours
    Daemon(const Options& options, Log& log, Journal& journal, Doorway& doorway, Domains* domains);
    ~Daemon() override;

    /// Serves until a signal of `signals` (a signalfd) ends it; SIGHUP opens the log again.
    void run(int signals);

private:
    /// How a domain's ring began: its page was emptied, which the domain waits for (`handshake`) or knows.
    enum class Introduction : u32 { failed, plain, handshake };
    struct DomainSession {
        Session* session;
        RingLink* ring; ///< null if the page cannot be mapped any more
        Gfn frame;
        Port port;
    };

    bool domain_exists(DomId domain) override;
    Result<> connect_domain(DomId domain, Gfn ring, Port remote_port, Connection& connection) override;
    void disconnect_domain(DomId domain) override;
    void output_waits(Connection& connection) override { ready_.insert(connection.id); }
    void set_request_log(bool on) override { log_.shows_requests = on; }
    Result<> set_log_file(const std::string& path) override;
    Result<> write_file(const std::string& path, std::string_view text) override;
    void print(std::string_view text) override;
    std::string update(const std::string& file, const std::string& command_line) override;

    void begin(const Options& options);
    void accept_visitors();
    void serve_domain_events();
    void serve_ring(DomId domain);
    void look_at_domains();
    void take_turns();
    void close_session(u32 id);
    Session& add_session(Connection& connection, Session::Peer peer);
    void attach_process(u32 id, int fd);
    RingLink& attach_domain(DomId id, DomainSession& domain, RingLink::Page& page);
    void write_dom0_nodes();

    // resume.cpp
    template <typename Archive> void archive(Archive& with);
    void save_state();
    void resume();
    void replay(const Journal::Record& record);
    void reattach();
    void reattach_domain(DomId id, DomainSession& domain);
    Journal::Record answer_of(Journal::Kind kind);
    void on_client(u32 number);
    void on_closed(u32 id);
    void on_reconnect(Session& session);
    void on_domains(std::string_view states);

    Log& log_;
    Journal& journal_;
    Doorway& doorway_;
    Domains* domains_;
    const std::vector<std::string>& arguments_;
    EventLoop loop_;
    Server server_;
    std::map<u32, std::unique_ptr<Session>> sessions_; ///< by the connection's number
    std::map<u32, u32> visitors_;                      ///< processes: connection to number at the doorway
    u32 last_visitor_ = 0;
    std::map<DomId, DomainSession> domain_sessions_;
    std::set<u32> ready_; ///< connections that want a turn

    /// What the journal's last record told of and may not have been done, while we resume.
    struct Unfinished {
        u32 connection = 0;
        std::string sent;
        Introduction introduction = Introduction::failed;
    } unfinished_;
};

}
