// What the toolstack wants of this domain: it writes a word to control/shutdown (xl shutdown, xl reboot).
#pragma once

#include "frontends/guest/guest.hpp"

#include <optional>

namespace xylem::guest {

/// Says that this guest heeds orders, and follows them from here on. Without it `xl shutdown` says that the guest does
/// not take part.
void follow_orders();
/// What was ordered, once it was: poweroff or reboot. For shut_down(), when the program has put its things in order.
std::optional<abi::ShutdownReason> ordered_end();

}
