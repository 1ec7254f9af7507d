// A confined process beside the test's own.
#pragma once

#include "backends/lib/confine.hpp"

#include <cstdio>
#include <exception>
#include <functional>
#include <sys/wait.h>
#include <unistd.h>

namespace xylem::backends::test {

/// Runs `body` in a child. @return what `body` said; 255 if it threw; 256 and its number if a signal ended it
inline int in_a_child(const std::function<int()>& body)
{
    const pid_t child = fork();
    if (child == 0) {
        alarm(60); // hanging is a way to fail, too
        try {
            _exit(body());
        } catch (const std::exception& error) {
            std::fprintf(stderr, "%s\n", error.what());
            _exit(255);
        }
    }
    int status = 0;
    waitpid(child, &status, 0);
    return WIFEXITED(status) ? WEXITSTATUS(status) : 256 + WTERMSIG(status);
}

/// The same, in a child that confines itself first.
inline int confined(const Needs& needs, const std::function<int()>& body)
{
    return in_a_child([&] {
        confine(needs);
        return body();
    });
}

}
