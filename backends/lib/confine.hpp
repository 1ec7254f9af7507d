// Takes from this process what it will not need: capabilities, and system calls.
//
// A guest that found a hole in a backend would have what the backend has. So, once its devices are open, a backend
// keeps the few capabilities that it names, can never gain any, and every system call outside of a short list fails
// with EPERM: no program is started, no process made or looked into, no memory made executable, no socket of a kind
// that it does not use.
#pragma once

#include <vector>

namespace xylem::backends {

struct Needs {
    std::vector<int> capabilities;    ///< CAP_...
    std::vector<int> socket_families; ///< beside AF_UNIX
    bool io_uring = false;            ///< goes on with the rings it has; new ones are not to be had
    bool listening = false;           ///< makes sockets that others connect to
};

/// For all threads, for ever.
/// @throws std::runtime_error  the kernel refuses
void confine(const Needs& needs);

}
