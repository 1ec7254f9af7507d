// Those of xl's commands that look: top, metrics, explain.
#pragma once

#include "dom0/lib/program.hpp"

namespace xylem::xl::commands {

void add_monitoring(dom0::Command xl);

}
