// Live update: another binary becomes this process.
//
// What a daemon's death does not harm, its change into another one does not harm either: the state and the records lie
// in the file in memory that the keeper holds, and the new binary asks the keeper for it and for the clients' sockets
// as any successor does. So the process becomes the new binary in the middle of the request that asks for it, and the
// new one, which finds that request begun, is the one that answers it.
#pragma once

#include <string>
#include <vector>

namespace xylem::xenstore {

/// Runs `file` in this process, with the words of `command_line`, or with `arguments` if it is empty.
/// @return only if that is impossible: why
std::string give_way_to(const std::string& file, const std::string& command_line,
                        const std::vector<std::string>& arguments);

/// This process was another daemon, which gave way to us.
bool has_taken_over();

}
