// How xl gives up: an exception whose text is one sentence for the person at the terminal. main prints it and exits
// with 1; what was begun is undone by the destructors that the exception passes.
#pragma once

#include <fmt/format.h>
#include <stdexcept>

namespace xylem::xl {

class Failure : public std::runtime_error {
public:
    using std::runtime_error::runtime_error;
};

template <typename... Arguments> [[noreturn]] void fail(fmt::format_string<Arguments...> text, Arguments&&... arguments)
{
    throw Failure(fmt::format(text, std::forward<Arguments>(arguments)...));
}

}
