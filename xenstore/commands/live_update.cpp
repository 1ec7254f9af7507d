// xenstore-control live-update [-c CMDLINE] [-F] [-t SECONDS] FILE: several requests that belong together.
#include "xenstore/commands/command.hpp"

#include <chrono>
#include <thread>

namespace xylem::xenstore {

namespace {

constexpr const char* usage = "Usage: xenstore-control live-update [-c <cmdline>] [-F] [-t <timeout>] <file>";
constexpr int failed = 3;

struct Update {
    std::string file;
    std::string command_line;
    unsigned seconds = 60;
    bool is_forced = false;
};

unsigned seconds_in(const std::string& text)
{
    char* end = nullptr;
    const unsigned long seconds = std::strtoul(text.c_str(), &end, 10);
    if (text.empty() || *end != '\0' || seconds == 0 || seconds > 3600)
        throw CommandError("-t wants seconds from 1 to 3600, not \"" + text + "\"");
    return static_cast<unsigned>(seconds);
}

Update parse(const std::vector<std::string>& words)
{
    Update update;
    for (std::size_t i = 1; i < words.size(); ++i) {
        const bool has_value = i + 1 < words.size();
        if (words[i] == "-F")
            update.is_forced = true;
        else if (words[i] == "-c" && has_value)
            update.command_line = words[++i];
        else if (words[i] == "-t" && has_value)
            update.seconds = seconds_in(words[++i]);
        else if (update.file.empty() && !words[i].starts_with('-'))
            update.file = words[i];
        else
            throw CommandError(usage);
    }
    if (update.file.empty())
        throw CommandError(usage);
    return update;
}

std::string ask(Client& client, std::vector<std::string> step)
{
    step.insert(step.begin(), "live-update");
    return client.control(step);
}

/// A daemon may have to wait for transactions first: as long as it says so, for the given time.
std::string start(Client& client, const Update& update)
{
    std::vector<std::string> step = {"-s", "-t", std::to_string(update.seconds)};
    if (update.is_forced)
        step.emplace_back("-F");
    std::string verdict;
    for (unsigned second = 0; second < update.seconds; ++second) {
        verdict = ask(client, step);
        if (verdict != "BUSY")
            break;
        std::this_thread::sleep_for(std::chrono::seconds(1));
    }
    return verdict;
}

}

int run_live_update(Client& client, const Arguments& arguments)
{
    const Update update = parse(arguments.words);
    std::string verdict = ask(client, {"-f", update.file});
    if (verdict == "OK" && !update.command_line.empty())
        verdict = ask(client, {"-c", update.command_line});
    if (verdict == "OK")
        verdict = start(client, update);
    if (verdict == "OK")
        return 0;
    ask(client, {"-a"});
    complain("starting live update failed: " + verdict);
    return failed;
}

}
