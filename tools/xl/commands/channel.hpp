// channel-list: the streams of bytes between programs in a guest and in dom0.
#pragma once

#include <CLI/CLI.hpp>

namespace xylem::xl::commands {

void add_channel(CLI::App& xl);

}
