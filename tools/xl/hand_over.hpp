// Leaving a process's memory to another process.
#pragma once

namespace xylem::xl {

extern "C" {

/// Ends this process with success, at once (no exit handler runs, nothing is flushed), and goes on in a new one that
/// has its memory, as it is, and copies of its files: what fork() and exit() would come to, without the copying of page
/// tables, the copies of pages that both write to, and the tearing down of the former. Only with a single thread.
/// @return 0 in the new process; -1, with errno set, in this one if there can be none
int xl_hand_over();
}

}
