// Server: transactions from their start to their end.
#include "xenstore/store/server_state.hpp"

#include "xenstore/store/path.hpp"

#include <algorithm>
#include <unordered_set>

namespace xylem::xenstore {

Server::Reply Server::start_transaction(Request& request)
{
    Connection& connection = request.connection;
    if (request.transaction)
        return Error::Busy;
    if (!connection.subject.is_privileged && connection.transactions.size() >= limits_.transactions)
        return Error::NoSpace;
    while (connection.next_transaction == 0 || connection.transactions.contains(connection.next_transaction))
        ++connection.next_transaction;
    const u32 id = connection.next_transaction++;
    connection.transactions.emplace(id, Transaction(root_, changes_));
    return string_reply(std::to_string(id));
}

Server::Reply Server::end_transaction(Request& request)
{
    const std::string_view verdict = TRY(only_string_of(request.payload()));
    if (verdict != "T" && verdict != "F")
        return Error::Invalid;
    if (!request.transaction)
        return Error::NoEntry;

    // Whatever happens, the transaction is over.
    Connection& connection = request.connection;
    const u32 id = request.message.tx_id;
    const auto found = connection.transactions.find(id);
    const Transaction transaction = std::move(found->second);
    request.transaction = nullptr;
    connection.transactions.erase(found);
    domain(connection.subject.domain).transaction_bytes -= transaction.bytes();

    if (verdict == "F")
        return ok_reply();
    if (!transaction.is_valid_in(root_))
        return Error::Again;
    if (transaction.log().empty())
        return ok_reply();

    // If nobody has changed the store since it began, what it has in private is what it would come to again.
    const Draft draft = transaction.snapshot() == root_ ? transaction.draft() : replayed(transaction);
    TRY(check_limits(request, draft, {}));
    commit(draft, events_of(transaction));
    return ok_reply();
}

/// The transaction's changes, made to the store as it is now.
Draft Server::replayed(const Transaction& transaction)
{
    Draft draft(root_);
    for (const Change& step : transaction.log())
        draft.apply(step, ++generation_);
    return draft;
}

/// Those of a transaction that is about to be committed, as far as somebody may want them: one a path, with the node as
/// it was before the path's first change.
std::vector<Server::Event> Server::events_of(const Transaction& transaction) const
{
    std::vector<Event> events;
    std::unordered_map<std::string_view, std::size_t> index_of;
    std::unordered_set<std::string_view> removed;
    const auto was_removed = [&](std::string_view path) {
        while (!removed.contains(path) && path != "/")
            path = parent_of(path);
        return removed.contains(path);
    };
    for (const Change& step : transaction.log()) {
        const bool is_removal = step.kind == Change::Kind::remove;
        if (transaction.wants_event_for(step.path) && watches_.has_any_near(step.path)) {
            const auto [entry, is_first] = index_of.try_emplace(step.path, events.size());
            if (is_first)
                events.push_back({step.path, was_removed(step.path) ? nullptr : node_at(step.path)});
            events[entry->second].is_removal |= is_removal;
        }
        if (is_removal)
            removed.insert(step.path);
    }
    return events;
}

void Server::drop_transactions(Connection& connection)
{
    Domain& owner = domain(connection.subject.domain);
    for (const auto& [id, transaction] : connection.transactions)
        owner.transaction_bytes -= transaction.bytes();
    connection.transactions.clear();
}

/// A snapshot keeps alive the versions of nodes that have been replaced since. See Limits::snapshot_changes.
void Server::doom_old_transactions()
{
    constexpr u64 interval = 256; // looking at every transaction at each change would cost too much
    if (changes_ % interval != 0)
        return;
    for (auto& [id, connection] : connections_) {
        const u64 factor = connection->subject.is_privileged ? privileged_queue_factor : 1;
        for (auto& [number, transaction] : connection->transactions)
            if (!transaction.is_doomed() && changes_ - transaction.started() > limits_.snapshot_changes * factor) {
                domain(connection->subject.domain).transaction_bytes -= transaction.bytes();
                transaction.doom();
            }
    }
}

/// A change that gives rights to a domain that is gone must not come into force for its successor.
void Server::doom_transactions_naming(DomId id)
{
    const auto names_it = [&](const Change& step) {
        return step.permissions && std::ranges::any_of(*step.permissions, [&](const Permission& permission) {
                   return permission.domain == id && !permission.is_void;
               });
    };
    for (auto& [number, connection] : connections_)
        for (auto& [tx, transaction] : connection->transactions)
            if (std::ranges::any_of(transaction.log(), names_it)) {
                domain(connection->subject.domain).transaction_bytes -= transaction.bytes();
                transaction.doom();
            }
}

}
