// All devices of one type: finds them in the store and walks each through the handshake.
#pragma once

#include "backends/lib/device.hpp"
#include "backends/lib/event_loop.hpp"
#include "backends/lib/xenbus.hpp"

#include <map>

namespace xylem::backends {

class DeviceHost {
public:
    /// Says of a device that appears whether it is ours to serve.
    using Filter = std::function<bool(DomId peer, unsigned number)>;

    /// `type` is the folder's name in the store: "vbd", "vif". Without a filter all are ours.
    DeviceHost(EventLoop& loop, Store& store, std::string type, DeviceFactory factory, Filter is_ours = {});
    ~DeviceHost();

    /// Stops taking requests everywhere and calls `done` when all that was in service is answered. States in the store
    /// stay as they are, so that the next instance resumes.
    void shut_down(EventLoop::Handler done);

    std::size_t devices() const { return attachments_.size(); }

private:
    class Attachment;
    using Key = std::pair<u16, unsigned>;

    void on_change(const std::string& path);
    void scan();
    void scan_domain(const std::string& domain);
    void touch(const std::string& domain, const std::string& number);
    void update_soon(Key key);
    void update_touched();
    void check_idle();

    EventLoop& loop_;
    Store& store_;
    std::string type_;
    std::string folder_;
    DeviceFactory factory_;
    Filter is_ours_;
    std::map<Key, std::unique_ptr<Attachment>> attachments_;
    std::vector<Key> touched_;
    EventLoop::Handler on_all_idle_;
    std::shared_ptr<DeviceHost*> self_ = std::make_shared<DeviceHost*>(this);
};

}
