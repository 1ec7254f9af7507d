// What the init brings up, read from /etc/xylem/init.json.
#pragma once

#include "dom0/init/network.hpp"

#include <string>
#include <vector>

namespace xylem::init {

/// How one sees that a service serves.
enum class Readiness {
    exited,   // a program that runs to its end; the other kinds are a daemon's
    started,  // it has no sign of its own
    notified, // it says READY=1 on $NOTIFY_SOCKET, as sd_notify(3) does
    socket,   // the Unix socket `ready_path` takes connections
    file,     // the file `ready_path` exists
};

struct Service {
    std::string name;
    std::vector<std::string> command;
    Readiness readiness = Readiness::notified;
    std::string ready_path;
    std::string kept_socket;        // where its clients come in, if the init keeps them for it: see keeper.hpp
    std::vector<std::string> after; // names of services that must be ready before this one starts
};

struct Configuration {
    std::string host_name;
    std::vector<std::string> modules;
    Bridge bridge;
    std::vector<Service> services;
    std::string banner;
};

/// @throws std::runtime_error  naming the place and what was expected
Configuration parse_configuration(const std::string& text);

}
