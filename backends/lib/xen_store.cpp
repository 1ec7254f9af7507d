// See xen_store.hpp.
#include "backends/lib/xen_store.hpp"

namespace xylem::backends {

using xenstore::StoreError;

XenStore::XenStore(EventLoop& loop) : loop_(loop), readable_(loop.watch_readable(client_.fd(), [this] { deliver(); }))
{
}

std::optional<std::string> XenStore::read(const std::string& path)
{
    deliver_soon();
    try {
        return client_.find(path);
    } catch (const StoreError& error) {
        if (error.is(Error::Access) || error.is(Error::Invalid))
            return std::nullopt;
        throw;
    }
}

std::vector<std::string> XenStore::list(const std::string& path)
{
    deliver_soon();
    return client_.list_if_exists(path);
}

bool XenStore::update(const std::string& folder, const Entries& entries)
{
    deliver_soon();
    bool exists = false;
    client_.transact([&](xenstore::StoreView& in) {
        exists = in.find(folder).has_value();
        if (!exists)
            return;
        for (const auto& [name, value] : entries)
            in.write(folder + "/" + name, value);
    });
    return exists;
}

void XenStore::remove(const std::string& folder)
{
    deliver_soon();
    client_.remove_if_exists(folder);
}

void XenStore::watch(const std::string& path, Handler on_change)
{
    deliver_soon();
    watches_[path] = std::move(on_change);
    client_.watch(path, path);
}

void XenStore::unwatch(const std::string& path)
{
    if (watches_.erase(path) == 0)
        return;
    try {
        client_.unwatch(path, path);
    } catch (const StoreError&) {
        // xenstored has gone, and the watch with it. Whoever asks it for something next will hear of that.
    }
}

void XenStore::deliver()
{
    deliver_deferred_ = false;
    while (const auto event = client_.next_event())
        if (const auto found = watches_.find(event->token); found != watches_.end()) {
            const Handler on_change = found->second; // it may end its own watch
            on_change(event->path);
        }
}

/// A request's reply may have come behind events, which are in our memory then: no descriptor will tell of them.
void XenStore::deliver_soon()
{
    if (std::exchange(deliver_deferred_, true))
        return;
    loop_.defer([this] { deliver(); });
}

}
