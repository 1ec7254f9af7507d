// Event channels. An event is a function call: the handler of a port runs when the program waits (tasks.hpp), in the
// order of ports, with no other code of the first vCPU at work. So handlers and tasks need no locks against each other.
// A handler must not wait.
//
// The hypervisor's upcalls stay masked; what is pending stands in shared_info (two levels, 4096 ports).
#pragma once

#include "frontends/guest/guest.hpp"

namespace xylem::guest {

using EventHandler = void (*)(void* context);

/// A port that `remote` may bind to. The errors of this and the next three are the hypervisor's.
Result<Port> allocate_port(DomId remote, EventHandler handler, void* context = nullptr);
/// Our end of a port that `remote` has allocated for us.
Result<Port> bind_port(DomId remote, Port remote_port, EventHandler handler, void* context = nullptr);
Result<Port> bind_virq(abi::Virq virq, EventHandler handler, void* context = nullptr);
/// A port that other vCPUs notify the first by.
Result<Port> bind_ipi(EventHandler handler, void* context = nullptr);
/// Takes over a port that exists already: start_info names two.
void handle_port(Port port, EventHandler handler, void* context = nullptr);

/// Wakes whoever has the other end.
void notify(Port port);
/// The handler is not called any more once this returns.
void close_port(Port port);

/// Calls the handlers of all that is pending. @return whether there was anything
bool dispatch_events();
/// Sleeps until an event is pending, or until `deadline` (system time; 0: none).
void block_until_event(u64 deadline);

}
