// See request.hpp. The strict reading throughout: what two readers could understand in two ways is refused.

#include "frontends/programs/http/request.hpp"

namespace xylem::http {
namespace {

constexpr u16 bad_request = 400, method_not_allowed = 405, content_too_large = 413, uri_too_long = 414,
              head_too_large = 431, not_implemented = 501, version_not_supported = 505;

struct Reader {
    std::string_view rest;
    size_t taken = 0;

    /// The next line, without its end. @return false  its end has not come yet
    bool line(std::string_view& out)
    {
        const size_t end = rest.find('\n');
        if (end == rest.npos)
            return false;
        out = rest.substr(0, end);
        if (out.ends_with('\r'))
            out.remove_suffix(1);
        rest.remove_prefix(end + 1);
        taken += end + 1;
        return true;
    }
};

bool is_token_byte(char c)
{
    const bool letter = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z'), digit = c >= '0' && c <= '9';
    return letter || digit || (c != 0 && std::string_view("!#$%&'*+-.^_`|~").find(c) != std::string_view::npos);
}

bool is_token(std::string_view text)
{
    for (const char c : text)
        if (!is_token_byte(c))
            return false;
    return !text.empty();
}

/// Visible bytes and those above 127.
bool is_visible(std::string_view text)
{
    for (const char c : text)
        if (static_cast<u8>(c) <= ' ' || c == 0x7f)
            return false;
    return !text.empty();
}

char small(char c)
{
    return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
}

/// Whether they are the same but for the case of letters. `word` is in small letters.
bool is_word(std::string_view text, std::string_view word)
{
    if (text.size() != word.size())
        return false;
    for (size_t i = 0; i < text.size(); ++i)
        if (small(text[i]) != word[i])
            return false;
    return true;
}

std::string_view trimmed(std::string_view text)
{
    const auto blank = [](char c) { return c == ' ' || c == '\t'; };
    while (!text.empty() && blank(text.front()))
        text.remove_prefix(1);
    while (!text.empty() && blank(text.back()))
        text.remove_suffix(1);
    return text;
}

/// Takes what stands before the first `separator`, and the separator.
std::string_view take_until(std::string_view& text, char separator)
{
    const size_t end = text.find(separator);
    const std::string_view part = text.substr(0, end);
    text.remove_prefix(end == text.npos ? text.size() : end + 1);
    return part;
}

/// The path in a target: "/path?query", or "http://host/path?query". Empty: it is neither.
std::string_view path_of(std::string_view target)
{
    if (target.size() > 7 && is_word(target.substr(0, 7), "http://")) {
        const size_t slash = target.find('/', 7);
        if (slash == target.npos)
            return "/";
        target.remove_prefix(slash);
    }
    return target.starts_with('/') ? target.substr(0, target.find('?')) : std::string_view();
}

/// What the lines of a head have said so far.
struct Head {
    Request request;
    bool version_1_1 = false;
    unsigned hosts = 0;
    bool closes = false, keeps = false;
};

/// The functions below @return 0, or the status with which the request is refused.
u16 read_version(std::string_view version, Head& head)
{
    const bool form = version.size() == 8 && version.starts_with("HTTP/") && version[6] == '.';
    if (!form || version[5] < '0' || version[5] > '9' || version[7] < '0' || version[7] > '9')
        return bad_request;
    if (version[5] != '1')
        return version_not_supported;
    head.version_1_1 = version[7] != '0';
    return 0;
}

u16 read_first_line(std::string_view line, Head& head)
{
    const std::string_view method = take_until(line, ' '), target = take_until(line, ' ');
    if (!is_token(method) || !is_visible(target))
        return bad_request;
    if (const u16 status = read_version(line, head))
        return status;
    if (method != "GET" && method != "HEAD")
        return method_not_allowed;
    head.request.method = method == "GET" ? Request::Method::get : Request::Method::head;
    head.request.path = path_of(target);
    return head.request.path.empty() ? bad_request : 0;
}

void read_connection(std::string_view value, Head& head)
{
    while (!value.empty()) {
        const std::string_view option = trimmed(take_until(value, ','));
        head.closes |= is_word(option, "close");
        head.keeps |= is_word(option, "keep-alive");
    }
}

u16 read_field(std::string_view line, Head& head)
{
    for (const char c : line)
        if ((static_cast<u8>(c) < ' ' && c != '\t') || c == 0x7f)
            return bad_request;
    if (line.find(':') == line.npos)
        return bad_request;
    const std::string_view name = take_until(line, ':'), value = trimmed(line);
    if (!is_token(name)) // a line that goes on with the one before, too
        return bad_request;
    if (is_word(name, "host"))
        ++head.hosts;
    else if (is_word(name, "connection"))
        read_connection(value, head);
    else if (is_word(name, "transfer-encoding"))
        return not_implemented;
    else if (is_word(name, "content-length") && value != "0")
        return content_too_large;
    return 0;
}

Parsed refused(u16 status)
{
    return {Parsed::Outcome::refused, {}, 0, status};
}

/// When more must come: not if it is too much already.
Parsed incomplete(std::string_view received, bool first_line_there)
{
    if (received.size() >= longest_head)
        return refused(first_line_there ? head_too_large : uri_too_long);
    return !first_line_there && received.size() >= longest_line ? refused(uri_too_long) : Parsed{};
}

}

Parsed parse_request(std::string_view received)
{
    Reader reader{received};
    Head head;
    std::string_view line;
    do { // a client may send an empty line behind the request before
        if (!reader.line(line))
            return incomplete(received, false);
    } while (line.empty() && reader.taken <= 2);
    if (line.size() > longest_line)
        return refused(uri_too_long);
    if (const u16 status = read_first_line(line, head))
        return refused(status);
    for (;;) {
        if (!reader.line(line))
            return incomplete(received, true);
        if (reader.taken > longest_head)
            return refused(head_too_large);
        if (line.empty())
            break;
        if (const u16 status = read_field(line, head))
            return refused(status);
    }
    if (head.hosts > 1 || (head.version_1_1 && head.hosts == 0))
        return refused(bad_request);
    head.request.keep_alive = !head.closes && (head.version_1_1 || head.keeps);
    return {Parsed::Outcome::request, head.request, reader.taken, 0};
}

}
