// One client's traffic: requests from its link to the server, output from the server to its link.
//
// What it keeps follows from the journal's records, each of which has a method here that does what it tells of. pump()
// appends the records and does the same; a successor reads them and calls the methods.
#pragma once

#include "xenstore/daemon/link.hpp"
#include "xenstore/daemon/log.hpp"
#include "xenstore/store/server.hpp"

#include <memory>

namespace xylem::xenstore {

class Session {
public:
    /// A process whose link breaks is gone; a domain is kept, not listened to, until it is gone.
    enum class Peer { process, domain };
    /// Has no link at first, and is idle without one.
    Session(Server& server, Connection& connection, Peer peer, Journal& journal, Log& log)
        : server_(server), connection_(connection), peer_(peer), journal_(journal), log_(log)
    {
    }

    Connection& connection() { return connection_; }
    const Progress& progress() const { return progress_; }
    void set_progress(const Progress& progress) { progress_ = progress; }
    void attach(std::unique_ptr<Link> link) { link_ = std::move(link); }
    bool has_link() const { return link_ != nullptr; }

    /// Sends what can be sent and serves some requests.
    /// @return whether it wants another turn at once
    bool pump();
    /// The link is of no more use.
    bool is_over() const { return is_over_; }

    /// Kind::reconnect, and an introduction: forgets what was read of an incomplete request, and a fault.
    void start_anew();
    void on_received(std::string_view bytes);
    /// @return the bytes
    std::string on_sent(std::size_t bytes);
    void on_request();
    void on_refused();
    void on_fault();

    /// See archive.hpp.
    template <typename Archive> void archive(Archive& with);

private:
    bool serve_next();
    bool has_more() const;
    void serve(const Message& request);
    void flush();
    void log_output(std::string_view bytes);
    std::optional<Message> next_request();
    void fail(Link::Fault fault, const char* what);

    Server& server_;
    Connection& connection_;
    Peer peer_;
    Journal& journal_;
    Log& log_;
    std::unique_ptr<Link> link_;
    Assembler assembler_;
    Progress progress_;
    bool is_over_ = false;
    bool is_broken_ = false;
    bool has_been_reported_ = false; ///< once is enough: a guest can reconnect and break the protocol without end
};

}
