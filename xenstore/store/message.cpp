// See message.hpp.
#include "xenstore/store/message.hpp"

#include <array>
#include <charconv>
#include <cstring>

namespace xylem::xenstore {

namespace {

constexpr std::array<std::string_view, abi::io::xs_type_count> type_names = {
    "CONTROL",
    "DIRECTORY",
    "READ",
    "GET_PERMS",
    "WATCH",
    "UNWATCH",
    "TRANSACTION_START",
    "TRANSACTION_END",
    "INTRODUCE",
    "RELEASE",
    "GET_DOMAIN_PATH",
    "WRITE",
    "MKDIR",
    "RM",
    "SET_PERMS",
    "WATCH_EVENT",
    "ERROR",
    "IS_DOMAIN_INTRODUCED",
    "RESUME",
    "SET_TARGET",
    "unknown",
    "RESET_WATCHES",
    "DIRECTORY_PART",
};

struct ErrorWord {
    Error error;
    std::string_view word;
};
constexpr std::array error_words = {
    ErrorWord{Error::Invalid, "EINVAL"},  ErrorWord{Error::Access, "EACCES"},
    ErrorWord{Error::Exists, "EEXIST"},   ErrorWord{Error::NoEntry, "ENOENT"},
    ErrorWord{Error::NoMemory, "ENOMEM"}, ErrorWord{Error::NoSpace, "ENOSPC"},
    ErrorWord{Error::IoError, "EIO"},     ErrorWord{Error::NotImplemented, "ENOSYS"},
    ErrorWord{Error::Busy, "EBUSY"},      ErrorWord{Error::Again, "EAGAIN"},
    ErrorWord{Error::TooBig, "E2BIG"},    ErrorWord{Error::NotPermitted, "EPERM"},
};

}

std::string encode(const Message& message)
{
    const XsMessageHeader header{message.type, message.req_id, message.tx_id, static_cast<u32>(message.payload.size())};
    std::string bytes(sizeof header + message.payload.size(), '\0');
    std::memcpy(bytes.data(), &header, sizeof header);
    std::memcpy(bytes.data() + sizeof header, message.payload.data(), message.payload.size());
    return bytes;
}

std::string_view name_of(XsMessageType type)
{
    const auto number = static_cast<std::size_t>(type);
    return number < type_names.size() ? type_names[number] : "unknown";
}

std::string_view wire_name(Error error)
{
    for (const ErrorWord& entry : error_words)
        if (entry.error == error)
            return entry.word;
    return "EIO";
}

std::optional<Error> error_of(std::string_view wire_name)
{
    for (const ErrorWord& entry : error_words)
        if (entry.word == wire_name)
            return entry.error;
    return std::nullopt;
}

std::vector<std::string_view> strings_of(std::string_view payload)
{
    std::vector<std::string_view> strings;
    for (std::size_t end = payload.find('\0'); end != std::string_view::npos; end = payload.find('\0')) {
        strings.push_back(payload.substr(0, end));
        payload.remove_prefix(end + 1);
    }
    return strings;
}

Result<std::string_view> only_string_of(std::string_view payload)
{
    if (payload.empty() || payload.find('\0') != payload.size() - 1)
        return Error::Invalid;
    return payload.substr(0, payload.size() - 1);
}

template <typename Number> Result<Number> parse_number(std::string_view text)
{
    Number number{};
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
    if (error != std::errc() || end != text.data() + text.size())
        return Error::Invalid;
    return number;
}
template Result<u16> parse_number(std::string_view);
template Result<u32> parse_number(std::string_view);
template Result<i64> parse_number(std::string_view);

std::optional<XsMessageHeader> Assembler::header() const
{
    XsMessageHeader header;
    if (buffered().size() < sizeof header)
        return std::nullopt;
    std::memcpy(&header, buffered().data(), sizeof header);
    return header;
}

Result<std::optional<Message>> Assembler::next()
{
    const std::optional<XsMessageHeader> head = header();
    if (!head)
        return std::optional<Message>();
    if (head->len > abi::io::xenstore_payload_max)
        return Error::TooBig;
    if (buffered().size() < sizeof *head + head->len)
        return std::optional<Message>();
    Message message{head->type, head->req_id, head->tx_id, std::string(buffered().substr(sizeof *head, head->len))};
    start_ += sizeof *head + head->len;
    if (start_ == bytes_.size())
        clear();
    return std::optional<Message>(std::move(message));
}

std::size_t Assembler::wanted() const
{
    const std::optional<XsMessageHeader> head = header();
    if (head && head->len > abi::io::xenstore_payload_max)
        return 0;
    const std::size_t whole = sizeof(XsMessageHeader) + (head ? head->len : 0);
    return whole > buffered().size() ? whole - buffered().size() : 0;
}

void Assembler::clear()
{
    bytes_.clear();
    start_ = 0;
}

}
