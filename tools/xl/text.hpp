// How numbers and sets are written.
#pragma once

#include "dom0/lib/hypervisor.hpp"

#include <string>

namespace xylem::xl {

/// "0-3,5", or "all" or "none".
std::string text_of(const dom0::CpuMap& map);
/// {0, 1, 2, 3, 5}
std::vector<u64> numbers_of(const dom0::CpuMap& map);

/// KiB of an amount in MiB, "256", or with a unit: 256m, 1g, 262144k, 268435456b.
/// @throws Failure
u64 parse_kib(const std::string& text);

std::string_view name_of(abi::SchedulerId scheduler);

/// What a guest has written, with '?' for each control character: it does not steer the terminal.
std::string printable(std::string_view text);

}
