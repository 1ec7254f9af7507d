// The store behind store.hpp in dom0: a connection to xenstored.
#pragma once

#include "backends/lib/event_loop.hpp"
#include "backends/lib/store.hpp"
#include "xenstore/client/client.hpp"

#include <unordered_map>

namespace xylem::backends {

class XenStore : public Store {
public:
    /// @throws xenstore::StoreError  no xenstored answers
    explicit XenStore(EventLoop& loop);

    std::optional<std::string> read(const std::string& path) override;
    std::vector<std::string> list(const std::string& path) override;
    bool update(const std::string& folder, const Entries& entries) override;
    void remove(const std::string& folder) override;
    void watch(const std::string& path, Handler on_change) override;
    void unwatch(const std::string& path) override;

private:
    void deliver();
    void deliver_soon();

    EventLoop& loop_;
    xenstore::Client client_;
    std::unordered_map<std::string, Handler> watches_; // by path, which serves as token
    bool deliver_deferred_ = false;
    EventLoop::Watch readable_;
};

}
