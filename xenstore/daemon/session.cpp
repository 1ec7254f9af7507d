// See session.hpp.
#include "xenstore/daemon/session.hpp"

#include "xenstore/store/archive.hpp"

#include <algorithm>
#include <cstring>

namespace xylem::xenstore {

namespace {

/// So many daemons may fall over one request before it is refused.
constexpr u32 most_attempts = 3;

/// So many requests of one client are served before the next client's turn. Their replies leave together: each by
/// itself would cost a system call, and wake a client that waits for the last of them.
constexpr unsigned most_in_a_turn = 16;

}

bool Session::pump()
{
    if (is_broken_ || is_over_ || !link_)
        return false;
    flush();
    bool may_have_more = true;
    for (unsigned served = 0; served < most_in_a_turn && may_have_more; ++served) {
        may_have_more = serve_next();
        if (server_.has_met_want())
            return true; // nothing leaves before the daemon has saved what memory made of this
    }
    flush();
    if (is_broken_ || is_over_)
        return false;
    const bool accepts = server_.accepts_requests(connection_);
    link_->set_interest(accepts, !connection_.output.empty());
    return accepts && has_more(); // also where it had too many replies to read until a moment ago
}

/// @return whether there may be another request of which nobody will tell us
bool Session::serve_next()
{
    if (is_broken_ || is_over_ || !server_.accepts_requests(connection_))
        return false;
    const std::optional<Message> request = next_request();
    if (!request)
        return false;
    journal_.append(Journal::Kind::request, connection_.id);
    log_.access("IN", connection_.id, name_of(request->type), request->payload);
    serve(*request);
    return has_more();
}

bool Session::has_more() const
{
    return assembler_.wanted() == 0 || link_->has_unread();
}

void Session::serve(const Message& request)
{
    if (journal_.begin_request() > most_attempts) {
        journal_.refuse_request();
        fail(Link::Fault::bad_message, "this daemon does not survive what it asks for");
        return;
    }
    try {
        server_.handle(connection_, request);
    } catch (const std::bad_alloc&) {
        // There is no memory even for the reply, and a client that misses one is lost.
        fail(Link::Fault::bad_message, "there is no memory for its replies");
    }
    journal_.end_request();
}

void Session::flush()
{
    while (!is_broken_ && !is_over_ && !connection_.output.empty()) {
        const std::string_view bytes = connection_.output.front();
        const std::optional<std::size_t> sent = link_->send(journal_, connection_.id, bytes);
        if (!sent)
            return fail(Link::Fault::bad_indices, "its reply ring has impossible indices, or it hung up");
        if (*sent == 0)
            return;
        if (log_.shows_requests)
            log_output(bytes.substr(0, *sent));
        progress_.sent += static_cast<u32>(*sent);
        server_.sent(connection_, *sent);
    }
}

/// Of messages that leave as a whole.
void Session::log_output(std::string_view bytes)
{
    bytes.remove_prefix(std::min(bytes.size(), connection_.output.rest_of_begun()));
    XsMessageHeader header;
    while (bytes.size() >= sizeof header) {
        std::memcpy(&header, bytes.data(), sizeof header);
        bytes.remove_prefix(sizeof header);
        if (bytes.size() < header.len)
            return;
        log_.access("OUT", connection_.id, name_of(header.type), bytes.substr(0, header.len));
        bytes.remove_prefix(header.len);
    }
}

std::optional<Message> Session::next_request()
{
    // A header, then a payload: two reads at most make a message whole.
    for (int attempt = 0; attempt < 3; ++attempt) {
        Result<std::optional<Message>> next = assembler_.next();
        if (!next.ok()) {
            fail(Link::Fault::bad_message, "it announced a message longer than the protocol permits");
            return std::nullopt;
        }
        if (std::optional<Message> message = next.take())
            return message;
        if (!link_->has_unread())
            return std::nullopt;
        const std::optional<std::string_view> got = link_->receive(journal_, connection_.id, assembler_.wanted());
        if (!got) {
            fail(Link::Fault::bad_indices, "its request ring has impossible indices, or it hung up");
            return std::nullopt;
        }
        if (got->empty())
            return std::nullopt;
        on_received(*got);
    }
    return std::nullopt;
}

void Session::fail(Link::Fault fault, const char* what)
{
    if (peer_ == Peer::process) {
        is_over_ = true; // and the end is journaled by whoever makes it
        return;
    }
    journal_.append(Journal::Kind::fault, connection_.id, static_cast<u32>(fault));
    on_fault();
    if (link_)
        link_->report(fault);
    if (!std::exchange(has_been_reported_, true))
        log_.line("domain {} is not listened to any more: {}", connection_.subject.domain.value, what);
}

void Session::start_anew()
{
    assembler_.clear();
    progress_ = {};
    is_broken_ = false;
}

void Session::on_received(std::string_view bytes)
{
    progress_.received += static_cast<u32>(bytes.size());
    assembler_.append(bytes);
}

std::string Session::on_sent(std::size_t bytes)
{
    std::string last(connection_.output.front().substr(0, bytes));
    progress_.sent += static_cast<u32>(bytes);
    server_.sent(connection_, bytes);
    return last;
}

void Session::on_request()
{
    Result<std::optional<Message>> next = assembler_.next();
    if (!next.ok() || !next.value())
        throw std::runtime_error("the journal tells of a request that never came");
    serve(*next.take());
}

void Session::on_refused()
{
    (void)assembler_.next();
}

void Session::on_fault()
{
    is_broken_ = true;
    server_.ignore(connection_);
}

template <typename Archive> void Session::archive(Archive& with)
{
    std::string incomplete(assembler_.buffered());
    xenstore::archive(with, incomplete);
    if constexpr (Archive::loads)
        assembler_.append(incomplete);
    xenstore::archive(with, progress_.received);
    xenstore::archive(with, progress_.sent);
    xenstore::archive(with, is_broken_);
}
template void Session::archive(Saver&);
template void Session::archive(Loader&);

}
