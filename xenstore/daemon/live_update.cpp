// See live_update.hpp.
#include "xenstore/daemon/live_update.hpp"

#include "dom0/lib/keeper_protocol.hpp"
#include "xenstore/daemon/journal.hpp"

#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <fcntl.h>
#include <fstream>
#include <iterator>
#include <sstream>
#include <unistd.h>

namespace xylem::xenstore {

namespace {

constexpr const char* took_over_variable = "XENSTORED_TOOK_OVER";

/// @return why it would not go on where we stop; empty if it would
std::string obstacle(const std::string& file)
{
    if (file.front() != '/')
        return file + ": give its whole path";
    if (access(file.c_str(), X_OK) != 0)
        return file + ": " + std::strerror(errno);
    std::ifstream stream(file, std::ios::binary);
    const std::string content(std::istreambuf_iterator<char>(stream), {});
    if (content.find(Journal::mark()) == std::string::npos)
        return file + " is no xenstored that understands what this one keeps: \"" + std::string(Journal::mark()) +
               "\" does not stand in it";
    return {};
}

std::vector<std::string> words_of(const std::string& command_line)
{
    std::istringstream words(command_line);
    return {std::istream_iterator<std::string>(words), {}};
}

}

std::string give_way_to(const std::string& file, const std::string& command_line,
                        const std::vector<std::string>& arguments)
{
    const char* channel = std::getenv(dom0::keeper_variable);
    if (!channel)
        return "nobody keeps the clients' sockets for this daemon; it must be a service of a supervisor that does";
    if (const std::string why = obstacle(file); !why.empty())
        return why;
    std::vector<std::string> words = command_line.empty() ? arguments : words_of(command_line);
    words.insert(words.begin(), file);
    std::vector<char*> pointers;
    for (std::string& word : words)
        pointers.push_back(word.data());
    pointers.push_back(nullptr);

    setenv(took_over_variable, "1", 1);
    fcntl(std::atoi(channel), F_SETFD, 0);
    execv(file.c_str(), pointers.data());
    const std::string why = file + ": " + std::strerror(errno);
    fcntl(std::atoi(channel), F_SETFD, FD_CLOEXEC);
    return why;
}

bool has_taken_over()
{
    return std::getenv(took_over_variable) != nullptr;
}

}
