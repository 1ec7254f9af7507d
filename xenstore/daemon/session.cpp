// See session.hpp.
#include "xenstore/daemon/session.hpp"

#include <array>

namespace xylem::xenstore {

bool Session::pump()
{
    if (is_broken_)
        return false;
    flush();
    bool has_served = false;
    if (!is_broken_ && server_.accepts_requests(connection_)) {
        if (const std::optional<Message> request = next_request()) {
            if (log_.shows_requests)
                log_.line("domain {} connection {}: {} {}", connection_.subject.domain.value, connection_.id,
                          name_of(request->type), request->payload.c_str());
            serve(*request);
            has_served = true;
            flush();
        }
    }
    if (is_broken_)
        return false;
    const bool accepts = server_.accepts_requests(connection_);
    link_->set_interest(accepts, !connection_.output.empty());
    return accepts && (has_served ? !assembler_.buffered().empty() || link_->has_unread() : false);
}

void Session::serve(const Message& request)
{
    try {
        server_.handle(connection_, request);
    } catch (const std::bad_alloc&) {
        // There is no memory even for the reply, and a client that misses one is lost.
        fail(Link::Fault::bad_message, "there is no memory for its replies");
    }
}

void Session::flush()
{
    while (!is_broken_ && !connection_.output.empty()) {
        const std::optional<std::size_t> sent = link_->write(connection_.output.front());
        if (!sent)
            return fail(Link::Fault::bad_indices, "its reply ring has impossible indices, or it hung up");
        if (*sent == 0)
            return;
        server_.sent(connection_, *sent);
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
        std::array<char, sizeof(XsMessageHeader) + abi::io::xenstore_payload_max> buffer;
        const std::optional<std::size_t> got = link_->read(buffer, assembler_.wanted());
        if (!got) {
            fail(Link::Fault::bad_indices, "its request ring has impossible indices, or it hung up");
            return std::nullopt;
        }
        if (*got == 0)
            return std::nullopt;
        assembler_.append({buffer.data(), *got});
    }
    return std::nullopt;
}

void Session::fail(Link::Fault fault, const char* what)
{
    is_broken_ = true;
    link_->report(fault);
    server_.ignore(connection_);
    if (link_->ends_when_broken())
        is_over_ = true;
    else if (!std::exchange(has_been_reported_, true))
        log_.line("domain {} is not listened to any more: {}", connection_.subject.domain.value, what);
}

void Session::start_anew()
{
    assembler_.clear();
    is_broken_ = false;
}

}
