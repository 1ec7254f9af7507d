// HTTP/1 requests, as a server reads them that answers GET and HEAD and takes no content (RFC 9110, RFC 9112).
#pragma once

#include "hypervisor/base/types.hpp"

#include <string_view>

namespace xylem::http {

/// The longest head of a request (its lines up to the empty one), and the longest first line.
inline constexpr size_t longest_head = 8192, longest_line = 4096;

struct Request {
    enum class Method { get, head } method = Method::get;
    std::string_view path;   ///< begins with a slash; what followed a question mark is gone
    bool keep_alive = false; ///< the client may send another one
};

struct Parsed {
    enum class Outcome { incomplete, request, refused } outcome = Outcome::incomplete;
    Request request;
    size_t bytes = 0; ///< that the request has taken
    u16 status = 0;   ///< with which it is refused; what follows it cannot be read
};

/// Reads the request at the beginning of what has come. Its path points into that.
Parsed parse_request(std::string_view received);

}
