// `xl top` on a terminal, until the person there has seen enough.
#pragma once

#include "tools/xl/monitoring/table.hpp"

namespace xylem::xl {

/// @param iterations  how many samples to show; 0: without end
/// @throws Failure  there is no terminal. Whatever ends it, a signal too, leaves the terminal as it was.
void watch_on_screen(Session& session, View view, unsigned iterations);

}
