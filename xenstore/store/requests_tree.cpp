// Server: requests that read and change nodes.
#include "xenstore/store/server_state.hpp"

#include <algorithm>

namespace xylem::xenstore {

std::string Server::absolute(const Connection& connection, std::string_view path) const
{
    if (path.starts_with('/') || is_special(path))
        return std::string(path);
    return domain_path(connection.subject.domain) + '/' + std::string(path);
}

Result<std::string> Server::node_path(const Connection& connection, std::string_view path) const
{
    std::string full = absolute(connection, path);
    if (!is_valid_path(full, limits_.path_bytes))
        return Error::Invalid;
    return full;
}

Result<std::string> Server::only_path_of(const Request& request) const
{
    const std::string_view argument = TRY(only_string_of(request.payload()));
    return node_path(request.connection, argument);
}

const Node* Server::find_noting(Request& request, std::string_view path, Aspect aspect)
{
    Transaction* transaction = request.transaction;
    if (!transaction || transaction->is_doomed())
        return find(root_, path);
    const std::size_t bytes_before = transaction->bytes();
    transaction->note(path, aspect);
    domain(request.subject().domain).transaction_bytes += transaction->bytes() - bytes_before;
    return find(transaction->root(), path);
}

Result<const Node*> Server::look_up(Request& request, std::string_view path, Access need, Aspect aspect)
{
    const Subject& subject = request.subject();
    if (request.transaction && !subject.is_privileged) {
        if (request.transaction->accesses() >= limits_.transaction_nodes)
            return Error::NoSpace;
        if (memory_of(subject.domain) > limits_.memory_bytes)
            return Error::NoMemory;
    }
    // A privileged subject's answer does not depend on permissions.
    const Aspect learned = subject.is_privileged ? aspect : aspect | Aspect::permissions;
    if (const Node* node = find_noting(request, path, learned)) {
        if (!includes(rights_of(subject, *node->permissions), need))
            return Error::Access;
        return node;
    }
    if (subject.is_privileged)
        return Error::NoEntry;

    // The nearest node above decides whether the subject may know that there is nothing. What is missing in between has
    // to stay missing for the same answer.
    const Node* above = nullptr;
    for (std::string_view ancestor = parent_of(path); !above; ancestor = parent_of(ancestor))
        above = find_noting(request, ancestor, Aspect::existence | Aspect::permissions);
    return overlaps(rights_of(subject, *above->permissions), need) ? Error::NoEntry : Error::Access;
}

/// The missing nodes from the top down. They inherit permissions; what an unprivileged domain creates is its own.
std::vector<Change> Server::steps_to_create(Request& request, std::string_view path, std::string_view value)
{
    std::vector<Change> steps;
    const Node* above = nullptr;
    for (std::string_view missing = path; !above; missing = parent_of(missing)) {
        steps.push_back({Change::Kind::create, std::string(missing), {}, nullptr});
        above = find_noting(request, parent_of(missing), Aspect::existence | Aspect::permissions);
    }
    Permissions permissions = above->permissions;
    const Subject& subject = request.subject();
    if (!subject.is_privileged && owner_of(*permissions) != subject.domain) {
        auto own = std::make_shared<PermissionList>(*permissions);
        own->front().domain = subject.domain;
        own->front().is_void = false;
        permissions = std::move(own);
    }
    steps.front().value = value;
    std::ranges::reverse(steps);
    for (Change& step : steps)
        step.permissions = permissions;
    return steps;
}

Server::Reply Server::read(Request& request)
{
    const std::string path = TRY(only_path_of(request));
    const Node* node = TRY(look_up(request, path, Access::read, Aspect::value));
    return node->value;
}

Server::Reply Server::write(Request& request)
{
    const std::size_t end = request.payload().find('\0');
    if (end == std::string_view::npos)
        return Error::Invalid;
    const std::string path = TRY(node_path(request.connection, request.payload().substr(0, end)));
    const std::string_view value = request.payload().substr(end + 1);
    const Result<const Node*> found = look_up(request, path, Access::write, Aspect::existence);
    if (!found.ok() && found.error() != Error::NoEntry)
        return found.error();
    std::vector<Change> steps;
    if (found.ok())
        steps.push_back({Change::Kind::set_value, path, std::string(value), nullptr});
    else
        steps = steps_to_create(request, path, value);
    TRY(change(request, std::move(steps), path));
    return ok_reply();
}

Server::Reply Server::make(Request& request)
{
    const std::string path = TRY(only_path_of(request));
    const Result<const Node*> found = look_up(request, path, Access::write, Aspect::existence);
    if (found.ok())
        return ok_reply();
    if (found.error() != Error::NoEntry)
        return found.error();
    TRY(change(request, steps_to_create(request, path, {}), path));
    return ok_reply();
}

Server::Reply Server::remove(Request& request)
{
    const std::string path = TRY(only_path_of(request));
    const Result<const Node*> found = look_up(request, path, Access::write, Aspect::existence);
    if (!found.ok()) {
        // What does not exist is removed already, if it could exist.
        if (found.error() == Error::NoEntry && find_noting(request, parent_of(path), Aspect::existence))
            return ok_reply();
        return found.error();
    }
    if (path == "/")
        return Error::Invalid;
    TRY(change(request, {{Change::Kind::remove, path, {}, nullptr}}, path));
    return ok_reply();
}

namespace {

std::string listing_of(const Node& node)
{
    std::string names;
    names.reserve(node.children.name_bytes());
    for (const NodeRef& child : node.children)
        names.append(child->name).push_back('\0');
    return names;
}

}

Server::Reply Server::directory(Request& request)
{
    const std::string path = TRY(only_path_of(request));
    const Node* node = TRY(look_up(request, path, Access::read, Aspect::children));
    if (node->children.name_bytes() > abi::io::xenstore_payload_max)
        return Error::TooBig;
    return listing_of(*node);
}

/// The reply: the node's generation, then as many whole names from `offset` on as fit, and an empty one after the last.
Server::Reply Server::directory_part(Request& request)
{
    const std::vector<std::string_view> arguments = strings_of(request.payload());
    if (arguments.size() != 2)
        return Error::Invalid;
    const std::string path = TRY(node_path(request.connection, arguments[0]));
    const std::size_t offset = TRY(parse_number<u32>(arguments[1]));
    const Node* node = TRY(look_up(request, path, Access::read, Aspect::children));
    std::string reply = string_reply(std::to_string(node->generation));
    const std::string names = listing_of(*node);
    std::size_t next = std::min(offset, names.size());
    while (next < names.size()) {
        const std::size_t end = names.find('\0', next) + 1;
        if (reply.size() + (end - next) >= abi::io::xenstore_payload_max)
            return reply;
        reply.append(names, next, end - next);
        next = end;
    }
    return string_reply(std::move(reply));
}

Server::Reply Server::get_permissions(Request& request)
{
    const std::string path = TRY(only_path_of(request));
    const Node* node = TRY(look_up(request, path, Access::read, Aspect::permissions));
    std::string reply;
    for (const Permission& permission : *node->permissions)
        reply.append(to_text(permission)).push_back('\0');
    return reply;
}

Server::Reply Server::set_permissions(Request& request)
{
    const std::vector<std::string_view> arguments = strings_of(request.payload());
    if (arguments.size() < 2)
        return Error::Invalid;
    const Subject& subject = request.subject();
    if (!subject.is_privileged && arguments.size() - 1 > limits_.permissions)
        return Error::NoSpace;
    auto list = std::make_shared<PermissionList>();
    for (std::size_t i = 1; i < arguments.size(); ++i) {
        Permission permission = TRY(parse_permission(arguments[i]));
        const bool is_known = domains_.contains(permission.domain);
        permission.is_void = !is_known && !surroundings_.domain_exists(permission.domain);
        list->push_back(permission);
    }
    if (list->front().is_void)
        return Error::NoEntry;

    constexpr Access need = Access::write | Access::owner;
    if (is_special(arguments[0])) {
        if (arguments[0] != introduce_domain_event && arguments[0] != release_domain_event)
            return Error::Invalid;
        Permissions& special = special_permissions(arguments[0]);
        if (!includes(rights_of(subject, *special), need))
            return Error::Access;
        special = std::move(list);
        return ok_reply();
    }
    const std::string path = TRY(node_path(request.connection, arguments[0]));
    const Node* node = TRY(look_up(request, path, need, Aspect::permissions));
    if (!subject.is_privileged && owner_of(*list) != owner_of(*node->permissions))
        return Error::NotPermitted;
    for (const Permission& permission : *list)
        if (!permission.is_void)
            domain(permission.domain); // from now on we want to know when it goes
    TRY(change(request, {{Change::Kind::set_permissions, path, {}, std::move(list)}}, path));
    return ok_reply();
}

}
