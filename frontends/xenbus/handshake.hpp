// What to do next with a device, from what the store says about its backend: the frontend's side of the xenbus
// handshake. (The backend's is in backends/lib/xenbus.hpp.)
//
//   frontend  1 Initialising --offer--> 3 Initialised --connect--> 4 Connected --> 5 Closing --> 6 Closed
//   backend   1 Initialising --> 2 InitWait ............ 4 Connected ............. 5 ........... 6
//
// A backend that dies and is started again unnoticed (ours can) is none of our business: its state stays 4. One that
// begins anew goes back to 2, or closes while the device is online: we let go of what the old one had, and offer again;
// what was in service is asked once more. A backend that wants the device's end says so by 5, and by online = 0.
#pragma once

#include "hypervisor/abi/io/xenbus.hpp"

namespace xylem::frontends {

using abi::io::XenbusState;

enum class Stage {
    waiting,   ///< state 1: for the backend to say what it can do
    offered,   ///< state 3 (a vif: 4 already): our rings are in the store
    connected, ///< state 4
    closing,   ///< state 5: we want the end; the backend has not let go yet
    closed,    ///< state 6: nothing is held
};

/// What the store says, and what we want.
struct Seen {
    XenbusState back = XenbusState::unknown; ///< unknown also if the backend's folder has gone
    bool online = false;
    bool wanted = true;    ///< false: close() was called, or the backend broke the protocol
    bool may_retry = true; ///< false: it has refused what we offer, time and again
};

enum class Step {
    nothing,
    offer,        ///< make rings, write where they are, state 3 or 4
    connect,      ///< read what the device is, state 4
    ask_to_close, ///< state 5
    let_go,       ///< give up the rings, state 6
    begin_anew,   ///< give up the rings if there are any, state 1
};

Step next_step(Stage stage, const Seen& seen);

}
