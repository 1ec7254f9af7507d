// One client's traffic: requests from its link to the server, output from the server to its link.
#pragma once

#include "xenstore/daemon/link.hpp"
#include "xenstore/daemon/log.hpp"
#include "xenstore/store/server.hpp"

namespace xylem::xenstore {

class Session {
public:
    Session(Server& server, Connection& connection, std::unique_ptr<Link> link, Log& log)
        : server_(server), connection_(connection), link_(std::move(link)), log_(log)
    {
    }

    Connection& connection() { return connection_; }
    Link& link() { return *link_; }

    /// Sends what can be sent and serves one request.
    /// @return whether it wants another turn at once
    bool pump();
    /// The link is of no more use.
    bool is_over() const { return is_over_; }
    /// Forgets what was read of an incomplete request, and a fault.
    void start_anew();

private:
    void serve(const Message& request);
    void flush();
    std::optional<Message> next_request();
    void fail(Link::Fault fault, const char* what);

    Server& server_;
    Connection& connection_;
    std::unique_ptr<Link> link_;
    Log& log_;
    Assembler assembler_;
    bool is_over_ = false;
    bool is_broken_ = false;
    bool has_been_reported_ = false; ///< once is enough: a guest can reconnect and break the protocol without end
};

}
