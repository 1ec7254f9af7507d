// Prints what a domain that has come and gone must have left as it was, a line each: domains and their pages, free
// pages, dom0's event channels, the store's nodes, network interfaces, processes with their open files, xl's records.
// (tests/system/faults.py)

#include "dom0/lib/hypervisor.hpp"
#include "hypervisor/abi/event_channel.hpp"
#include "xenstore/client/client.hpp"

#include <algorithm>
#include <exception>
#include <filesystem>
#include <fmt/format.h>
#include <fstream>

using namespace xylem;
namespace fs = std::filesystem;

namespace {

void print_domains(dom0::Hypervisor& hypervisor)
{
    for (const dom0::DomainInfo& domain : hypervisor.domains())
        fmt::print("domain {}: {} pages, {} shared, {} vCPUs\n", domain.domain, domain.tot_pages, domain.shr_pages,
                   domain.nr_online_vcpus);
    fmt::print("free pages: {}\n", hypervisor.physinfo().free_pages);
}

/// Those that are not closed. The hypervisor refuses to tell of ports beyond the last that it has room for.
void print_ports(dom0::Privcmd& privcmd)
{
    constexpr u64 event_channel_op = 32;
    u32 open = 0;
    for (u32 port = 1; port < abi::evtchn_2l_nr_channels; ++port) {
        dom0::Bounce<abi::EvtchnStatus> status(privcmd, abi::EvtchnStatus{abi::domid_self, port, {}, 0, {}});
        if (privcmd.call(event_channel_op, static_cast<u64>(abi::EvtchnCmd::status), status.address()) < 0)
            break;
        open += status->status != abi::EvtchnStat::closed;
    }
    fmt::print("event channels of domain 0: {}\n", open);
}

/// /local/domain/N/error/...: what a guest's drivers say when a device goes while they look at it. They are the guest's
/// own.
bool is_guests_log(const std::string& path)
{
    return path.starts_with("/local/domain/") && !path.starts_with("/local/domain/0/") &&
           path.substr(0, path.rfind('/')).ends_with("/error");
}

void print_nodes(xenstore::Client& store, const std::string& path)
{
    for (const std::string& name : store.list_if_exists(path)) {
        const std::string child = (path == "/" ? "" : path) + "/" + name;
        if (is_guests_log(child))
            continue;
        fmt::print("node {}\n", child);
        print_nodes(store, child);
    }
}

std::vector<std::string> names_in(const fs::path& folder)
{
    std::vector<std::string> names;
    std::error_code gone;
    for (const fs::directory_entry& entry : fs::directory_iterator(folder, gone))
        names.push_back(entry.path().filename());
    std::sort(names.begin(), names.end());
    return names;
}

/// Not the kernel's, which come and go; nor this one.
void print_processes()
{
    std::vector<std::string> lines;
    for (const std::string& name : names_in("/proc")) {
        const fs::path process = "/proc/" + name;
        std::error_code none;
        if (name.find_first_not_of("0123456789") != std::string::npos || name == std::to_string(getpid()) ||
            fs::read_symlink(process / "exe", none).empty())
            continue;
        std::string command;
        std::getline(std::ifstream(process / "comm") >> std::ws, command);
        lines.push_back(fmt::format("process {}: {} files", command, names_in(process / "fd").size()));
    }
    std::sort(lines.begin(), lines.end());
    fmt::print("{}\n", fmt::join(lines, "\n"));
}

}

int main()
try {
    dom0::Hypervisor hypervisor;
    print_domains(hypervisor);
    print_ports(hypervisor.privcmd());
    {
        xenstore::Client store;
        print_nodes(store, "/");
    }
    for (const char* folder : {"/sys/class/net", "/var/lib/xen", "/var/log/xen"})
        fmt::print("{}: {}\n", folder, fmt::join(names_in(folder), " "));
    print_processes();
} catch (const std::exception& failure) {
    fmt::print(stderr, "dom0-state: {}\n", failure.what());
    return 1;
}
