// An HTTP/1.1 server on lwIP's raw API, with a fixed number of connections.
//
// What a client can cost is bounded: a connection has room for as much as the TCP window lets it send unread, a
// deadline at every stage, and its place only until a newcomer needs it while it sends no request. All memory is in the
// object.
#pragma once

#include "frontends/programs/http/request.hpp"

#include <lwip/tcp.h>
#include <span>

namespace xylem::http {

inline constexpr size_t most_connections = 32;
/// The most bytes that a page made on the spot can have.
inline constexpr size_t longest_page = 8192;

struct Counters {
    static constexpr u16 statuses[] = {200, 400, 404, 405, 413, 414, 431, 500, 501, 505};
    u64 responses[std::size(statuses)] = {}; ///< by status
    u64 bytes_in = 0, bytes_out = 0;         ///< of HTTP, headers included; out: what clients have acknowledged
    u64 accepted = 0;                        ///< connections
    u64 refused = 0;                         ///< of these, at once, for want of room
    u64 displaced = 0;                       ///< sent no request while another needed the place
    u64 timed_out = 0;                       ///< were too slow
};

/// What is served beside /bytes/NUMBER.
struct Content {
    std::string_view page; ///< for /; HTML, which outlives the server
    /// Writes what /metrics gives. @return what was written; empty: it did not fit, which is answered with 500
    std::string_view (*metrics)(void* context, std::span<char> out);
    const char* metrics_type;
    void* context;
};

class Server {
public:
    explicit Server(const Content& content) : content_(content) {}
    Server(const Server&) = delete;
    Server& operator=(const Server&) = delete;
    ~Server();

    /// Listens on a port, of all addresses. @return false  lwIP has no memory, or the port is taken
    bool begin(u16 port);
    /// Ends connections that are too slow: to be called some times a second.
    void tick();
    /// No new connections, and no new requests on those that there are.
    void end();

    unsigned connections() const;
    const Counters& counters() const { return counters_; }

private:
    struct Connection {
        enum class State { free, reads, sends, lingers } state = State::free;
        Server* server = nullptr;
        tcp_pcb* pcb = nullptr;
        u32 since = 0;            ///< when it came to what it does now, by lwIP's clock
        u32 patience = 0;         ///< how long that may last, in milliseconds
        u32 progress = 0;         ///< bytes that the client has acknowledged since then
        bool last = false;        ///< no request may follow
        bool client_done = false; ///< it sends no more

        char received[TCP_WND]; ///< what was not acknowledged to the client, so that it cannot send more
        size_t received_bytes = 0;

        char text[longest_page + 512]; ///< head of the response, and a page made on the spot
        size_t text_bytes = 0, text_sent = 0;
        /// What follows, `body_bytes` of it, again and again until `body_left` are sent; `body_at` comes next.
        const char* body = nullptr;
        size_t body_bytes = 0, body_at = 0;
        u64 body_left = 0;
    };

    static err_t on_accept(void* server, tcp_pcb* pcb, err_t error);
    static err_t on_received(void* connection, tcp_pcb* pcb, pbuf* data, err_t error);
    static err_t on_sent(void* connection, tcp_pcb* pcb, u16_t bytes);
    static void on_error(void* connection, err_t error);

    bool accept(tcp_pcb* pcb);
    Connection* place();
    void receive(Connection& connection, const pbuf& data);
    void go_on(Connection& connection);
    bool read(Connection& connection);
    void consume(Connection& connection, size_t bytes);
    void answer(Connection& connection, const Request& request);
    void refuse(Connection& connection, u16 status, bool head_only);
    void begin_response(Connection& connection, u16 status, const char* type, u64 bytes);
    void append(Connection& connection, std::string_view text);
    bool send(Connection& connection);
    void close_slowly(Connection& connection);
    void close(Connection& connection);
    void abort(Connection& connection);
    static void enter(Connection& connection, Connection::State state, u32 patience);

    Content content_;
    Counters counters_;
    char made_[longest_page]; // a page, until it is in its response
    tcp_pcb* listens_ = nullptr;
    bool ends_ = false;
    Connection connections_[most_connections];
};

}
