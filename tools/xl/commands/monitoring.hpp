// Those of xl's commands that look: top, metrics, explain.
#pragma once

#include <CLI/CLI.hpp>

namespace xylem::xl::commands {

void add_monitoring(CLI::App& xl);

}
