// What the files of the server share and nobody else needs.
#pragma once

#include "xenstore/store/server.hpp"

namespace xylem::xenstore {

/// A domain that was introduced, or that some node's permissions name.
struct Server::Domain {
    Holdings holdings;
    std::size_t watch_bytes = 0;
    std::size_t transaction_bytes = 0;
    u32 watches = 0;
    Connection* connection = nullptr; ///< set while it is introduced
    bool is_shut_down = false;
    bool is_above_soft_limit = false;
};

struct Server::Request {
    Connection& connection;
    const Message& message;
    Transaction* transaction = nullptr;
    Watch* new_watch = nullptr; ///< wants its first event after the reply

    const Subject& subject() const { return connection.subject; }
    std::string_view payload() const { return message.payload; }
};

struct Server::Operation {
    XsMessageType type;
    Handler handler;
    enum class Caller { any, privileged } caller = Caller::any;
    enum class Scope { transaction, store } scope = Scope::transaction; ///< `store` takes no notice of tx_id
};

/// The reply of requests that have nothing else to say.
inline std::string ok_reply()
{
    return std::string("OK", 3);
}
/// `text` with its zero byte.
inline std::string string_reply(std::string text)
{
    text.push_back('\0');
    return text;
}

}
