// HTTP for one page, which programs on this machine ask for now and then. (metrics.hpp)
//
// Nobody is trusted. A request has a size and a connection a deadline; there is room for a few connections, and when
// one more comes, the oldest makes way: who asks properly is answered at once and gone, so the oldest is one that does
// not. The page is made at most once a second, however often it is asked for.
#include "dom0/lib/fd.hpp"
#include "tools/xl/failure.hpp"
#include "tools/xl/monitoring/metrics.hpp"

#include <algorithm>
#include <arpa/inet.h>
#include <cerrno>
#include <charconv>
#include <csignal>
#include <deque>
#include <netinet/in.h>
#include <poll.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <unistd.h>

namespace xylem::xl {

namespace {

using Clock = std::chrono::steady_clock;

constexpr std::size_t most_clients = 16;
constexpr std::size_t most_request_bytes = 8192;
constexpr std::chrono::seconds patience{5};
constexpr std::chrono::seconds page_lifetime{1};
constexpr const char* page_type = "application/openmetrics-text; version=1.0.0; charset=utf-8";
constexpr const char* text_type = "text/plain; charset=utf-8";

struct Answer {
    std::string_view status;
    std::string_view type;
    std::string body;
};

std::string to_http(const Answer& answer, bool with_body)
{
    return fmt::format("HTTP/1.1 {}\r\nContent-Type: {}\r\nContent-Length: {}\r\nConnection: close\r\n{}\r\n{}",
                       answer.status, answer.type, answer.body.size(),
                       answer.status.starts_with("405") ? "Allow: GET, HEAD\r\n" : "", with_body ? answer.body : "");
}

/// What a request is for, from its first line.
struct RequestLine {
    std::string_view method, target;

    static std::optional<RequestLine> parse(std::string_view text)
    {
        const std::string_view line = text.substr(0, text.find_first_of("\r\n"));
        const auto first = line.find(' ');
        const auto second = line.find(' ', first + 1);
        if (first == std::string_view::npos || second == std::string_view::npos || first == 0 ||
            !line.substr(second + 1).starts_with("HTTP/1."))
            return std::nullopt;
        const std::string_view target = line.substr(first + 1, second - first - 1);
        return RequestLine{line.substr(0, first), target.substr(0, target.find('?'))};
    }
};

class Page {
public:
    explicit Page(const std::function<std::string()>& collect) : collect_(collect) {}

    Answer get()
    {
        if (made_ && Clock::now() - *made_ < page_lifetime)
            return answer_;
        try {
            answer_ = {"200 OK", page_type, collect_()};
        } catch (const std::exception& error) {
            answer_ = {"503 Service Unavailable", text_type, fmt::format("{}\n", error.what())};
        }
        made_ = Clock::now();
        return answer_;
    }

private:
    const std::function<std::string()>& collect_;
    std::optional<Clock::time_point> made_;
    Answer answer_;
};

std::string answer_to(std::string_view request, Page& page)
{
    const auto line = RequestLine::parse(request);
    if (!line)
        return to_http({"400 Bad Request", text_type, "this is no HTTP/1 request\n"}, true);
    const bool is_head = line->method == "HEAD";
    if (!is_head && line->method != "GET")
        return to_http({"405 Method Not Allowed", text_type, "there is only something to GET\n"}, true);
    if (line->target == "/")
        return to_http({"200 OK", text_type, "xl metrics: see /metrics\n"}, !is_head);
    if (line->target != "/metrics")
        return to_http({"404 Not Found", text_type, "there is only /metrics\n"}, !is_head);
    return to_http(page.get(), !is_head);
}

class HttpClient {
public:
    explicit HttpClient(dom0::Fd fd) : fd_(std::move(fd)), deadline_(Clock::now() + patience) {}

    pollfd waits_for() const
    {
        return {fd_.get(), static_cast<short>(state_ == State::answering ? POLLOUT : POLLIN), 0};
    }
    Clock::time_point deadline() const { return deadline_; }

    /// Goes on as far as it goes without waiting.
    /// @return false  nothing more is to be done for it
    bool serve(Page& page)
    {
        if (state_ == State::asking && !take_request(page))
            return false;
        if (state_ == State::answering && !send_answer())
            return false;
        return state_ != State::leaving || !has_left();
    }

private:
    enum class State { asking, answering, leaving };

    bool take_request(Page& page)
    {
        char bytes[2048];
        const ssize_t count = recv(fd_.get(), bytes, sizeof bytes, MSG_DONTWAIT);
        if (count <= 0)
            return count < 0 && (errno == EAGAIN || errno == EINTR);
        request_.append(bytes, static_cast<std::size_t>(count));
        if (request_.find("\r\n\r\n") != std::string::npos || request_.find("\n\n") != std::string::npos)
            answer_ = answer_to(request_, page);
        else if (request_.size() > most_request_bytes)
            answer_ = to_http({"431 Request Header Fields Too Large", text_type, "the request is too long\n"}, true);
        else
            return true;
        state_ = State::answering;
        return true;
    }
    bool send_answer()
    {
        const ssize_t count =
            send(fd_.get(), answer_.data() + sent_, answer_.size() - sent_, MSG_DONTWAIT | MSG_NOSIGNAL);
        if (count < 0)
            return errno == EAGAIN || errno == EINTR;
        sent_ += static_cast<std::size_t>(count);
        if (sent_ == answer_.size()) {
            // Closed with input unread, the connection would be reset, and the answer might be lost on its way.
            shutdown(fd_.get(), SHUT_WR);
            state_ = State::leaving;
        }
        return true;
    }
    bool has_left()
    {
        char unwanted[2048];
        const ssize_t count = recv(fd_.get(), unwanted, sizeof unwanted, MSG_DONTWAIT);
        return count == 0 || (count < 0 && errno != EAGAIN && errno != EINTR);
    }

    dom0::Fd fd_;
    Clock::time_point deadline_;
    State state_ = State::asking;
    std::string request_, answer_;
    std::size_t sent_ = 0;
};

/// An address of either family.
struct SocketAddress {
    union {
        sockaddr any{};
        sockaddr_in four;
        sockaddr_in6 six;
    };
    socklen_t size = 0; ///< 0: it was none

    explicit SocketAddress(const ListenPlace& place)
    {
        if (in_addr number; inet_pton(AF_INET, place.address.c_str(), &number) == 1) {
            four = {AF_INET, htons(place.port), number, {}};
            size = sizeof four;
        } else if (in6_addr long_number; inet_pton(AF_INET6, place.address.c_str(), &long_number) == 1) {
            six = {AF_INET6, htons(place.port), 0, long_number, 0};
            size = sizeof six;
        }
    }
    u16 port() const { return ntohs(any.sa_family == AF_INET ? four.sin_port : six.sin6_port); }
};

dom0::Fd listen_at(const ListenPlace& place, u16& port)
{
    SocketAddress address(place);
    dom0::Fd fd(socket(address.any.sa_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
    const int on = 1;
    if (!fd || setsockopt(fd.get(), SOL_SOCKET, SO_REUSEADDR, &on, sizeof on) < 0 ||
        bind(fd.get(), &address.any, address.size) < 0 || listen(fd.get(), most_clients) < 0 ||
        getsockname(fd.get(), &address.any, &address.size) < 0)
        dom0::throw_errno(fmt::format("cannot listen at port {} of {}", place.port, place.address));
    port = address.port();
    return fd;
}

class Server {
public:
    Server(dom0::Fd listener, const std::function<std::string()>& collect)
        : listener_(std::move(listener)), signals_(dom0::take_signals({SIGINT, SIGTERM, SIGHUP})), page_(collect)
    {
    }

    void run()
    {
        for (;;) {
            std::vector<pollfd> waiting{{signals_.get(), POLLIN, 0}, {listener_.get(), POLLIN, 0}};
            for (const HttpClient& client : clients_)
                waiting.push_back(client.waits_for());
            poll(waiting.data(), waiting.size(), milliseconds_to_wait());
            if (waiting[0].revents != 0)
                return;
            serve(waiting);
            if (waiting[1].revents != 0)
                accept_one();
        }
    }

private:
    int milliseconds_to_wait() const
    {
        if (clients_.empty())
            return -1;
        const auto left = clients_.front().deadline() - Clock::now(); // the oldest's is the first
        return static_cast<int>(std::max<i64>(std::chrono::ceil<std::chrono::milliseconds>(left).count(), 0));
    }
    void serve(const std::vector<pollfd>& ready)
    {
        const auto now = Clock::now();
        std::size_t i = 2;
        std::erase_if(clients_, [&](HttpClient& client) {
            const bool due = ready[i++].revents != 0;
            return client.deadline() <= now || (due && !client.serve(page_));
        });
    }
    void accept_one()
    {
        dom0::Fd fd(accept4(listener_.get(), nullptr, nullptr, SOCK_CLOEXEC | SOCK_NONBLOCK));
        if (!fd)
            return; // it has gone again
        if (clients_.size() == most_clients)
            clients_.pop_front();
        clients_.emplace_back(std::move(fd));
    }

    dom0::Fd listener_;
    dom0::Fd signals_;
    Page page_;
    std::deque<HttpClient> clients_; // in order of arrival
};

}

ListenPlace parse_listen_place(const std::string& text)
{
    const auto colon = text.rfind(':');
    ListenPlace place{colon == std::string::npos ? "127.0.0.1" : text.substr(0, colon), 0};
    if (place.address.starts_with('[') && place.address.ends_with(']'))
        place.address = place.address.substr(1, place.address.size() - 2);
    const char* digits = text.data() + (colon == std::string::npos ? 0 : colon + 1);
    const char* end = text.data() + text.size();
    const auto [stop, error] = std::from_chars(digits, end, place.port);
    if (error != std::errc() || stop != end)
        fail("'{}' is no place to listen at; expected a port, or an address and a port: 9417, 127.0.0.1:9417, "
             "[::1]:9417",
             text);
    if (SocketAddress(place).size == 0)
        fail("'{}' is no address of a network interface; expected one in numbers, as 127.0.0.1", place.address);
    return place;
}

void serve_metrics(const ListenPlace& place, const std::function<std::string()>& collect,
                   const std::function<void(u16 port)>& on_ready)
{
    u16 port = 0;
    Server server(listen_at(place, port), collect);
    on_ready(port);
    server.run();
}

}
