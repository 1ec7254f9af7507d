// Messages of the xenstore protocol: a header, then a payload of strings that end in zero bytes.
// (Xen: docs/misc/xenstore.txt; public/io/xs_wire.h)
#pragma once

#include "hypervisor/abi/io/xs_wire.hpp"
#include "hypervisor/base/result.hpp"

#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace xylem::xenstore {

using abi::io::XsMessageHeader;
using abi::io::XsMessageType;

struct Message {
    XsMessageType type{};
    u32 req_id = 0;
    u32 tx_id = 0;
    std::string payload;
};

/// Header and payload as they go over the wire.
std::string encode(const Message& message);

/// "READ" and so on, for logs; "unknown" for a number without a meaning.
std::string_view name_of(XsMessageType type);

/// The wire's word for an error; one without a word is told as EIO.
std::string_view wire_name(Error error);
/// The error of a word; nothing for an unknown word.
std::optional<Error> error_of(std::string_view wire_name);

/// All zero-terminated strings of `payload`; what follows the last zero byte is left out.
std::vector<std::string_view> strings_of(std::string_view payload);
/// The only string of `payload`, which ends with its zero byte.
/// @return Invalid  there are none or more, or the zero byte is missing
Result<std::string_view> only_string_of(std::string_view payload);
/// A decimal number that fills `text`.
template <typename Number> Result<Number> parse_number(std::string_view text);

/// Puts a stream of bytes together to messages.
class Assembler {
public:
    void append(std::string_view bytes) { bytes_ += bytes; }
    /// A whole message, taken off the stream; nothing yet if it is incomplete.
    /// @return TooBig  its header announces more than the protocol permits: the stream is lost
    Result<std::optional<Message>> next();
    /// Bytes missing before next() says more than that it is incomplete, as far as is known: never more than the
    /// message needs.
    std::size_t wanted() const;
    std::string_view buffered() const { return std::string_view(bytes_).substr(start_); }
    void clear();

private:
    std::optional<XsMessageHeader> header() const;

    std::string bytes_;
    std::size_t start_ = 0;
};

}
