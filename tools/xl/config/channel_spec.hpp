// Channels of a configuration: consoles beside the first, for programs.
#pragma once

#include <string>
#include <vector>

namespace xylem::xl::config {

struct ChannelSpec {
    std::string name;        ///< by which a program in the guest finds it
    std::string socket_path; ///< where it listens in dom0; empty: it is a pty
    std::string backend_domain;
};

/// A guest's channels are its consoles from number 1 on, and Linux takes the last digit alone for the number.
inline constexpr std::size_t most_channels = 9;

/// What is wrong with the last of `channels`, as a sentence; empty if nothing is.
std::string complaint_of_last(const std::vector<ChannelSpec>& channels);

}
