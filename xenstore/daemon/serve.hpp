// Sets the stage for the daemon and serves until it is told to stop.
#pragma once

#include "xenstore/daemon/domains.hpp"

namespace xylem::xenstore {

using MakeDomains = std::function<std::unique_ptr<Domains>()>;

/// @return the exit status
int serve(int argc, char** argv, const MakeDomains& make_domains);

}
