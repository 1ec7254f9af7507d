// Telling the supervisor, if there is one, how a service is.
#pragma once

#include <string>

namespace xylem::dom0 {

/// In the words of sd_notify(3): "READY=1".
void notify_supervisor(const std::string& words);

}
