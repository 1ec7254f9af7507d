// channel-list: the streams of bytes between programs in a guest and in dom0.
#pragma once

#include "dom0/lib/program.hpp"

namespace xylem::xl::commands {

void add_channel(dom0::Command xl);

}
