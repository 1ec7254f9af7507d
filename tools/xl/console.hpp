// The terminal at a guest's console.
#pragma once

#include "tools/xl/session.hpp"

namespace xylem::xl {

/// Joins our terminal to the console of `domain`, until Ctrl-] is typed or the domain ends.
void attach_console(Session& session, DomId domain);

}
