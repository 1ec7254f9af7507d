// Server: all of it as bytes, and back.
#include "xenstore/store/archive.hpp"
#include "xenstore/store/server_state.hpp"

namespace xylem::xenstore {

template <typename Archive> void Draft::archive(Archive& with)
{
    xenstore::archive(with, root_);
    archive_map(with, costs_);
}

template <typename Archive> static void archive(Archive& with, Interest& interest)
{
    archive(with, interest.looked_at);
    archive(with, interest.wants_event);
}

template <typename Archive> void Transaction::archive(Archive& with)
{
    xenstore::archive(with, snapshot_);
    draft_.archive(with);
    archive_map(with, paths_);
    xenstore::archive(with, log_);
    xenstore::archive(with, bytes_);
    xenstore::archive(with, started_);
    xenstore::archive(with, doomed_);
}

template <typename Archive> void Output::archive(Archive& with)
{
    archive_all(with, items_, [&](Item& item) {
        xenstore::archive(with, item.bytes);
        xenstore::archive(with, item.is_event);
    });
    xenstore::archive(with, sent_);
    if constexpr (Archive::loads)
        for (const Item& item : items_) {
            replies_ += item.is_event ? 0 : 1;
            if (item.is_event) {
                event_bytes_ += item.payload().size();
                waiting_events_.insert(item.payload());
            }
        }
}

template <typename Archive> static void archive(Archive& with, Limits& limits)
{
    for (const LimitName& limit : limit_names)
        archive(with, limits.*limit.field);
    for (const LimitName& limit : soft_limit_names)
        archive(with, limits.*limit.field);
}

template <typename Archive> static void archive(Archive& with, Watch& watch)
{
    archive(with, watch.path);
    archive(with, watch.token);
    archive(with, watch.hidden_bytes);
    archive(with, watch.order);
    archive(with, watch.has_lost_events);
}

template <typename Archive> void Server::archive(Archive& with, Connection& connection)
{
    xenstore::archive(with, connection.subject.target);
    connection.output.archive(with);
    xenstore::archive(with, connection.next_transaction);
    xenstore::archive(with, connection.has_lost_events);
    xenstore::archive(with, connection.is_ignored);

    auto transactions = static_cast<u32>(connection.transactions.size());
    xenstore::archive(with, transactions);
    auto watches = static_cast<u32>(connection.watches.size());
    xenstore::archive(with, watches);
    if constexpr (Archive::loads) {
        for (u32 i = 0; i < transactions; ++i) {
            u32 id = 0;
            xenstore::archive(with, id);
            connection.transactions.emplace(id, Transaction(nullptr, 0)).first->second.archive(with);
        }
        for (u32 i = 0; i < watches; ++i) {
            Watch watch{&connection, {}, {}};
            xenstore::archive(with, watch);
            std::pair key(watch.path, watch.token);
            watches_.add(connection.watches.emplace(std::move(key), std::move(watch)).first->second);
        }
    } else {
        for (auto& [id, transaction] : connection.transactions) {
            u32 number = id;
            xenstore::archive(with, number);
            transaction.archive(with);
        }
        for (auto& [key, watch] : connection.watches)
            xenstore::archive(with, watch);
    }
}

template <typename Archive> void Server::archive(Archive& with)
{
    xenstore::archive(with, limits_);
    xenstore::archive(with, root_);
    xenstore::archive(with, generation_);
    xenstore::archive(with, changes_);
    xenstore::archive(with, next_watch_order_);
    xenstore::archive(with, next_connection_);
    xenstore::archive(with, introduce_permissions_);
    xenstore::archive(with, release_permissions_);
    xenstore::archive(with, update_file_);
    xenstore::archive(with, update_command_line_);

    auto connections = static_cast<u32>(connections_.size());
    xenstore::archive(with, connections);
    auto next = connections_.begin();
    for (u32 i = 0; i < connections; ++i) {
        u32 id = Archive::loads ? 0 : next->first;
        Subject subject = Archive::loads ? Subject{} : next->second->subject;
        std::size_t event_limit = Archive::loads ? 0 : next->second->output.event_limit();
        xenstore::archive(with, id);
        xenstore::archive(with, subject.domain);
        xenstore::archive(with, subject.is_privileged);
        xenstore::archive(with, event_limit);
        if constexpr (Archive::loads)
            next = connections_.emplace(id, std::make_unique<Connection>(id, subject, event_limit)).first;
        archive(with, *next->second);
        ++next;
    }

    auto domains = static_cast<u32>(domains_.size());
    xenstore::archive(with, domains);
    auto entry = domains_.begin();
    for (u32 i = 0; i < domains; ++i) {
        DomId id = Archive::loads ? DomId(0) : entry->first;
        xenstore::archive(with, id);
        Domain& it = domain(id);
        u32 its_connection = it.connection ? it.connection->id : 0;
        xenstore::archive(with, it.holdings);
        xenstore::archive(with, it.watch_bytes);
        xenstore::archive(with, it.transaction_bytes);
        xenstore::archive(with, it.watches);
        xenstore::archive(with, it.is_shut_down);
        xenstore::archive(with, it.is_above_soft_limit);
        xenstore::archive(with, its_connection);
        if constexpr (Archive::loads)
            it.connection = connection(its_connection);
        else
            ++entry;
    }
}

std::string Server::save()
{
    Saver saver;
    archive(saver);
    return saver.take();
}

void Server::load(std::string_view state)
{
    domains_.clear();
    Loader loader(state);
    archive(loader);
    if (!loader.is_at_end())
        throw std::runtime_error("the saved state is longer than what it says");
}

Connection* Server::connection(u32 id) const
{
    const auto found = connections_.find(id);
    return found == connections_.end() ? nullptr : found->second.get();
}

}
