// See backend.hpp.
#include "backends/lib/backend.hpp"

#include "backends/lib/device_host.hpp"
#include "backends/lib/service.hpp"
#include "backends/lib/xen_peer.hpp"
#include "backends/lib/xen_store.hpp"

namespace xylem::backends {

static void serve(Service& service, const BackendKind& kind)
{
    EventLoop loop;
    XenStore store(loop);
    dom0::GrantDevice grants;
    EventHub events(loop);
    DeviceHost host(loop, store, kind.type, [&](const DevicePlace& place, DeviceEvents device_events) {
        const auto bind = [&events, peer = place.peer](Port remote, EventLoop::Handler on_event) {
            return events.bind(peer, remote, std::move(on_event));
        };
        return kind.make_device({loop, store, std::make_unique<GntdevMemory>(grants, place.peer), bind}, place,
                                std::move(device_events));
    });
    service.run(loop, [&](EventLoop::Handler done) { host.shut_down(std::move(done)); }, {});
}

int backend_main(int argc, char** argv, const BackendKind& kind)
{
    dom0::Program program(kind.about, argv[0]);
    Service service(kind.needs);
    service.add_options(program);
    return service_main(program, argc, argv, [&] { serve(service, kind); });
}

}
