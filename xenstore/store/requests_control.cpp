// Server: CONTROL, the administrator's requests to the daemon itself.
#include "xenstore/store/server_state.hpp"

#include <algorithm>
#include <fmt/format.h>

namespace xylem::xenstore {

namespace {

std::size_t count_nodes(const Node& node)
{
    std::size_t count = 1;
    for (const NodeRef& child : node.children)
        count += count_nodes(*child);
    return count;
}

const LimitName* find_limit(std::span<const LimitName> limits, std::string_view name)
{
    const auto found = std::ranges::find(limits, name, &LimitName::name);
    return found == limits.end() ? nullptr : &*found;
}

struct HelpLine {
    std::string_view command;
    std::string_view arguments;
};
constexpr HelpLine help_lines[] = {
    {"check", ""},
    {"live-update", "[-c <cmdline>] [-F] [-t <timeout>] <file>"},
    {"log", "on|off"},
    {"logfile", "<file>"},
    {"memreport", "[<file>]"},
    {"print", "<string>"},
    {"quota", "[set <name> <val>|<domid>]"},
    {"quota-soft", "[set <name> <val>]"},
    {"help", ""},
};

std::string help()
{
    std::string text;
    for (const HelpLine& line : help_lines)
        text += fmt::format("{}\t{}\n", line.command, line.arguments);
    return text;
}

}

Server::Reply Server::control(Request& request)
{
    const std::vector<std::string_view> words = strings_of(request.payload());
    if (words.empty())
        return Error::Invalid;
    const std::string_view command = words[0];
    const std::string_view argument = words.size() > 1 ? words[1] : std::string_view();
    if (command == "check" && words.size() == 1) {
        const std::string fault = check();
        return fault.empty() ? ok_reply() : string_reply(fault);
    }
    if (command == "log" && (argument == "on" || argument == "off")) {
        surroundings_.set_request_log(argument == "on");
        return ok_reply();
    }
    if (command == "logfile" && words.size() == 2) {
        TRY(surroundings_.set_log_file(std::string(argument)));
        return ok_reply();
    }
    if (command == "memreport" && words.size() == 1)
        return string_reply(memory_report());
    if (command == "memreport" && words.size() == 2) {
        TRY(surroundings_.write_file(std::string(argument), memory_report()));
        return ok_reply();
    }
    if (command == "print" && words.size() == 2) {
        surroundings_.print(argument);
        return ok_reply();
    }
    if (command == "quota")
        return control_quota(words, limit_names);
    if (command == "quota-soft")
        return control_quota(words, soft_limit_names);
    if (command == "live-update")
        return control_live_update(words);
    if (command == "help")
        return string_reply(help());
    return Error::Invalid;
}

/// As xenstore-control sends it: what is to come, in requests of their own, then -s. What fails is told as text.
Server::Reply Server::control_live_update(const std::vector<std::string_view>& words)
{
    const std::string_view step = words.size() > 1 ? words[1] : std::string_view();
    if (step == "-f" && words.size() == 3)
        update_file_ = words[2];
    else if (step == "-c" && words.size() == 3)
        update_command_line_ = words[2];
    else if (step == "-a" && words.size() == 2)
        update_file_ = update_command_line_ = {};
    else if (step == "-s")
        return start_live_update(std::span(words).subspan(2));
    else
        return Error::Invalid;
    return ok_reply();
}

/// Transactions go on in the new daemon: there is nothing to wait for (-t) or to break (-F).
Server::Reply Server::start_live_update(std::span<const std::string_view> options)
{
    for (std::size_t i = 0; i < options.size(); ++i) {
        if (options[i] == "-t" && i + 1 < options.size())
            (void)TRY(parse_number<u32>(options[++i]));
        else if (options[i] != "-F")
            return Error::Invalid;
    }
    if (update_file_.empty())
        return string_reply("which program? -f names it");
    const std::string file = std::exchange(update_file_, {});
    const std::string failure = surroundings_.update(file, std::exchange(update_command_line_, {}));
    return failure.empty() ? ok_reply() : string_reply(failure);
}

Server::Reply Server::control_quota(const std::vector<std::string_view>& words, std::span<const LimitName> limits)
{
    if (words.size() == 1) {
        std::string text = "Quota settings:\n";
        for (const LimitName& limit : limits)
            text += fmt::format("{:<17}: {:8} {}\n", limit.name, limits_.*limit.field, limit.description);
        return string_reply(text);
    }
    if (words.size() == 4 && words[1] == "set") {
        const LimitName* limit = find_limit(limits, words[2]);
        if (!limit)
            return Error::Invalid;
        limits_.*limit->field = TRY(parse_number<u32>(words[3]));
        return ok_reply();
    }
    if (words.size() != 2 || words[0] != "quota")
        return Error::Invalid;
    const DomId id(TRY(parse_number<u16>(words[1])));
    const auto found = domains_.find(id);
    if (found == domains_.end())
        return Error::NoEntry;
    return string_reply(quota_of(id, found->second));
}

std::string Server::quota_of(DomId id, const Domain& it) const
{
    std::string text = fmt::format("Domain {}:\n", id.value);
    const auto add = [&](std::string_view name, auto value) { text += fmt::format("{:<16}: {:8}\n", name, value); };
    add("nodes", it.holdings.nodes);
    add("watches", it.watches);
    add("transactions", it.connection ? it.connection->transactions.size() : 0);
    add("outstanding", it.connection ? it.connection->output.replies() : 0);
    add("memory", memory_of(id));
    return text;
}

std::string Server::memory_report() const
{
    std::string text = fmt::format("{} nodes, {} connections, {} domains\n", count_nodes(*root_), connections_.size(),
                                   domains_.size());
    for (const auto& [id, it] : domains_)
        text +=
            fmt::format("domain {}: {} nodes of {} bytes, {} watches of {} bytes, transactions {} bytes\n", id.value,
                        it.holdings.nodes, it.holdings.bytes, it.watches, it.watch_bytes, it.transaction_bytes);
    // The reply holds a page at most; the first domains are the oldest.
    return text.substr(0, abi::io::xenstore_payload_max - 1);
}

}
