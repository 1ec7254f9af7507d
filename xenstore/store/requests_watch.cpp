// Server: requests about watches.
#include "xenstore/store/server_state.hpp"

namespace xylem::xenstore {

Server::Reply Server::watch(Request& request)
{
    const std::vector<std::string_view> arguments = strings_of(request.payload());
    if (arguments.size() != 2)
        return Error::Invalid;
    Connection& connection = request.connection;
    const std::string path = absolute(connection, arguments[0]);
    const bool is_legal =
        is_special(path) ? path.size() <= abi::io::xenstore_rel_path_max : is_valid_path(path, limits_.path_bytes);
    if (!is_legal)
        return Error::Invalid;
    std::pair<std::string, std::string> key(path, arguments[1]);
    if (connection.watches.contains(key))
        return Error::Exists;

    Domain& owner = domain(connection.subject.domain);
    Watch watch{&connection, path, key.second, path.size() - arguments[0].size(), next_watch_order_++};
    if (!connection.subject.is_privileged) {
        if (owner.watches >= limits_.watches)
            return Error::TooBig;
        if (memory_of(connection.subject.domain) + watch.bytes() > limits_.memory_bytes)
            return Error::NoMemory;
    }
    const auto entry = connection.watches.emplace(std::move(key), std::move(watch)).first;
    Watch& kept = entry->second;
    try {
        watches_.add(kept);
    } catch (const std::bad_alloc&) {
        connection.watches.erase(entry);
        throw;
    }
    owner.watches += 1;
    owner.watch_bytes += kept.bytes();
    request.new_watch = &kept;
    return ok_reply();
}

Server::Reply Server::unwatch(Request& request)
{
    const std::vector<std::string_view> arguments = strings_of(request.payload());
    if (arguments.size() != 2)
        return Error::Invalid;
    Connection& connection = request.connection;
    const auto found =
        connection.watches.find(std::pair(absolute(connection, arguments[0]), std::string(arguments[1])));
    if (found == connection.watches.end())
        return Error::NoEntry;
    Domain& owner = domain(connection.subject.domain);
    owner.watches -= 1;
    owner.watch_bytes -= found->second.bytes();
    watches_.remove(found->second);
    connection.watches.erase(found);
    return ok_reply();
}

Server::Reply Server::reset_watches(Request& request)
{
    drop_watches(request.connection);
    drop_transactions(request.connection);
    return ok_reply();
}

void Server::drop_watches(Connection& connection)
{
    Domain& owner = domain(connection.subject.domain);
    for (auto& [key, watch] : connection.watches) {
        owner.watches -= 1;
        owner.watch_bytes -= watch.bytes();
        watches_.remove(watch);
    }
    connection.watches.clear();
}

}
