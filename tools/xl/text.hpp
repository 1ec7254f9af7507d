// How numbers and sets are written.
#pragma once

#include "dom0/lib/hypervisor.hpp"

#include <string>

namespace xylem::xl {

/// "0-3,5", or "all" or "none".
std::string text_of(const dom0::CpuMap& map);

std::string_view name_of(abi::SchedulerId scheduler);

}
