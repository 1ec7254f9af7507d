// Server: CONTROL, the administrator's requests to the daemon itself.
#include "xenstore/store/server_state.hpp"

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

const LimitName* find_limit(std::string_view name)
{
    for (const LimitName& limit : limit_names)
        if (limit.name == name)
            return &limit;
    return nullptr;
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
    if (command == "print" && words.size() == 2) {
        surroundings_.print(argument);
        return ok_reply();
    }
    if (command == "quota")
        return control_quota(words);
    if (command == "help")
        return string_reply("check\nhelp\nlog on|off\nlogfile <file>\nmemreport\nprint <text>\n"
                            "quota [set <name> <value>|<domid>]\n");
    return Error::Invalid;
}

Server::Reply Server::control_quota(const std::vector<std::string_view>& words)
{
    std::string text;
    if (words.size() == 1) {
        for (const LimitName& limit : limit_names)
            text += fmt::format("{:<18}: {:8}\n", limit.name, limits_.*limit.field);
        return string_reply(text);
    }
    if (words.size() == 4 && words[1] == "set") {
        const LimitName* limit = find_limit(words[2]);
        if (!limit)
            return Error::Invalid;
        limits_.*limit->field = TRY(parse_number<u32>(words[3]));
        return ok_reply();
    }
    if (words.size() != 2)
        return Error::Invalid;
    const DomId id(TRY(parse_number<u16>(words[1])));
    const auto found = domains_.find(id);
    if (found == domains_.end())
        return Error::NoEntry;
    const Domain& it = found->second;
    const std::size_t transactions = it.connection ? it.connection->transactions.size() : 0;
    const std::size_t outstanding = it.connection ? it.connection->output.replies() : 0;
    return string_reply(
        fmt::format("Domain {}:\n{:<18}: {:8}\n{:<18}: {:8}\n{:<18}: {:8}\n{:<18}: {:8}\n{:<18}: {:8}\n", id.value,
                    "nodes", it.holdings.nodes, "watches", it.watches, "transactions", transactions, "outstanding",
                    outstanding, "memory", memory_of(id)));
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
