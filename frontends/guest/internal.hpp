// What the parts of the mini kernel do at start, in this order.
#pragma once

namespace xylem::guest {
void initialise_memory();
void initialise_traps();
void initialise_console();
}
