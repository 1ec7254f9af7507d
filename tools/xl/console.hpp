// The terminal at a guest's console.
#pragma once

#include "tools/xl/session.hpp"

#include <functional>

namespace xylem::xl {

/// Joins our terminal to a console of `domain` (0, or the number of a channel on a pty), until Ctrl-] is typed or the
/// domain ends. Calls `when_joined` once nothing that the guest says can be missed.
void attach_console(Session& session, DomId domain, unsigned number, const std::function<void()>& when_joined = {});

}
