// See server.hpp. Here: connections, the table of operations, and how a change becomes part of the store.
#include "xenstore/store/server_state.hpp"

#include <algorithm>

namespace xylem::xenstore {

Server::Server(Surroundings& surroundings, Limits limits)
    : surroundings_(surroundings), limits_(limits), root_(make_root(0))
{
    introduce_permissions_ = release_permissions_ = root_->permissions;
    HoldingsByDomain holdings;
    add_holdings(*root_, 1, holdings);
    domain(DomId(0)).holdings = holdings[DomId(0)];
    for (std::string_view path : {"/tool/xenstored", "/local/domain"})
        put(path, "");
}

Server::~Server() = default;

Connection& Server::add_client()
{
    const Subject subject{.domain = DomId(0), .is_privileged = true, .target = std::nullopt};
    const std::size_t event_limit = std::size_t{limits_.event_bytes} * privileged_queue_factor;
    auto connection = std::make_unique<Connection>(next_connection_, subject, event_limit);
    return *connections_.emplace(next_connection_++, std::move(connection)).first->second;
}

Connection& Server::add_control_domain()
{
    Connection& connection = add_client();
    domain(DomId(0)).connection = &connection;
    return connection;
}

void Server::remove_client(Connection& connection)
{
    reset(connection);
    connections_.erase(connection.id);
}

void Server::reset(Connection& connection)
{
    drop_watches(connection);
    drop_transactions(connection);
    connection.output.clear();
}

void Server::listen_anew(Connection& connection)
{
    reset(connection);
    connection.is_ignored = false;
}

void Server::ignore(Connection& connection)
{
    reset(connection);
    connection.is_ignored = true;
}

bool Server::accepts_requests(const Connection& connection) const
{
    const u32 factor = connection.subject.is_privileged ? privileged_queue_factor : 1;
    return !connection.is_ignored && connection.output.replies() < std::size_t{limits_.outstanding} * factor;
}

const Server::Operation* Server::operation_of(XsMessageType type)
{
    using Type = XsMessageType;
    using Caller = Operation::Caller;
    using Scope = Operation::Scope;
    static constexpr Operation operations[] = {
        {Type::control, &Server::control, Caller::privileged},
        {Type::directory, &Server::directory},
        {Type::read, &Server::read},
        {Type::get_perms, &Server::get_permissions},
        {Type::watch, &Server::watch, Caller::any, Scope::store},
        {Type::unwatch, &Server::unwatch, Caller::any, Scope::store},
        {Type::transaction_start, &Server::start_transaction},
        {Type::transaction_end, &Server::end_transaction},
        {Type::introduce, &Server::introduce, Caller::privileged},
        {Type::release, &Server::release, Caller::privileged},
        {Type::get_domain_path, &Server::get_domain_path},
        {Type::write, &Server::write},
        {Type::mkdir, &Server::make},
        {Type::rm, &Server::remove},
        {Type::set_perms, &Server::set_permissions},
        {Type::is_domain_introduced, &Server::is_domain_introduced, Caller::privileged},
        {Type::resume, &Server::resume, Caller::privileged},
        {Type::set_target, &Server::set_target, Caller::privileged},
        {Type::reset_watches, &Server::reset_watches},
        {Type::directory_part, &Server::directory_part},
    };
    const auto found = std::ranges::find(operations, type, &Operation::type);
    return found == std::end(operations) ? nullptr : found;
}

Server::Reply Server::run(Connection& connection, const Message& message, Watch*& new_watch)
{
    const Operation* operation = operation_of(message.type);
    if (!operation)
        return Error::NotImplemented;
    if (operation->caller == Operation::Caller::privileged && !connection.subject.is_privileged)
        return Error::Access;
    Request request{connection, message};
    if (operation->scope == Operation::Scope::transaction && message.tx_id != 0) {
        const auto found = connection.transactions.find(message.tx_id);
        if (found == connection.transactions.end())
            return Error::NoEntry;
        request.transaction = &found->second;
    }
    std::string reply = TRY((this->*operation->handler)(request));
    new_watch = request.new_watch;
    if (reply.size() > abi::io::xenstore_payload_max)
        return Error::TooBig;
    return reply;
}

void Server::handle(Connection& connection, const Message& request)
{
    Watch* new_watch = nullptr;
    Reply reply = [&]() -> Reply {
        try {
            return run(connection, request, new_watch);
        } catch (const std::bad_alloc&) {
            has_met_want_ = true;
            return Error::NoMemory; // a change is all or nothing: see Draft
        }
    }();
    Message message{request.type, request.req_id, request.tx_id, {}};
    if (reply.ok()) {
        message.payload = reply.take();
    } else {
        message.type = XsMessageType::error;
        message.payload = string_reply(std::string(wire_name(reply.error())));
    }
    push_reply(connection, message);
    if (!connection.subject.is_privileged)
        watch_soft_limit(connection.subject.domain);
    if (new_watch)
        send_event(*new_watch, new_watch->path);
}

void Server::push_reply(Connection& connection, const Message& message)
{
    const bool was_empty = connection.output.empty();
    connection.output.push_reply(message);
    if (was_empty)
        surroundings_.output_waits(connection);
}

void Server::sent(Connection& connection, std::size_t bytes)
{
    connection.output.pop(bytes);
    if (!connection.has_lost_events || !connection.output.has_room_for_lost_events())
        return;
    connection.has_lost_events = false;
    for (auto& [key, watch] : connection.watches)
        if (std::exchange(watch.has_lost_events, false))
            send_event(watch, watch.path);
}

Result<> Server::change(Request& request, std::vector<Change> changes, std::string_view event_path)
{
    if (Transaction* transaction = request.transaction) {
        if (transaction->is_doomed())
            return {};
        if (!request.subject().is_privileged) {
            Draft trial(transaction->root());
            for (const Change& step : changes)
                trial.apply(step, generation_ + 1);
            TRY(check_limits(request, trial, changes));
        }
        const std::size_t bytes_before = transaction->bytes();
        transaction->change(std::move(changes), event_path, generation_);
        domain(request.subject().domain).transaction_bytes += transaction->bytes() - bytes_before;
        return {};
    }

    Draft draft(root_);
    std::vector<Event> events;
    for (const Change& step : changes) {
        draft.apply(step, ++generation_);
        if (step.path == event_path)
            events.push_back({step.path, node_at(step.path), step.kind == Change::Kind::remove});
    }
    TRY(check_limits(request, draft, changes));
    commit(draft, events);
    return {};
}

Result<> Server::check_limits(const Request& request, const Draft& draft, const std::vector<Change>& changes) const
{
    if (request.subject().is_privileged)
        return {};
    for (const Change& step : changes) {
        if (step.kind == Change::Kind::remove)
            continue;
        if (draft.find(step.path)->bytes() > limits_.node_bytes)
            return Error::NoSpace;
        if (step.kind == Change::Kind::create && draft.find(parent_of(step.path))->bytes() > limits_.node_bytes)
            return Error::NoSpace;
    }
    for (const auto& [owner, cost] : draft.costs()) {
        if (owner == DomId(0))
            continue;
        Holdings planned = cost;
        if (request.transaction) {
            const auto earlier = request.transaction->costs().find(owner);
            if (earlier != request.transaction->costs().end())
                planned += earlier->second;
        }
        const auto known = domains_.find(owner);
        const i64 nodes = known == domains_.end() ? 0 : known->second.holdings.nodes;
        if (cost.nodes > 0 && nodes + planned.nodes > limits_.nodes)
            return Error::NoSpace;
        if (cost.bytes > 0 && static_cast<i64>(memory_of(owner)) + planned.bytes > limits_.memory_bytes)
            return Error::NoMemory;
    }
    return {};
}

void Server::commit(const Draft& draft, const std::vector<Event>& events)
{
    for (const auto& [owner, cost] : draft.costs())
        domain(owner); // what can fail comes first
    for (const auto& [owner, cost] : draft.costs())
        domain(owner).holdings += cost;
    root_ = draft.root();
    ++changes_;
    doom_old_transactions();
    try {
        for (const Event& event : events)
            fire(event);
    } catch (const std::bad_alloc&) {
        suspect_all_watches();
    }
}

void Server::put(std::string_view path, std::string_view value)
{
    const Subject dom0{.domain = DomId(0), .is_privileged = true, .target = std::nullopt};
    Connection nobody(0, dom0, 0);
    const Message message;
    Request request{nobody, message};
    std::vector<Change> steps;
    if (find(root_, path))
        steps.push_back({Change::Kind::set_value, std::string(path), std::string(value), nullptr});
    else
        steps = steps_to_create(request, path, value);
    (void)change(request, std::move(steps), path); // dom0 knows no limits
}

std::size_t Server::memory_of(DomId id) const
{
    const auto found = domains_.find(id);
    if (found == domains_.end())
        return 0;
    const Domain& it = found->second;
    return static_cast<std::size_t>(it.holdings.bytes) + it.watch_bytes + it.transaction_bytes;
}

/// The log tells of a domain that comes near to its limit, and when it is well below again.
void Server::watch_soft_limit(DomId id)
{
    Domain& it = domain(id);
    const std::size_t memory = memory_of(id);
    const std::size_t limit = limits_.soft_memory_bytes;
    if (!it.is_above_soft_limit && memory > limit) {
        it.is_above_soft_limit = true;
        surroundings_.print("Domain " + std::to_string(id.value) + " exceeds soft memory quota");
    } else if (it.is_above_soft_limit && memory < limit - limit / 10) {
        it.is_above_soft_limit = false;
        surroundings_.print("Domain " + std::to_string(id.value) + " below soft memory quota again");
    }
}

std::string Server::check() const
{
    HoldingsByDomain counted;
    add_holdings(*root_, 1, counted);
    for (const auto& [id, it] : domains_) {
        if (it.holdings != counted[id])
            return "domain " + std::to_string(id.value) + " is said to own " + std::to_string(it.holdings.nodes) +
                   " nodes of " + std::to_string(it.holdings.bytes) + " bytes, but owns " +
                   std::to_string(counted[id].nodes) + " of " + std::to_string(counted[id].bytes);
        counted.erase(id);
    }
    for (const auto& [id, holdings] : counted)
        if (holdings.nodes != 0)
            return "nodes are owned by domain " + std::to_string(id.value) + ", which is not known";
    std::map<DomId, std::pair<u32, std::size_t>> watches;
    for (const auto& [id, connection] : connections_)
        for (const auto& [key, watch] : connection->watches) {
            watches[connection->subject.domain].first += 1;
            watches[connection->subject.domain].second += watch.bytes();
        }
    for (const auto& [id, it] : domains_)
        if (watches[id] != std::pair(it.watches, it.watch_bytes))
            return "the watches of domain " + std::to_string(id.value) + " are counted wrong";
    return {};
}

}
