// The part of a TCP or UDP checksum that stays with the sender when the backend makes the rest.
#pragma once

#include "hypervisor/base/types.hpp"

#include <span>

namespace xylem::lwip {

/// Writes the sum over the pseudo-header (not complemented) to where the checksum of an Ethernet frame with IPv4 and
/// TCP or UDP stands. @return false  it is no such frame, or a fragment: nothing was written, and its checksum must be
/// whole
bool write_pseudo_checksum(std::span<u8> frame);

}
