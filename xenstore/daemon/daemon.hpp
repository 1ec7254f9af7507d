// The daemon: the server, its clients and its domains, on one event loop.
#pragma once

#include "xenstore/daemon/domains.hpp"
#include "xenstore/daemon/event_loop.hpp"
#include "xenstore/daemon/options.hpp"
#include "xenstore/daemon/session.hpp"

#include <set>

namespace xylem::xenstore {

class Daemon : private Surroundings {
public:
    /// `listener` is a listening Unix socket. The domains are there if the options say so.
    /// @throws std::system_error  the hypervisor's devices cannot be used
    Daemon(const Options& options, Log& log, int listener);
    ~Daemon() override;

    /// Serves until a signal of `signals` (a signalfd) ends it; SIGHUP opens the log again.
    void run(int signals);

private:
    bool domain_exists(DomId domain) override;
    Result<> connect_domain(DomId domain, Gfn ring, Port remote_port, Connection& connection) override;
    void disconnect_domain(DomId domain) override;
    void output_waits(Connection& connection) override { ready_.insert(connection.id); }
    void set_request_log(bool on) override { log_.shows_requests = on; }
    Result<> set_log_file(const std::string& path) override;
    void print(std::string_view text) override { log_.line("{}", text); }

    void accept_clients(int listener);
    void serve_domain_events();
    void serve_ring(DomId domain);
    void take_turns();
    void close_session(u32 id);
    void add_session(Connection& connection, std::unique_ptr<Link> link);
    void write_dom0_nodes();

    Log& log_;
    EventLoop loop_;
    std::unique_ptr<Domains> domains_;
    Server server_;
    struct DomainSession {
        Session* session;
        RingLink* ring;
    };
    std::map<u32, std::unique_ptr<Session>> sessions_; ///< by the connection's number
    std::map<DomId, DomainSession> domain_sessions_;
    std::set<u32> ready_; ///< connections that want a turn
};

}
