// What to do next with a device, from what the store says about its two halves: the backend's side of the xenbus
// handshake.
//
//   backend   1 Initialising --prepare--> 2 InitWait --connect--> 4 Connected --> 5 Closing --> 6 Closed
//   frontend  1 Initialising ........... 3 Initialised or 4 Connected ......... 5 ............ 6
//
// The toolstack creates both halves in state 1, and asks for the end of a device by writing 5 into the backend's state
// and 0 into "online", or by removing the frontend's folder. A frontend that closes while the device is online may come
// back (a boot loader hands over to a kernel so). A backend that finds itself Connected at its own start had a
// predecessor, and resumes.
#pragma once

#include "hypervisor/abi/io/xenbus.hpp"

namespace xylem::backends {

using abi::io::XenbusState;

/// The node of a device's folder by which a toolstack asks for Linux's own backend. Ours pass such a device over.
inline constexpr const char* backend_type_node = "backend-type";
inline constexpr const char* linux_backend_type = "linux";

/// What the store says.
struct Seen {
    bool exists = false; ///< the backend's folder
    bool online = false;
    XenbusState own = XenbusState::unknown;
    XenbusState front = XenbusState::unknown;
};

/// What we have done so far.
enum class Stage {
    fresh,     ///< nothing
    prepared,  ///< the disk or interface is open, features are advertised
    connected, ///< the frontend's rings are served
    closed,    ///< the frontend has gone and may come back
    failed,    ///< nothing is held: the device cannot be had, as the toolstack is told
    refused,   ///< the frontend broke the rules: not served until it has started anew
    ended,     ///< nothing is held; the toolstack will remove the folder
};

enum class Step {
    nothing,
    forget,         ///< release all; the folder has gone
    renew,          ///< release all and begin again: the toolstack has made another device in the place of this one
    prepare,        ///< open, advertise, state 2
    prepare_resume, ///< open and connect where a predecessor stopped; the state stays 4
    reopen,         ///< advertise again, state 2
    connect,        ///< serve the rings, state 4
    acknowledge,    ///< state 5; goes on serving
    disconnect,     ///< stop serving, state 6
    disconnect_and_reopen, ///< the frontend started anew without closing
    end,                   ///< stop serving, release all, state 6
};

Step next_step(Stage stage, const Seen& seen);

}
