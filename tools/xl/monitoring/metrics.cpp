// What of a sample is told, under which names. (metrics.hpp)
#include "tools/xl/monitoring/metrics.hpp"

#include "hypervisor/abi/domctl.hpp"
#include "tools/xl/monitoring/open_metrics.hpp"

#include <fmt/format.h>

namespace xylem::xl {

namespace {

/// Seconds as OpenMetrics wants bounds: the shortest that reads back as the same number, never without a point or
/// exponent.
std::string bound_text(u32 microseconds)
{
    std::string text = fmt::format("{}", microseconds / 1e6);
    return text.find_first_of(".e") == std::string::npos ? text + ".0" : text;
}

/// Of each domain, all that is told of it: a call for each family, since a family's samples stand together.
class Writer {
public:
    explicit Writer(const Sample& sample) : sample_(sample) {}

    std::string write()
    {
        write_host();
        write_domains();
        write_vcpus();
        write_interfaces();
        write_disks();
        write_store();
        return std::move(out_).finish();
    }

private:
    static Labels labels_of(const DomainUse& domain)
    {
        return {{"domid", std::to_string(domain.id)}, {"name", domain.name}};
    }
    static Labels with(Labels labels, std::string_view name, std::string value)
    {
        labels.emplace_back(name, std::move(value));
        return labels;
    }

    template <typename Add> void each_domain(Add add)
    {
        for (const DomainUse& domain : sample_.domains)
            add(domain, labels_of(domain));
    }
    template <typename Add> void each_vcpu(Add add)
    {
        each_domain([&](const DomainUse& domain, const Labels& labels) {
            for (const VcpuUse& vcpu : domain.vcpus)
                add(vcpu, with(labels, "vcpu", std::to_string(vcpu.number)));
        });
    }
    template <typename Add> void each_interface(Add add)
    {
        each_domain([&](const DomainUse& domain, const Labels& labels) {
            for (const InterfaceUse& use : domain.interfaces)
                add(use, with(labels, "vif", std::to_string(use.number)));
        });
    }
    /// A family of counts, one of each way.
    void interface_family(std::string_view name, std::string_view unit, std::string_view help,
                          u64 InterfaceUse::Direction::*field)
    {
        out_.family(name, "counter", unit, help);
        each_interface([&](const InterfaceUse& use, const Labels& labels) {
            // What dom0's end received, the guest has sent.
            out_.add(with(labels, "direction", "sent"), use.received.*field, "_total");
            out_.add(with(labels, "direction", "received"), use.sent.*field, "_total");
        });
    }
    template <typename Add> void each_disk(Add add)
    {
        each_domain([&](const DomainUse& domain, const Labels& labels) {
            for (const DiskUse& disk : domain.disks)
                if (disk.is_counted)
                    add(disk, with(labels, "vbd", std::to_string(disk.number)));
        });
    }
    /// Those of our backend tell of each operation, those of Linux's of reads and writes.
    template <typename Add> void each_operation(Add add)
    {
        static constexpr std::string_view names[] = {"read", "write", "flush", "discard"};
        each_disk([&](const DiskUse& disk, const Labels& labels) {
            for (unsigned i = 0; disk.details && i < dom0::disk_operations; ++i)
                add(disk.details->operations[i], with(labels, "operation", std::string(names[i])));
        });
    }

    void write_host()
    {
        out_.family("xen", "info", "", "The hypervisor.");
        out_.add({{"version", sample_.version}}, 1, "_info");
        out_.family("xen_host_cpus", "gauge", "", "Processors of the machine.");
        out_.add({}, sample_.cpus);
        out_.family("xen_host_memory_bytes", "gauge", "bytes", "Memory of the machine.");
        out_.add({}, sample_.memory_bytes);
        out_.family("xen_host_free_memory_bytes", "gauge", "bytes", "Memory that no domain has.");
        out_.add({}, sample_.free_bytes);
    }

    void write_domains()
    {
        out_.family("xen_domain", "info", "", "A domain.");
        each_domain([&](const DomainUse& domain, const Labels& labels) {
            out_.add(with(labels, "uuid", domain.uuid), 1, "_info");
        });
        write_states();
        out_.family("xen_domain_cpu_seconds", "counter", "seconds", "Processor time that the domain has used.");
        each_domain(
            [&](const DomainUse& domain, const Labels& labels) { out_.add_seconds(labels, domain.cpu_ns, "_total"); });
        out_.family("xen_domain_memory_bytes", "gauge", "bytes", "Memory that the domain has.");
        each_domain([&](const DomainUse& domain, const Labels& labels) { out_.add(labels, domain.memory_bytes); });
        out_.family("xen_domain_max_memory_bytes", "gauge", "bytes",
                    "Memory that the domain may have; absent where there is no limit.");
        each_domain([&](const DomainUse& domain, const Labels& labels) {
            if (domain.max_memory_bytes)
                out_.add(labels, *domain.max_memory_bytes);
        });
    }

    void write_states()
    {
        struct State {
            const char* name;
            bool holds;
        };
        out_.family("xen_domain_state", "stateset", "", "What the domain does; several may hold at a time.");
        each_domain([&](const DomainUse& domain, const Labels& labels) {
            const State states[] = {
                {"running", domain.is(abi::dominf_running)}, {"blocked", domain.is(abi::dominf_blocked)},
                {"paused", domain.is(abi::dominf_paused)},   {"shutdown", domain.is(abi::dominf_shutdown)},
                {"crashed", domain.has_crashed()},           {"dying", domain.is(abi::dominf_dying)},
            };
            for (const State& state : states)
                out_.add(with(labels, "xen_domain_state", state.name), state.holds);
        });
    }

    void write_vcpus()
    {
        out_.family("xen_vcpu_online", "gauge", "", "Whether the vCPU is up.");
        each_vcpu([&](const VcpuUse& vcpu, const Labels& labels) { out_.add(labels, vcpu.online); });
        out_.family("xen_vcpu_cpu_seconds", "counter", "seconds", "Processor time that the vCPU has used.");
        each_vcpu([&](const VcpuUse& vcpu, const Labels& labels) { out_.add_seconds(labels, vcpu.cpu_ns, "_total"); });
        out_.family(
            "xen_vcpu_state_seconds", "counter", "seconds",
            "Time of the vCPU in each state. Runnable is what others have stolen from it: it wanted to run, and "
            "no processor was free. Only Xylem tells.");
        static constexpr std::string_view names[] = {"running", "runnable", "blocked", "offline"};
        each_vcpu([&](const VcpuUse& vcpu, const Labels& labels) {
            for (unsigned i = 0; vcpu.states && i < 4; ++i)
                out_.add_seconds(with(labels, "state", std::string(names[i])), (*vcpu.states)[i], "_total");
        });
    }

    void write_interfaces()
    {
        using Direction = InterfaceUse::Direction;
        interface_family("xen_vif_bytes", "bytes", "What the guest has sent and received.", &Direction::bytes);
        interface_family("xen_vif_packets", "", "Packets that the guest has sent and received.", &Direction::packets);
        interface_family("xen_vif_errors", "", "Packets with errors.", &Direction::errors);
        interface_family("xen_vif_dropped_packets", "", "Packets that were not passed on.", &Direction::dropped);
    }

    void write_disks()
    {
        using Operation = dom0::DiskCount::Operation;
        out_.family("xen_vbd_reads", "counter", "", "Requests of the guest to read, that were answered.");
        each_disk([&](const DiskUse& disk, const Labels& labels) { out_.add(labels, disk.reads, "_total"); });
        out_.family("xen_vbd_writes", "counter", "", "Requests of the guest to write, that were answered.");
        each_disk([&](const DiskUse& disk, const Labels& labels) { out_.add(labels, disk.writes, "_total"); });
        out_.family("xen_vbd_read_bytes", "counter", "bytes", "What the guest has read.");
        each_disk(
            [&](const DiskUse& disk, const Labels& labels) { out_.add(labels, disk.sectors_read * 512, "_total"); });
        out_.family("xen_vbd_written_bytes", "counter", "bytes", "What the guest has written.");
        each_disk(
            [&](const DiskUse& disk, const Labels& labels) { out_.add(labels, disk.sectors_written * 512, "_total"); });
        out_.family("xen_vbd_waits", "counter", "", "Times that a request waited for memory or for those before it.");
        each_disk([&](const DiskUse& disk, const Labels& labels) { out_.add(labels, disk.waits, "_total"); });
        out_.family("xen_vbd_refused_requests", "counter", "", "Requests that break the protocol.");
        each_disk([&](const DiskUse& disk, const Labels& labels) {
            if (disk.details)
                out_.add(labels, disk.details->refused, "_total");
        });
        out_.family("xen_vbd_errors", "counter", "", "Requests that were answered with an error.");
        each_operation(
            [&](const Operation& operation, const Labels& labels) { out_.add(labels, operation.errors, "_total"); });
        write_latencies();
    }

    void write_latencies()
    {
        out_.family("xen_vbd_latency_seconds", "histogram", "seconds",
                    "Time from the taking of a request to its answer, by our block backend.");
        each_operation([&](const dom0::DiskCount::Operation& operation, const Labels& labels) {
            u64 below = 0; // buckets hold those of the smaller ones, too
            for (std::size_t i = 0; i < operation.by_latency.size(); ++i) {
                below += operation.by_latency[i];
                const bool last = i == dom0::latency_bounds_us.size();
                out_.add(with(labels, "le", last ? "+Inf" : bound_text(dom0::latency_bounds_us[i])), below, "_bucket");
            }
            out_.add(labels, below, "_count");
            out_.add_seconds(labels, operation.time_ns, "_sum");
        });
    }

    void write_store()
    {
        out_.family("xen_store_quota", "gauge", "", "Limits of xenstored for each guest.");
        for (const auto& [name, value] : sample_.store_quotas)
            out_.add({{"quota", name}}, value);
        out_.family("xen_store_use", "gauge", "", "What the domain holds of the store.");
        each_domain([&](const DomainUse& domain, const Labels& labels) {
            for (const auto& [name, value] : domain.store)
                out_.add(with(labels, "quota", name), value);
        });
    }

    const Sample& sample_;
    OpenMetrics out_;
};

}

std::string metrics_of(const Sample& sample)
{
    return Writer(sample).write();
}

}
