// Server: who learns of a change.
#include "xenstore/store/server_state.hpp"

namespace xylem::xenstore {

namespace {

bool can_read(const Subject& subject, const Node* node)
{
    return node && includes(rights_of(subject, *node->permissions), Access::read);
}

}

/// A change is told to those who may read the node, as it is or as it was, or the node above it.
void Server::fire(const Event& event)
{
    if (event.is_removal && event.before) {
        // Each watch inside a removed tree hears of its own path.
        for (Watch* watch : watches_.below(event.path)) {
            const std::string_view inside = std::string_view(watch->path).substr(event.path.size());
            const Node* node = find(event.before, inside);
            const Node* above = find(event.before, parent_of(inside));
            const Subject& subject = watch->connection->subject;
            const bool is_changed = node && node != find(root_, watch->path);
            if (is_changed && (can_read(subject, node) || can_read(subject, above)))
                send_event(*watch, watch->path);
        }
    }
    const std::vector<Watch*> covering = watches_.covering(event.path);
    if (covering.empty())
        return;
    const Node* after = find(root_, event.path);
    const Node* parent = find(root_, parent_of(event.path));
    for (Watch* watch : covering) {
        const Subject& subject = watch->connection->subject;
        if (can_read(subject, event.before.get()) || can_read(subject, after) || can_read(subject, parent))
            send_event(*watch, event.path);
    }
}

void Server::fire_special(std::string_view name)
{
    for (Watch* watch : watches_.covering(name))
        if (includes(rights_of(watch->connection->subject, *special_permissions(name)), Access::read))
            send_event(*watch, name);
}

void Server::send_event(Watch& watch, std::string_view path)
{
    Connection& connection = *watch.connection;
    const bool was_empty = connection.output.empty();
    try {
        if (connection.output.push_event(watch.as_seen(path), watch.token) == Output::Pushed::refused)
            watch.has_lost_events = connection.has_lost_events = true;
    } catch (const std::bad_alloc&) {
        has_met_want_ = true;
        watch.has_lost_events = connection.has_lost_events = true;
    }
    if (was_empty && !connection.output.empty())
        surroundings_.output_waits(connection);
}

/// For want of memory we do not know who is concerned: everybody may be.
void Server::suspect_all_watches()
{
    has_met_want_ = true;
    for (auto& [id, connection] : connections_)
        for (auto& [key, watch] : connection->watches)
            watch.has_lost_events = connection->has_lost_events = true;
}

Permissions& Server::special_permissions(std::string_view name)
{
    return name == release_domain_event ? release_permissions_ : introduce_permissions_;
}

}
