// What a service and the one who keeps its sockets say to each other.
//
// A keeper accepts the connections to a service's socket and holds them, and a file in memory for the service's state,
// so that the service may be killed at any instruction. It starts the service with one end of a SOCK_SEQPACKET pair,
// whose number is in $XYLEM_KEEPER. The service asks to begin; then the keeper sends each descriptor with a message of
// its own: first the memory, then the clients that are connected, then a word that this was all, then each client that
// comes. The service says of which client it needs nothing any more; until then the keeper passes it to each successor,
// also to one that takes the service's place in the same process and asks again: what is on its way before the memory
// was meant for the predecessor and comes once more.
#pragma once

#include "hypervisor/base/types.hpp"

namespace xylem::dom0 {

inline constexpr const char* keeper_variable = "XYLEM_KEEPER";

struct KeeperMessage {
    enum class Kind : u32 {
        memory, ///< to the service, with the file
        client, ///< to the service, with a socket
        all,    ///< to the service: it has all now that was kept
        leave,  ///< to the keeper
        begin,  ///< to the keeper: pass all there is
    };
    Kind kind;
    u32 number; ///< of the client, counted from 1, never used twice
};

}
