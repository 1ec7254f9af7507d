// Server: domains that come and go.
#include "xenstore/store/server_state.hpp"

#include <algorithm>

namespace xylem::xenstore {

namespace {

/// A domain's number, at the place of an argument.
Result<DomId> parse_domain(std::string_view text)
{
    const u16 number = TRY(parse_number<u16>(text));
    return DomId(number);
}

bool is_real_guest(DomId id)
{
    return id != DomId(0) && id.value < first_reserved_domid;
}

}

Server::Domain& Server::domain(DomId id)
{
    return domains_[id];
}

Server::Domain* Server::introduced_domain(DomId id)
{
    const auto found = domains_.find(id);
    return found == domains_.end() || !found->second.connection ? nullptr : &found->second;
}

/// The guest that is the only argument.
Result<DomId> Server::introduced_guest_in(std::string_view payload)
{
    const std::string_view argument = TRY(only_string_of(payload));
    const DomId id = TRY(parse_domain(argument));
    if (!is_real_guest(id))
        return Error::Invalid;
    if (!introduced_domain(id))
        return Error::NoEntry;
    return id;
}

Server::Reply Server::introduce(Request& request)
{
    const std::vector<std::string_view> arguments = strings_of(request.payload());
    if (arguments.size() < 3)
        return Error::Invalid;
    const DomId id = TRY(parse_domain(arguments[0]));
    const i64 frame = TRY(parse_number<i64>(arguments[1]));
    const u32 port = TRY(parse_number<u32>(arguments[2]));
    if (!is_real_guest(id) || port == 0)
        return Error::Invalid;

    if (Domain* known = introduced_domain(id)) {
        listen_anew(*known->connection);
        TRY(surroundings_.connect_domain(id, Gfn(static_cast<u64>(frame)), Port(port), *known->connection));
        return ok_reply();
    }
    const Subject subject{.domain = id, .is_privileged = false, .target = std::nullopt};
    const u32 number = next_connection_++;
    Domain& added = domain(id);
    Connection& connection =
        *connections_.emplace(number, std::make_unique<Connection>(number, subject, limits_.event_bytes)).first->second;
    const Result<> connected = surroundings_.connect_domain(id, Gfn(static_cast<u64>(frame)), Port(port), connection);
    if (!connected.ok()) {
        connections_.erase(number);
        return connected.error();
    }
    added.connection = &connection;
    added.is_shut_down = false;
    fire_special(introduce_domain_event);
    return ok_reply();
}

Server::Reply Server::release(Request& request)
{
    const DomId id = TRY(introduced_guest_in(request.payload()));
    forget_domain(id);
    return ok_reply();
}

Server::Reply Server::resume(Request& request)
{
    const DomId id = TRY(introduced_guest_in(request.payload()));
    domain(id).is_shut_down = false;
    return ok_reply();
}

Server::Reply Server::set_target(Request& request)
{
    const std::vector<std::string_view> arguments = strings_of(request.payload());
    if (arguments.size() < 2)
        return Error::Invalid;
    const DomId source_id = TRY(parse_domain(arguments[0]));
    Domain* source = introduced_domain(source_id);
    const DomId target = TRY(parse_domain(arguments[1]));
    if (!source || !introduced_domain(target))
        return Error::NoEntry;
    source->connection->subject.target = target;
    return ok_reply();
}

Server::Reply Server::get_domain_path(Request& request)
{
    const std::string_view argument = TRY(only_string_of(request.payload()));
    const DomId id = TRY(parse_domain(argument));
    return string_reply(domain_path(id));
}

Server::Reply Server::is_domain_introduced(Request& request)
{
    const std::string_view argument = TRY(only_string_of(request.payload()));
    const DomId id = TRY(parse_domain(argument));
    return string_reply(id == domid_self || introduced_domain(id) ? "T" : "F");
}

std::vector<DomId> Server::known_domains() const
{
    std::vector<DomId> ids;
    for (const auto& [id, it] : domains_)
        if (id != DomId(0))
            ids.push_back(id);
    return ids;
}

void Server::domains_changed(const std::map<DomId, DomainState>& states)
{
    bool has_news = false;
    for (const auto& [id, state] : states) {
        const auto found = domains_.find(id);
        if (id == DomId(0) || found == domains_.end())
            continue;
        if (state == DomainState::gone)
            forget_domain(id);
        else if (state == DomainState::shut_down && found->second.connection)
            has_news |= !std::exchange(found->second.is_shut_down, true);
    }
    if (has_news)
        fire_special(release_domain_event);
}

/// Nothing of a domain outlives it, lest another domain of the same number inherit it.
void Server::forget_domain(DomId id)
{
    Connection* connection = domain(id).connection;
    if (connection) {
        surroundings_.disconnect_domain(id);
        remove_client(*connection);
        domain(id).connection = nullptr;
    }
    for (auto& [number, other] : connections_)
        if (other->subject.target == id)
            other->subject.target.reset();
    doom_transactions_naming(id);
    purge_domain_from_tree(id);
    for (Permissions* special : {&introduce_permissions_, &release_permissions_}) {
        auto list = std::make_shared<PermissionList>(**special);
        if (owner_of(*list) == id)
            list->front().domain = DomId(0);
        std::erase_if(*list, [&](const Permission& permission) { return permission.domain == id; });
        *special = std::move(list);
    }
    domains_.erase(id);
    if (connection)
        fire_special(release_domain_event);
}

namespace {

/// The changes that rid `node` and what is below it of a domain: its nodes go, its entries become void.
void plan_purge(const Node& node, const std::string& path, DomId id, std::vector<Change>& plan)
{
    const bool is_owner = owner_of(*node.permissions) == id;
    if (is_owner && path != "/") {
        plan.push_back({Change::Kind::remove, path, {}, nullptr});
        return;
    }
    const auto is_his = [&](const Permission& permission) { return permission.domain == id && !permission.is_void; };
    if (std::ranges::any_of(*node.permissions, is_his)) {
        auto list = std::make_shared<PermissionList>(*node.permissions);
        for (Permission& permission : *list)
            permission.is_void |= permission.domain == id;
        if (is_owner) // the root cannot go
            list->front() = {DomId(0), Access::none, false};
        plan.push_back({Change::Kind::set_permissions, path, {}, std::move(list)});
    }
    for (const NodeRef& child : node.children)
        plan_purge(*child, child_of(path, child->name), id, plan);
}

}

void Server::purge_domain_from_tree(DomId id)
{
    std::vector<Change> plan;
    plan_purge(*root_, "/", id, plan);
    if (plan.empty())
        return;
    Draft draft(root_);
    std::vector<Event> events;
    for (const Change& step : plan) {
        draft.apply(step, ++generation_);
        if (step.kind == Change::Kind::remove)
            events.push_back({step.path, node_at(step.path), true});
    }
    commit(draft, events);
}

}
