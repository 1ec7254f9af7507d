// See client.hpp. Here: the connection.
#include "xenstore/client/client.hpp"

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <fcntl.h>
#include <poll.h>
#include <unistd.h>
#include <utility>

namespace xylem::xenstore {

namespace {

[[noreturn]] void throw_lost(const char* what)
{
    throw StoreError(Error::IoError, std::string("xenstored is gone: ") + what);
}

/// Few enough that neither their bytes nor those of the replies fill a socket: the daemon never waits for us to read
/// while we wait for it.
constexpr std::size_t most_on_a_socket = 24;

std::string zero_terminated(std::string_view text)
{
    return std::string(text) + '\0';
}

std::string what_of(Error error)
{
    switch (error) {
    case Error::NoEntry:
        return "no such node";
    case Error::Access:
        return "permission denied";
    case Error::Exists:
        return "exists already";
    case Error::Invalid:
        return "not a valid argument";
    case Error::NoSpace:
        return "a quota of the domain is used up";
    case Error::TooBig:
        return "too big";
    default:
        return std::string(wire_name(error));
    }
}

}

Client::Client() : StoreView(*this, 0)
{
    const std::string socket = socket_path();
    fd_ = connect_to_socket(socket);
    if (fd_ >= 0) {
        most_together_ = most_on_a_socket;
        return; // the kernel's devices below take one request at a time
    }
    std::string tried = "no xenstored answers: " + socket + ": " + std::strerror(errno);
    for (const char* device : {"/dev/xen/xenbus", "/proc/xen/xenbus"}) {
        fd_ = open(device, O_RDWR | O_CLOEXEC);
        if (fd_ >= 0)
            return;
        tried += std::string("; ") + device + ": " + std::strerror(errno);
    }
    throw StoreError(Error::NoEntry, tried);
}

Client::Client(const std::string& path)
    : StoreView(*this, 0), fd_(connect_to_socket(path)), most_together_(most_on_a_socket)
{
    if (fd_ < 0)
        throw StoreError(Error::NoEntry, "no xenstored answers: " + path + ": " + std::strerror(errno));
}

Client::~Client()
{
    if (fd_ >= 0)
        close(fd_);
}

void Client::throw_refused(XsMessageType type, std::string_view subject, Error error)
{
    throw StoreError(error,
                     "xenstore: " + std::string(name_of(type)) + " " + std::string(subject) + ": " + what_of(error));
}

void Client::send(std::string_view bytes)
{
    while (!bytes.empty()) {
        const ssize_t sent = ::write(fd_, bytes.data(), bytes.size());
        if (sent < 0 && errno == EINTR)
            continue;
        if (sent <= 0)
            throw_lost(std::strerror(errno));
        bytes.remove_prefix(static_cast<std::size_t>(sent));
    }
}

bool Client::receive(Wait wait)
{
    pollfd poller{fd_, POLLIN, 0};
    if (wait == Wait::no && poll(&poller, 1, 0) != 1)
        return false;
    char buffer[8192];
    const ssize_t got = ::read(fd_, buffer, sizeof buffer);
    if (got < 0 && (errno == EINTR || errno == EAGAIN))
        return false;
    if (got <= 0)
        throw_lost(got == 0 ? "it closed the connection" : std::strerror(errno));
    assembler_.append({buffer, static_cast<std::size_t>(got)});
    for (;;) {
        Result<std::optional<Message>> next = assembler_.next();
        if (!next.ok())
            throw_lost("its answer makes no sense");
        std::optional<Message> message = next.take();
        if (!message)
            return true;
        if (message->type != XsMessageType::watch_event) {
            replies_.push_back(std::move(*message));
            continue;
        }
        const std::vector<std::string_view> words = strings_of(message->payload);
        if (words.size() >= 2)
            events_.push_back({std::string(words[0]), std::string(words[1])});
    }
}

std::optional<Message> Client::take_reply(u32 req_id)
{
    while (!replies_.empty()) {
        Message reply = std::move(replies_.front());
        replies_.pop_front();
        if (reply.req_id == req_id)
            return reply;
    }
    return std::nullopt;
}

std::optional<Message> Client::receive_reply(u32 id)
{
    std::optional<Message> reply;
    while (!(reply = take_reply(id)))
        receive(Wait::yes);
    return reply;
}

std::vector<Result<std::string>> Client::exchange(std::span<const Request> requests)
{
    std::vector<Result<std::string>> replies;
    while (replies.size() < requests.size()) {
        const auto batch =
            requests.subspan(replies.size()).first(std::min(most_together_, requests.size() - replies.size()));
        std::string bytes;
        for (std::size_t i = 0; i < batch.size(); ++i)
            bytes +=
                encode({batch[i].type, next_request_ + static_cast<u32>(i), batch[i].transaction, batch[i].payload});
        send(bytes);
        for (std::size_t i = 0; i < batch.size(); ++i) {
            Message reply = *receive_reply(next_request_++);
            if (reply.type == XsMessageType::error)
                replies.emplace_back(error_of(reply.payload.c_str()).value_or(Error::IoError));
            else
                replies.emplace_back(std::move(reply.payload));
        }
    }
    return replies;
}

Result<std::string> Client::try_request(XsMessageType type, u32 transaction, std::string payload)
{
    settle();
    if (payload.size() > abi::io::xenstore_payload_max)
        return Error::TooBig; // the daemon would close the connection
    const Request only{type, transaction, std::move(payload), {}};
    return std::move(exchange({&only, 1}).front());
}

std::string Client::request(XsMessageType type, u32 transaction, std::string payload, std::string_view subject)
{
    Result<std::string> reply = try_request(type, transaction, std::move(payload));
    if (!reply.ok())
        throw_refused(type, subject, reply.error());
    return reply.take();
}

void Client::post(Request request, Missing missing)
{
    if (request.payload.size() > abi::io::xenstore_payload_max)
        throw_refused(request.type, request.subject, Error::TooBig);
    const bool waits = batches_ && request.transaction != 0;
    posted_.push_back({std::move(request), missing});
    if (!waits)
        settle();
}

void Client::settle()
{
    if (posted_.empty())
        return;
    std::vector<Request> requests;
    for (Posted& posted : posted_)
        requests.push_back(std::move(posted.request));
    const std::vector<Posted> posted = std::exchange(posted_, {});
    const std::vector<Result<std::string>> replies = exchange(requests);
    for (std::size_t i = 0; i < replies.size(); ++i) {
        const bool is_fine = posted[i].missing == Missing::is_fine && replies[i] == Error::NoEntry;
        if (!replies[i].ok() && !is_fine)
            throw_refused(requests[i].type, requests[i].subject, replies[i].error());
    }
}

void Client::watch(std::string_view path, std::string_view token)
{
    request(XsMessageType::watch, 0, zero_terminated(path) + zero_terminated(token), path);
}

void Client::unwatch(std::string_view path, std::string_view token)
{
    request(XsMessageType::unwatch, 0, zero_terminated(path) + zero_terminated(token), path);
    // Events of a watch that is no more would surprise its former owner.
    std::erase_if(events_,
                  [&](const WatchEvent& event) { return event.token == token && event.path.starts_with(path); });
}

std::optional<WatchEvent> Client::next_event()
{
    while (events_.empty())
        if (!receive(Wait::no))
            return std::nullopt;
    WatchEvent event = std::move(events_.front());
    events_.pop_front();
    return event;
}

std::optional<WatchEvent> Client::wait_for_event(std::chrono::milliseconds timeout)
{
    using Clock = std::chrono::steady_clock;
    const Clock::time_point end = Clock::now() + timeout;
    for (;;) {
        if (std::optional<WatchEvent> event = next_event())
            return event;
        const auto left = std::chrono::ceil<std::chrono::milliseconds>(end - Clock::now());
        if (left.count() <= 0)
            return std::nullopt;
        pollfd poller{fd_, POLLIN, 0};
        poll(&poller, 1, static_cast<int>(left.count()));
    }
}

void Client::introduce(DomId domain, Gfn ring, Port port)
{
    const std::string id = std::to_string(domain.value);
    request(XsMessageType::introduce, 0,
            zero_terminated(id) + zero_terminated(std::to_string(ring.value)) +
                zero_terminated(std::to_string(port.value)),
            "domain " + id);
}

void Client::release(DomId domain)
{
    const std::string id = std::to_string(domain.value);
    request(XsMessageType::release, 0, zero_terminated(id), "domain " + id);
}

void Client::resume(DomId domain)
{
    const std::string id = std::to_string(domain.value);
    request(XsMessageType::resume, 0, zero_terminated(id), "domain " + id);
}

void Client::set_target(DomId domain, DomId target)
{
    const std::string id = std::to_string(domain.value);
    request(XsMessageType::set_target, 0, zero_terminated(id) + zero_terminated(std::to_string(target.value)),
            "domain " + id);
}

bool Client::is_introduced(DomId domain)
{
    const std::string id = std::to_string(domain.value);
    return request(XsMessageType::is_domain_introduced, 0, zero_terminated(id), "domain " + id).starts_with('T');
}

std::string Client::domain_path(DomId domain)
{
    const std::string id = std::to_string(domain.value);
    return request(XsMessageType::get_domain_path, 0, zero_terminated(id), "domain " + id).c_str();
}

std::string Client::control(std::span<const std::string> words)
{
    std::string payload;
    for (const std::string& word : words)
        payload += zero_terminated(word);
    return request(XsMessageType::control, 0, payload, words.empty() ? "" : words.front()).c_str();
}

}
