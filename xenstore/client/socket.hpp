// Where the daemon's socket is, and the way there.
#pragma once

#include <string>

namespace xylem::xenstore {

/// $XENSTORED_PATH, else $XENSTORED_RUNDIR/socket, else /run/xenstored/socket.
std::string socket_path();

/// @return a file descriptor, or -1 with errno
int connect_to_socket(const std::string& path);

}
