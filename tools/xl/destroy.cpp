// Unmaking a domain, and making way for its successor. (lifecycle.hpp)
#include "tools/xl/device.hpp"
#include "tools/xl/domain_nodes.hpp"
#include "tools/xl/domains.hpp"
#include "tools/xl/environment.hpp"
#include "tools/xl/lifecycle.hpp"
#include "tools/xl/record.hpp"

namespace xylem::xl {

void destroy_domain(Session& session, DomId domain)
{
    const auto info = session.hypervisor.domain(domain);
    if (!info)
        return;
    end_served_devices(session.store, domain);
    explain("pausing domain {}", domain.value);
    try {
        session.hypervisor.pause(domain);
    } catch (const dom0::HypercallError&) {
        // It is dying already, and runs no more.
    }
    // Backends let go of its memory first: a domain whose frames are mapped elsewhere stays as a shadow.
    const std::vector<Device> devices = devices_of(session.store, domain);
    for (const Device& device : devices)
        explain("having the backend let go of {}, {}", device.describe(), device.backend());
    remove_devices(session.store, devices, Removal::with_domain);
    explain("removing its nodes from the store, its records, and itself");
    std::optional<std::string> name;
    session.store.transact([&](xenstore::StoreView& store) { name = remove_domain_nodes(store, domain); });
    remove_record(domain, uuid_text(info->handle));
    try {
        session.hypervisor.destroy(domain);
    } catch (const dom0::HypercallError& error) {
        if (error.is(std::errc::no_such_process)) // its monitor may have been quicker
            return;
        if (name) // by which it can be destroyed once more
            session.store.write(domain_path(domain) + "/name", *name);
        throw;
    }
}

void give_new_identity(Session& session, DomId domain, const std::string& name)
{
    const auto info = session.hypervisor.domain(domain);
    if (!info)
        return;
    const std::string old_uuid = uuid_text(info->handle);
    const std::string uuid = new_uuid();
    session.hypervisor.set_handle(domain, uuid_bytes(uuid));
    session.store.transact([&](xenstore::StoreView& store) { rename_domain_nodes(store, domain, name, uuid); });
    move_record(domain, old_uuid, name, uuid);
}

}
