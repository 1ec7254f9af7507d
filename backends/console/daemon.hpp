// Finds the guests and keeps a console for each, for as long as the guest lives.
#pragma once

#include "backends/console/guest.hpp"
#include "backends/lib/store.hpp"
#include "backends/lib/xen_peer.hpp"
#include "dom0/lib/foreign.hpp"
#include "dom0/lib/hypervisor.hpp"

#include <map>

namespace xylem::backends::console {

struct Options {
    std::string log_folder;    ///< empty: no logs
    std::size_t log_limit = 0; ///< bytes of one log, of which a guest has two; 0: no limit
};

class Daemon {
public:
    Daemon(EventLoop& loop, Store& store, EventHub& events, dom0::GrantDevice& grants, dom0::Hypervisor& hypervisor,
           Options options);
    ~Daemon();

    void reopen_logs();

private:
    /// A domain that lives. Its console comes when its folder in the store is complete.
    class Attachment;

    void look_for_domains();
    void look_soon();
    void detach_soon(DomId domain);
    std::string log_path(DomId domain);

    EventLoop& loop_;
    Store& store_;
    EventHub& events_;
    dom0::GrantDevice& grants_;
    dom0::Hypervisor& hypervisor_;
    Options options_;
    std::map<DomId, std::unique_ptr<Attachment>> attachments_;
    bool look_deferred_ = false;
};

}
