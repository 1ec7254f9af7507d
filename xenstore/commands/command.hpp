// The store's commands: xenstore-read and its kin, one program that is told by its name or first argument which it is.
#pragma once

#include "xenstore/client/client.hpp"

#include <cstring>

namespace xylem::xenstore {

/// What the command line says.
struct Arguments {
    bool flat = false;    ///< -f
    bool prefix = false;  ///< -p
    bool tidy = false;    ///< -t
    bool upto = false;    ///< -u
    bool recurse = false; ///< -r
    bool raw = false;     ///< -R
    int events = -1;      ///< -n; negative: without end
    std::vector<std::string> words;
};

/// What is printed waits until the transaction has committed, or until it is clear that none will.
using Output = std::string;

/// Said as it is, after the command's name.
class CommandError : public std::runtime_error {
    using std::runtime_error::runtime_error;
};

/// Does it; where the store refuses, says so in the command's own words, which may use the reason.
template <typename Work, typename Words> auto saying(const Words& words, Work&& work)
{
    try {
        return work();
    } catch (const StoreError& error) {
        throw CommandError(words(std::strerror(static_cast<int>(error.error()))));
    }
}

struct Command {
    std::string_view name;
    std::string_view options; ///< letters it takes besides -h and -s; "+": what follows its first word is its own
    std::string_view usage;
    /// How many words it wants: at least, and in multiples of.
    std::size_t least_words;
    std::size_t word_multiple;
    /// From how many words on it uses a transaction.
    std::size_t transaction_words;
    /// @return the exit status; 0 commits
    int (*run)(Client& client, StoreView& view, const Arguments& arguments, Output& output);
};

/// Nothing if there is none of that name.
const Command* find_command(std::string_view name);
std::string command_names();

/// "xenstore-read: " and the text, on standard error.
void complain(const std::string& text);

/// xenstore-control live-update
int run_live_update(Client& client, const Arguments& arguments);

int run_ls(Client& client, StoreView& view, const Arguments& arguments, Output& output);

}
