// See domain_nodes.hpp. The layout is Xen's (docs/misc/xenstore-paths.pandoc), as a guest and other tools look for it.
#include "tools/xl/domain_nodes.hpp"

#include "tools/xl/paths.hpp"

#include <chrono>

namespace xylem::xl {

namespace {

using xenstore::StoreView;

/// A node that the guest may write to.
void make_for_guest(StoreView& store, DomId domain, const std::string& name)
{
    const std::string path = domain_path(domain) + "/" + name;
    const xenstore::Permission owner{domain, xenstore::Access::none};
    store.write(path, "");
    store.set_permissions(path, {&owner, 1});
}

void write_vm(StoreView& store, DomId domain, const config::DomainConfig& config)
{
    const std::string path = vm_path(config.uuid);
    store.make(path);
    store.set_permissions(path, read_only_for(domain));
    store.write(path + "/name", config.name);
    store.write(path + "/uuid", config.uuid);
    store.write(path + "/image/ostype", "linux");
    store.write(path + "/image/kernel", config.kernel);
    if (!config.ramdisk.empty())
        store.write(path + "/image/ramdisk", config.ramdisk);
    store.write(path + "/image/cmdline", config.command_line);
    const auto now = std::chrono::system_clock::now().time_since_epoch();
    const auto hundredths = std::chrono::duration_cast<std::chrono::milliseconds>(now).count() / 10;
    store.write(path + "/start_time", fmt::format("{}.{:02}", hundredths / 100, hundredths % 100));
}

void write_resources(StoreView& store, const std::string& base, const config::DomainConfig& config)
{
    for (unsigned vcpu = 0; vcpu < config.max_vcpus; ++vcpu)
        store.write(fmt::format("{}/cpu/{}/availability", base, vcpu), vcpu < config.vcpus ? "online" : "offline");
    store.write(base + "/memory/static-max", std::to_string(config.max_memory_kib));
    store.write(base + "/memory/target", std::to_string(config.memory_kib));
    store.write(base + "/memory/videoram", "0");
}

void write_rings(StoreView& store, DomId domain, const DomainRings& rings)
{
    const std::string base = domain_path(domain);
    const std::string backend = fmt::format("{}/backend/console/{}/0", domain_path(dom0_id), domain.value);
    store.write(base + "/store/port", std::to_string(rings.store_port.value));
    store.write(base + "/store/ring-ref", std::to_string(rings.frames.store_ring.value));

    store.write(base + "/console/backend", backend);
    store.write(base + "/console/backend-id", "0");
    store.write(base + "/console/limit", std::to_string(console_limit));
    store.write(base + "/console/type", "xenconsoled");
    store.write(base + "/console/output", "pty");
    store.write(base + "/console/tty", "");
    store.write(base + "/console/port", std::to_string(rings.console_port.value));
    store.write(base + "/console/ring-ref", std::to_string(rings.frames.console_ring.value));

    store.make(backend);
    store.set_permissions(backend, read_only_for(domain));
    const std::pair<const char*, std::string> nodes[] = {{"frontend", base + "/console"},
                                                         {"frontend-id", std::to_string(domain.value)},
                                                         {"online", "1"},
                                                         {"state", "1"},
                                                         {"protocol", "vt100"}};
    for (const auto& [name, value] : nodes)
        store.write(backend + "/" + name, value);
    store.write(libxl_path(domain) + "/device/console/0/backend", backend);
}

}

void write_domain_nodes(StoreView& store, DomId domain, const config::DomainConfig& config, const DomainRings& rings)
{
    const std::string base = domain_path(domain);
    store.remove_if_exists(base); // of a domain of this number that died without a toolstack
    store.make(base);
    store.set_permissions(base, read_only_for(domain));
    store.write(base + "/vm", vm_path(config.uuid));
    store.write(base + "/name", config.name);
    store.write(base + "/domid", std::to_string(domain.value));
    write_resources(store, base, config);
    for (const char* name :
         {"device/suspend/event-channel", "control/shutdown", "control/feature-poweroff", "control/feature-reboot",
          "control/feature-suspend", "control/sysrq", "data", "drivers", "feature", "attr", "error"})
        make_for_guest(store, domain, name);
    if (config.is_driver_domain)
        for (const char* name : {"libxl", "device-model"}) // where Xen's xl devd and its QEMU take notes
            make_for_guest(store, domain, name);
    store.write(base + "/control/platform-feature-multiprocessor-suspend", "1");
    store.write(base + "/control/platform-feature-xs_reset_watches", "1");
    store.write(libxl_path(domain) + "/type", "pv");
    write_vm(store, domain, config);
    write_rings(store, domain, rings);
}

void rename_domain_nodes(StoreView& store, DomId domain, const std::string& name, const std::string& uuid)
{
    const std::string base = domain_path(domain);
    const std::string path = vm_path(uuid);
    const std::string old = store.find(base + "/vm").value_or("");
    store.make(path);
    store.set_permissions(path, read_only_for(domain));
    if (const auto start = store.find(old + "/start_time"))
        store.write(path + "/start_time", *start);
    store.write(path + "/name", name);
    store.write(path + "/uuid", uuid);
    store.write(base + "/name", name);
    store.write(base + "/vm", path);
    if (old.starts_with("/vm/"))
        store.remove_if_exists(old);
}

std::optional<std::string> remove_domain_nodes(StoreView& store, DomId domain)
{
    const std::string base = domain_path(domain);
    const auto found = store.find_each(std::vector{base + "/vm", base + "/name"});
    if (const auto& vm = found[0]; vm && vm->starts_with("/vm/"))
        store.remove_if_exists(*vm);
    store.remove_if_exists(base);
    store.remove_if_exists(libxl_path(domain));
    return found[1];
}

}
