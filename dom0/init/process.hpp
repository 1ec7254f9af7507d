// Starts the init's children, and hears from them: signals, and readiness as sd_notify(3) tells it.
#pragma once

#include "dom0/init/configuration.hpp"

#include <optional>
#include <string>
#include <vector>

#include <sys/types.h>

namespace xylem::init {

/// Blocks the signals that an init answers and gives the descriptor on which they arrive.
int take_signals();

/// The datagram socket whose path services find in $NOTIFY_SOCKET.
int make_notify_socket();

/// The sender of the next READY=1 that waits on the socket.
std::optional<pid_t> next_ready_notification(int socket);

/// Where a service's output goes.
std::string log_path(const Service& service);

/// Both fork and give the child's number, or -1 (and say why) when none can be made.
/// `keeper_channel` is the service's end of the channel to its keeper, or -1.
pid_t start_service(const Service& service, int keeper_channel);
pid_t start_on_console(const std::vector<std::string>& command);

/// Allows this process, though not its children, as many descriptors as there may be.
void allow_many_files();

bool takes_connections(const std::string& socket_path);

}
