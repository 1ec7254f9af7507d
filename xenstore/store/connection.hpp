// A client: a process on the socket, or a domain on its ring.
#pragma once

#include "xenstore/store/output.hpp"
#include "xenstore/store/transaction.hpp"
#include "xenstore/store/watch.hpp"

namespace xylem::xenstore {

class Connection {
public:
    Connection(u32 number, const Subject& who, std::size_t event_limit) : id(number), subject(who), output(event_limit)
    {
    }

    const u32 id;
    Subject subject;
    Output output;
    std::map<std::pair<std::string, std::string>, Watch> watches; ///< by path and token
    std::map<u32, Transaction> transactions;
    u32 next_transaction = 1;
    bool has_lost_events = false; ///< of some watch: see Output
    /// It broke the protocol: nothing is read from it or sent to it any more. A domain stays so until it is gone.
    bool is_ignored = false;
};

}
