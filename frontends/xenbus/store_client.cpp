// See store_client.hpp.

#include "frontends/xenbus/store_client.hpp"

#include "hypervisor/base/copy_once.hpp"

namespace xylem::frontends {
namespace {

constexpr u32 ring_bytes = abi::io::xenstore_ring_size;

struct ErrorWord {
    const char* word;
    Error error;
};
constexpr ErrorWord error_words[] = {
    {"ENOENT", Error::NoEntry}, {"EACCES", Error::Access}, {"EINVAL", Error::Invalid},
    {"EEXIST", Error::Exists},  {"EAGAIN", Error::Again},  {"ENOSPC", Error::NoSpace},
    {"E2BIG", Error::TooBig},   {"EBUSY", Error::Busy},    {"ENOMEM", Error::NoMemory}};

bool same(const char* a, const char* b)
{
    while (*a && *a == *b) {
        ++a;
        ++b;
    }
    return *a == *b;
}

Error error_of(const char* word)
{
    for (const ErrorWord& known : error_words)
        if (same(word, known.word))
            return known.error;
    return Error::IoError;
}

}

void StoreClient::begin_use()
{
    while (busy_)
        wait();
    busy_ = true;
}

/// Puts all of `data` into the ring, as the daemon makes room.
void StoreClient::send(const void* data, size_t bytes)
{
    auto* page = parts_.page;
    SharedWord produced(&page->req_prod), consumed(&page->req_cons);
    const char* from = static_cast<const char*>(data);
    while (bytes > 0 && !broken_) {
        const u32 at = produced.load();
        const u32 used = at - consumed.load();
        broken_ = used > ring_bytes;
        if (broken_ || used == ring_bytes) {
            if (!broken_)
                wait();
            continue;
        }
        u32 count = 0;
        for (; count < ring_bytes - used && bytes > 0; ++count, --bytes)
            page->req[(at + count) % ring_bytes] = *from++;
        produced.store(at + count);
        parts_.notify(parts_.context);
    }
}

/// Takes `bytes` out of the ring, as they come.
void StoreClient::receive(void* data, size_t bytes)
{
    auto* page = parts_.page;
    SharedWord produced(&page->rsp_prod), consumed(&page->rsp_cons);
    char* to = static_cast<char*>(data);
    while (bytes > 0 && !broken_) {
        const u32 at = consumed.load();
        const u32 there = produced.load() - at;
        broken_ = there > ring_bytes;
        if (broken_ || there == 0) {
            if (!broken_)
                wait();
            continue;
        }
        u32 count = 0;
        for (; count < there && bytes > 0; ++count, --bytes)
            *to++ = const_cast<const volatile char&>(page->rsp[(at + count) % ring_bytes]);
        consumed.store(at + count);
        parts_.notify(parts_.context); // there is room again
    }
}

/// The next message; its payload is in payload_, with a zero behind it.
StoreClient::Header StoreClient::receive_message()
{
    Header header{};
    receive(&header, sizeof header);
    if (header.len > abi::io::xenstore_payload_max)
        broken_ = true;
    if (broken_)
        return {};
    receive(payload_, header.len);
    payload_[header.len] = 0;
    return header;
}

bool StoreClient::message_waits()
{
    return SharedWord(&parts_.page->rsp_prod).load() != SharedWord(&parts_.page->rsp_cons).load();
}

/// An event's payload is a path and our token, each with its zero.
void StoreClient::note_event(u32 length)
{
    const size_t path_length = __builtin_strlen(payload_);
    if (path_length + 1 >= length)
        return;
    const auto token = number_in(payload_ + path_length + 1);
    for (Watch& watch : watches_)
        if (watch.handler && token == watch.token)
            watch.fired = true;
}

Result<size_t> StoreClient::ask_alone(Type type, const char* first, const char* second, End end, std::span<char> out)
{
    const size_t first_bytes = __builtin_strlen(first) + (second || end == End::with_zero);
    const size_t second_bytes = second ? __builtin_strlen(second) + (end == End::with_zero) : 0;
    if (first_bytes + second_bytes > abi::io::xenstore_payload_max)
        return Error::TooBig;
    const Header request{type, next_request_++, transaction_, static_cast<u32>(first_bytes + second_bytes)};
    send(&request, sizeof request);
    send(first, first_bytes);
    send(second, second_bytes);
    while (!broken_) {
        const Header reply = receive_message();
        if (reply.type == Type::watch_event) {
            note_event(reply.len);
            continue;
        }
        if (broken_ || reply.req_id != request.req_id)
            continue;
        if (reply.type == Type::error)
            return error_of(payload_);
        if (reply.len >= out.size() && !out.empty())
            return Error::TooBig;
        if (!out.empty())
            __builtin_memcpy(out.data(), payload_, reply.len + 1);
        return reply.len;
    }
    return Error::IoError;
}

Result<size_t> StoreClient::ask(Type type, const char* first, const char* second, End end, std::span<char> out)
{
    begin_use();
    auto result = ask_alone(type, first, second, end, out);
    end_use();
    return result;
}

Result<void> StoreClient::ask(Type type, const char* first, const char* second, End end)
{
    TRY(ask(type, first, second, end, {}));
    return {};
}

Result<size_t> StoreClient::read(const char* path, std::span<char> out)
{
    return ask(Type::read, path, nullptr, End::with_zero, out);
}

Result<void> StoreClient::write(const char* path, const char* value)
{
    return ask(Type::write, path, value, End::bare);
}

Result<void> StoreClient::remove(const char* path)
{
    return ask(Type::rm, path);
}

Result<size_t> StoreClient::list(const char* path, std::span<char> out)
{
    return ask(Type::directory, path, nullptr, End::with_zero, out);
}

Result<void> StoreClient::start_transaction()
{
    char id[16];
    TRY(ask(Type::transaction_start, "", nullptr, End::with_zero, id));
    const auto number = number_in(id);
    if (!number || *number == 0 || *number > 0xffffffff)
        return Error::IoError;
    transaction_ = static_cast<u32>(*number);
    return {};
}

Result<void> StoreClient::end_transaction(const char* verdict)
{
    auto result = ask(Type::transaction_end, verdict);
    transaction_ = 0;
    return result;
}

Result<void> StoreClient::commit_transaction()
{
    return end_transaction("T");
}

void StoreClient::abort_transaction()
{
    end_transaction("F").take();
}

Result<void> StoreClient::watch(const char* path, Handler on_change, void* context)
{
    for (Watch& watch : watches_) {
        if (watch.handler)
            continue;
        watch.path = Path("{}", path);
        watch.handler = on_change;
        watch.context = context;
        watch.token = next_token_++;
        watch.fired = false;
        const auto result = ask(Type::watch, path, Value("{}", watch.token).c_str());
        if (!result.ok())
            watch.handler = nullptr;
        return result;
    }
    return Error::NoSpace;
}

void StoreClient::unwatch(const char* path, void* context)
{
    for (Watch& watch : watches_) {
        if (!watch.handler || watch.context != context || !same(watch.path.c_str(), path))
            continue;
        watch.handler = nullptr; // an event that is on its way finds nothing
        ask(Type::unwatch, path, Value("{}", watch.token).c_str()).take();
        return;
    }
}

bool StoreClient::watches_fired()
{
    for (const Watch& watch : watches_)
        if (watch.handler && watch.fired)
            return true;
    return !busy_ && !broken_ && message_waits();
}

bool StoreClient::serve_watches()
{
    while (!busy_ && !broken_ && message_waits()) {
        busy_ = true;
        const Header message = receive_message();
        if (message.type == Type::watch_event)
            note_event(message.len);
        end_use();
    }
    bool any = false;
    for (Watch& watch : watches_) {
        if (!watch.handler || !watch.fired)
            continue;
        watch.fired = false;
        any = true;
        watch.handler(watch.context);
    }
    return any;
}

}
