// See server.hpp.

#include "frontends/programs/http/server.hpp"

#include "hypervisor/base/format.hpp"

#include <lwip/sys.h>
#include <optional>

namespace xylem::http {
namespace {

using std::string_view;

// Milliseconds.
constexpr u32 patience_for_a_request = 15'000, patience_for_an_end = 3'000;
// A client must take so many bytes in so long, or all there are.
constexpr u32 patience_for_progress = 30'000, least_progress = 16 * 1024;

constexpr u64 most_bytes = u64{1} << 40;

const char* reason(u16 status)
{
    switch (status) {
    case 200:
        return "OK";
    case 400:
        return "Bad Request";
    case 404:
        return "Not Found";
    case 405:
        return "Method Not Allowed";
    case 413:
        return "Content Too Large";
    case 414:
        return "URI Too Long";
    case 431:
        return "Request Header Fields Too Large";
    case 501:
        return "Not Implemented";
    case 505:
        return "HTTP Version Not Supported";
    default:
        return "Internal Server Error";
    }
}

/// What /bytes gives, again and again: the bytes from 0 to 250, so that one that is lost, or sent twice, shows.
class Pattern {
public:
    Pattern()
    {
        for (size_t i = 0; i < sizeof bytes_; ++i)
            bytes_[i] = static_cast<char>(i % 251);
    }
    string_view bytes() const { return {bytes_, sizeof bytes_}; }

private:
    char bytes_[251 * 64];
};
const Pattern pattern;

/// The number that a path ends in.
std::optional<u64> number_after(string_view path, string_view prefix)
{
    if (!path.starts_with(prefix) || path.size() == prefix.size() || path.size() > prefix.size() + 15)
        return std::nullopt;
    path.remove_prefix(prefix.size());
    u64 number = 0;
    for (const char c : path) {
        if (c < '0' || c > '9')
            return std::nullopt;
        number = number * 10 + static_cast<u64>(c - '0');
    }
    return number;
}

size_t smaller(u64 a, u64 b)
{
    return a < b ? a : b;
}

}

Server::~Server()
{
    if (listens_)
        tcp_close(listens_);
    for (Connection& connection : connections_)
        if (connection.pcb)
            abort(connection);
}

bool Server::begin(u16 port)
{
    tcp_pcb* pcb = tcp_new();
    if (!pcb)
        return false;
    pcb->so_options |= SOF_REUSEADDR;
    if (tcp_bind(pcb, IP_ANY_TYPE, port) != ERR_OK || !(listens_ = tcp_listen(pcb))) {
        tcp_close(pcb);
        return false;
    }
    tcp_arg(listens_, this);
    tcp_accept(listens_, on_accept);
    return true;
}

unsigned Server::connections() const
{
    unsigned count = 0;
    for (const Connection& connection : connections_)
        count += connection.pcb != nullptr;
    return count;
}

// ---- What lwIP calls

err_t Server::on_accept(void* server, tcp_pcb* pcb, err_t error)
{
    if (error != ERR_OK || !pcb)
        return ERR_VAL;
    if (static_cast<Server*>(server)->accept(pcb))
        return ERR_OK;
    tcp_abort(pcb);
    return ERR_ABRT;
}

err_t Server::on_received(void* connection, tcp_pcb*, pbuf* data, err_t)
{
    Connection& self = *static_cast<Connection*>(connection);
    if (data) {
        self.server->receive(self, *data);
        pbuf_free(data);
    } else {
        self.client_done = true;
        if (self.state == Connection::State::lingers)
            self.server->close(self);
    }
    self.server->go_on(self);
    return ERR_OK;
}

err_t Server::on_sent(void* connection, tcp_pcb*, u16_t bytes)
{
    Connection& self = *static_cast<Connection*>(connection);
    self.server->counters_.bytes_out += bytes;
    self.progress += bytes;
    if (self.state == Connection::State::sends && self.progress >= least_progress)
        enter(self, self.state, self.patience);
    self.server->go_on(self);
    return ERR_OK;
}

/// The connection has gone: reset by the client, or given up by lwIP.
void Server::on_error(void* connection, err_t)
{
    Connection& self = *static_cast<Connection*>(connection);
    self.pcb = nullptr;
    self.state = Connection::State::free;
}

// ---- Connections

void Server::enter(Connection& connection, Connection::State state, u32 patience)
{
    connection.state = state;
    connection.since = sys_now();
    connection.patience = patience;
    connection.progress = 0;
}

bool Server::accept(tcp_pcb* pcb)
{
    ++counters_.accepted;
    Connection* connection = place();
    if (!connection) {
        ++counters_.refused;
        return false;
    }
    connection->server = this;
    connection->pcb = pcb;
    connection->last = connection->client_done = false;
    connection->received_bytes = 0;
    connection->text_bytes = connection->text_sent = 0;
    connection->body_left = 0;
    enter(*connection, Connection::State::reads, patience_for_a_request);
    tcp_arg(pcb, connection);
    tcp_recv(pcb, on_received);
    tcp_sent(pcb, on_sent);
    tcp_err(pcb, on_error);
    tcp_nagle_disable(pcb); // we tell what belongs together
    return true;
}

/// A free place: if need be, that of who has waited the longest and is not being answered. Null: all are.
Server::Connection* Server::place()
{
    Connection* victim = nullptr;
    const u32 now = sys_now();
    for (Connection& connection : connections_) {
        if (connection.state == Connection::State::free)
            return &connection;
        if (connection.state != Connection::State::sends && (!victim || now - connection.since > now - victim->since))
            victim = &connection;
    }
    if (victim) {
        ++counters_.displaced;
        abort(*victim);
    }
    return victim;
}

void Server::tick()
{
    for (Connection& connection : connections_) {
        if (!connection.pcb)
            continue;
        if (sys_now() - connection.since >= connection.patience) {
            ++counters_.timed_out;
            abort(connection);
        } else {
            go_on(connection); // lwIP may have been short of memory
        }
    }
}

void Server::end()
{
    ends_ = true;
    if (listens_)
        tcp_close(listens_);
    listens_ = nullptr;
    for (Connection& connection : connections_)
        go_on(connection);
}

/// Says that we send no more, and waits for the client to say so too: to close at once with something unread would
/// reset the connection, and the client might lose the response.
void Server::close_slowly(Connection& connection)
{
    consume(connection, connection.received_bytes);
    if (connection.client_done)
        return close(connection);
    enter(connection, Connection::State::lingers, patience_for_an_end);
    tcp_shutdown(connection.pcb, 0, 1);
}

static void forget(tcp_pcb* pcb)
{
    tcp_arg(pcb, nullptr);
    tcp_recv(pcb, nullptr);
    tcp_sent(pcb, nullptr);
    tcp_err(pcb, nullptr);
}

/// lwIP does the rest, and of all connections forgets such ones first when it needs room.
void Server::close(Connection& connection)
{
    forget(connection.pcb);
    tcp_setprio(connection.pcb, TCP_PRIO_MIN);
    tcp_close(connection.pcb);
    connection.pcb = nullptr;
    connection.state = Connection::State::free;
}

/// Not from within a callback for the same connection.
void Server::abort(Connection& connection)
{
    forget(connection.pcb);
    tcp_abort(connection.pcb);
    connection.pcb = nullptr;
    connection.state = Connection::State::free;
}

// ---- Requests

void Server::receive(Connection& connection, const pbuf& data)
{
    counters_.bytes_in += data.tot_len;
    if (connection.state == Connection::State::lingers || data.tot_len > TCP_WND - connection.received_bytes) {
        tcp_recved(connection.pcb, data.tot_len); // nobody reads it
        return;
    }
    pbuf_copy_partial(&data, connection.received + connection.received_bytes, data.tot_len, 0);
    connection.received_bytes += data.tot_len;
}

/// Takes bytes from the front of what has come, and lets the client send as many.
void Server::consume(Connection& connection, size_t bytes)
{
    connection.received_bytes -= bytes;
    __builtin_memmove(connection.received, connection.received + bytes, connection.received_bytes);
    tcp_recved(connection.pcb, static_cast<u16>(bytes));
}

/// Does what can be done now. What is left goes on when data come, when some are acknowledged, or with the next tick().
void Server::go_on(Connection& connection)
{
    for (;;) {
        switch (connection.state) {
        case Connection::State::free:
        case Connection::State::lingers:
            return;
        case Connection::State::reads:
            if (!read(connection))
                return;
            break;
        case Connection::State::sends:
            if (!send(connection))
                return;
            if (connection.last)
                return close_slowly(connection);
            enter(connection, Connection::State::reads, patience_for_a_request);
            break;
        }
    }
}

/// Answers the first request of what has come. @return false  there is none yet
bool Server::read(Connection& connection)
{
    const Parsed parsed = parse_request({connection.received, connection.received_bytes});
    switch (parsed.outcome) {
    case Parsed::Outcome::incomplete:
        if (connection.client_done || (ends_ && connection.received_bytes == 0))
            close_slowly(connection);
        return false;
    case Parsed::Outcome::refused:
        connection.last = true;
        refuse(connection, parsed.status, false);
        break;
    case Parsed::Outcome::request:
        connection.last = !parsed.request.keep_alive || ends_;
        answer(connection, parsed.request);
        consume(connection, parsed.bytes);
        break;
    }
    return true;
}

// ---- Responses

void Server::append(Connection& connection, string_view text)
{
    const size_t bytes = smaller(text.size(), sizeof connection.text - connection.text_bytes);
    __builtin_memcpy(connection.text + connection.text_bytes, text.data(), bytes);
    connection.text_bytes += bytes;
}

void Server::begin_response(Connection& connection, u16 status, const char* type, u64 bytes)
{
    connection.text_sent = 0;
    connection.body_left = 0;
    connection.text_bytes = format_to(
        connection.text, sizeof connection.text,
        "HTTP/1.1 {} {}\r\nContent-Type: {}\r\nContent-Length: {}\r\nConnection: {}\r\n{}\r\n", status, reason(status),
        type, bytes, connection.last ? "close" : "keep-alive", status == 405 ? "Allow: GET, HEAD\r\n" : "");
    for (size_t i = 0; i < std::size(Counters::statuses); ++i)
        counters_.responses[i] += Counters::statuses[i] == status;
    enter(connection, Connection::State::sends, patience_for_progress);
}

void Server::answer(Connection& connection, const Request& request)
{
    const bool head_only = request.method == Request::Method::head;
    const auto give = [&](string_view piece, u64 bytes) {
        connection.body = piece.data();
        connection.body_bytes = piece.size();
        connection.body_at = 0;
        connection.body_left = head_only ? 0 : bytes;
    };
    const auto bytes = number_after(request.path, "/bytes/");
    if (request.path == "/") {
        begin_response(connection, 200, "text/html; charset=utf-8", content_.page.size());
        give(content_.page, content_.page.size());
    } else if (request.path == "/metrics") {
        const string_view metrics = content_.metrics(content_.context, {made_, sizeof made_});
        if (metrics.empty())
            return refuse(connection, 500, head_only);
        begin_response(connection, 200, content_.metrics_type, metrics.size());
        if (!head_only)
            append(connection, metrics);
    } else if (bytes && *bytes <= most_bytes) {
        begin_response(connection, 200, "application/octet-stream", *bytes);
        give(pattern.bytes(), *bytes);
    } else {
        refuse(connection, 404, head_only);
    }
}

void Server::refuse(Connection& connection, u16 status, bool head_only)
{
    const string_view words = reason(status);
    begin_response(connection, status, "text/plain; charset=utf-8", words.size() + 1);
    if (head_only)
        return;
    append(connection, words);
    append(connection, "\n");
}

/// Hands lwIP what it has room for. @return whether that was all
bool Server::send(Connection& connection)
{
    tcp_pcb* const pcb = connection.pcb;
    err_t error = ERR_OK;
    while (error == ERR_OK && connection.text_sent < connection.text_bytes && tcp_sndbuf(pcb) > 0) {
        const size_t bytes = smaller(connection.text_bytes - connection.text_sent, tcp_sndbuf(pcb));
        error = tcp_write(pcb, connection.text + connection.text_sent, static_cast<u16>(bytes), TCP_WRITE_FLAG_COPY);
        connection.text_sent += error == ERR_OK ? bytes : 0;
    }
    while (error == ERR_OK && connection.text_sent == connection.text_bytes && connection.body_left > 0 &&
           tcp_sndbuf(pcb) > 0) {
        const size_t bytes =
            smaller(smaller(connection.body_left, connection.body_bytes - connection.body_at), tcp_sndbuf(pcb));
        error = tcp_write(pcb, connection.body + connection.body_at, static_cast<u16>(bytes), 0);
        if (error == ERR_OK) {
            connection.body_at = (connection.body_at + bytes) % connection.body_bytes;
            connection.body_left -= bytes;
        }
    }
    tcp_output(pcb);
    return connection.text_sent == connection.text_bytes && connection.body_left == 0;
}

}
