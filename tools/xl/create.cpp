// Making a domain: what can be found wrong is found before there is a domain; what goes wrong later takes the domain
// with it.
#include "dom0/builder/error.hpp"
#include "dom0/builder/kernel_cache.hpp"
#include "dom0/builder/live_target.hpp"
#include "tools/xl/device.hpp"
#include "tools/xl/domain_nodes.hpp"
#include "tools/xl/domains.hpp"
#include "tools/xl/environment.hpp"
#include "tools/xl/failure.hpp"
#include "tools/xl/interrupt.hpp"
#include "tools/xl/lifecycle.hpp"
#include "tools/xl/record.hpp"

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <fcntl.h>
#include <memory>
#include <nlohmann/json.hpp>
#include <sys/file.h>

namespace xylem::xl {

namespace {

constexpr char kernel_cache_folder[] = "/var/cache/xen/kernels";

using config::DomainConfig;
using dom0::builder::BuildError;

/// Calls `read`, putting which file is meant before what went wrong.
template <typename Read> auto reading(const char* what, const std::string& path, Read read)
{
    try {
        return read();
    } catch (const BuildError& error) {
        fail("cannot use {} '{}': {}", what, path, error.what());
    } catch (const std::system_error& error) {
        fail("cannot read {} '{}': {}", what, path, error.code().message());
    }
}

/// The files of a domain, read and checked, and the plan of its memory.
class Images {
public:
    Images(const DomainConfig& config, u64 pages)
        : kernel_file_(reading("kernel", config.kernel,
                               [&] {
                                   const dom0::builder::KernelCache cache(kernel_cache_folder);
                                   return std::make_unique<dom0::builder::KernelFile>(config.kernel, cache);
                               })),
          ramdisk_file_(config.ramdisk.empty() ? nullptr : open_ramdisk(config.ramdisk)),
          layout_(reading("kernel", config.kernel,
                          [&] { return dom0::builder::plan_layout(kernel(), ramdisk().size(), pages); }))
    {
    }
    const dom0::builder::Kernel& kernel() const { return kernel_file_->kernel(); }
    const dom0::builder::Layout& layout() const { return layout_; }
    dom0::builder::Content ramdisk() const
    {
        return ramdisk_file_ ? ramdisk_file_->content() : dom0::builder::Content();
    }

private:
    static std::unique_ptr<dom0::builder::MappedFile> open_ramdisk(const std::string& path)
    {
        return reading("ramdisk", path, [&] { return std::make_unique<dom0::builder::MappedFile>(path); });
    }

    std::unique_ptr<dom0::builder::KernelFile> kernel_file_;
    std::unique_ptr<dom0::builder::MappedFile> ramdisk_file_;
    dom0::builder::Layout layout_;
};

class Creation {
public:
    Creation(Session& session, DomainConfig config) : session_(session), config_(std::move(config)) {}
    ~Creation();
    DomId run();

private:
    void complete_config();
    void check_name();
    void check_devices();
    void check_cpus();
    void check_command_line();
    void check_memory();
    u32 grant_version();
    void make_domain();
    void set_affinity();
    void build(const Images& images);
    void write_store();
    u64 pages() const { return config_.memory_kib / 4; }

    const InterruptGuard interrupts_; ///< the first, so that it outlives the undoing
    Session& session_;
    DomainConfig config_;
    std::vector<DiskTarget> targets_;
    std::vector<DomId> vif_backends_;
    std::optional<DomId> domain_;
    DomainRings rings_{};
    std::vector<Device> devices_;
    bool done_ = false;
};

/// What is not finished is undone. Errors of the undoing would only hide the one that led here.
Creation::~Creation()
{
    if (done_ || !domain_)
        return;
    explain("undoing what has been made of domain {}", domain_->value);
    try {
        destroy_domain(session_, *domain_);
    } catch (const std::exception& error) {
        fmt::print(stderr, "xl: while removing the unfinished domain {}: {}\n", domain_->value, error.what());
    }
}

void Creation::complete_config()
{
    if (config_.uuid.empty())
        config_.uuid = new_uuid();
    u32 devid = 0;
    for (config::VifSpec& vif : config_.vifs) {
        while (!vif.devid && std::any_of(config_.vifs.begin(), config_.vifs.end(),
                                         [&](const config::VifSpec& other) { return other.devid == devid; }))
            ++devid;
        vif = complete(vif, devid);
    }
}

void Creation::check_name()
{
    const std::vector<dom0::DomainInfo> domains = session_.hypervisor.domains();
    if (const auto other = find_by_name(session_, domains, config_.name))
        fail("there is a domain '{}' already, with id {}", config_.name, other->domain);
    // One that dies is no other's rival: when a guest reboots, its backends may yet hold what they had mapped of it.
    for (const dom0::DomainInfo& info : domains)
        if (!(info.flags & abi::dominf_dying) && uuid_text(info.handle) == config_.uuid)
            fail("domain {} has the UUID {} already", info.domain, config_.uuid);
}

void Creation::check_devices()
{
    std::vector<DomId> disk_backends;
    for (const config::DiskSpec& disk : config_.disks)
        disk_backends.push_back(resolve_backend(session_, disk.backend_domain, fmt::format("disk '{}'", disk.vdev)));
    targets_ = check_disks(session_.store, config_.disks, disk_backends);
    for (const config::VifSpec& vif : config_.vifs) {
        vif_backends_.push_back(resolve_backend(session_, vif.backend_domain, fmt::format("interface {}", *vif.devid)));
        check_vif(vif, vif_backends_.back());
    }
    for (const config::ChannelSpec& channel : config_.channels)
        check_channel(channel);
}

void Creation::check_memory()
{
    const abi::SysctlPhysinfo info = session_.hypervisor.physinfo();
    const u64 free = info.free_pages + info.scrub_pages;
    if (pages() > free)
        fail("there is not enough free memory: domain '{}' wants {} MiB, {} MiB are free", config_.name,
             config_.memory_kib >> 10, free >> 8);
}

u32 Creation::grant_version()
{
    const u32 highest = session_.hypervisor.physinfo().capabilities & abi::physcap_gnttab_v2 ? 2 : 1;
    const u32 wanted = config_.max_grant_version.value_or(highest);
    if (wanted == 0 || wanted > highest)
        fail("grant tables of version {} cannot be had for domain '{}': the hypervisor has versions 1 to {}", wanted,
             config_.name, highest);
    return wanted;
}

void Creation::make_domain()
{
    abi::DomctlCreatedomain wanted{};
    constexpr u32 default_event_channels = 1023;
    constexpr i32 hypervisors_choice = -1;
    wanted.handle = uuid_bytes(config_.uuid);
    wanted.max_vcpus = config_.max_vcpus;
    wanted.max_evtchn_port = config_.max_event_channels.value_or(default_event_channels);
    wanted.max_grant_frames = static_cast<i32>(config_.max_grant_frames.value_or(static_cast<u32>(hypervisors_choice)));
    wanted.max_maptrack_frames =
        static_cast<i32>(config_.max_maptrack_frames.value_or(static_cast<u32>(hypervisors_choice)));
    wanted.grant_opts = grant_version();
    try {
        domain_ = session_.hypervisor.create_domain(wanted);
    } catch (const dom0::HypercallError& error) {
        // It does not say which of its limits was too small.
        if (config_.max_vcpus > abi::most_vcpus_on_xylem)
            fail("the hypervisor makes no domain '{}' of {} vCPUs: {}; on Xylem {} are the most", config_.name,
                 config_.max_vcpus, error.code().message(), abi::most_vcpus_on_xylem);
        fail("the hypervisor makes no domain '{}' of {} vCPUs and {} event channels: {}; try fewer", config_.name,
             config_.max_vcpus, wanted.max_evtchn_port, error.code().message());
    }
    explain("made domain {}: UUID {}, {} vCPUs, {} event channels", domain_->value, config_.uuid, config_.max_vcpus,
            wanted.max_evtchn_port);

    constexpr u64 slack_kib = 1024; // as libxl leaves, for what a guest takes beside its memory
    session_.hypervisor.set_max_vcpus(*domain_, config_.max_vcpus);
    session_.hypervisor.set_max_memory(*domain_, config_.memory_kib + slack_kib);
    if (config_.time_offset_seconds != 0)
        session_.hypervisor.set_time_offset(*domain_, config_.time_offset_seconds);
}

void Creation::set_affinity()
{
    const std::size_t cpus = session_.hypervisor.physinfo().max_cpu_id + std::size_t{1};
    const auto map_for = [&](const std::vector<std::string>& lists, unsigned vcpu) -> std::optional<dom0::CpuMap> {
        if (lists.empty() || (lists.size() > 1 && vcpu >= lists.size()))
            return std::nullopt;
        return parse_cpu_list(lists.size() == 1 ? lists[0] : lists[vcpu], cpus);
    };
    for (unsigned vcpu = 0; vcpu < config_.max_vcpus; ++vcpu) {
        const auto hard = map_for(config_.cpus, vcpu);
        const auto soft = map_for(config_.soft_cpus, vcpu);
        if (hard || soft)
            session_.hypervisor.set_vcpu_affinity(*domain_, vcpu, hard, soft);
    }
    if (!config_.cpu_weight && !config_.cap)
        return;
    const abi::SchedulerId scheduler = session_.hypervisor.scheduler();
    abi::DomctlSchedCredit params = session_.hypervisor.sched_params(*domain_, scheduler);
    params.weight = static_cast<u16>(config_.cpu_weight.value_or(params.weight));
    params.cap = static_cast<u16>(config_.cap.value_or(params.cap));
    session_.hypervisor.set_sched_params(*domain_, scheduler, params);
}

void Creation::build(const Images& images)
{
    rings_.store_port = session_.hypervisor.alloc_unbound(*domain_, dom0_id);
    rings_.console_port = session_.hypervisor.alloc_unbound(*domain_, dom0_id);
    dom0::builder::BuildRequest request;
    request.pages = pages();
    request.ramdisk = images.ramdisk();
    request.command_line = config_.command_line;
    request.store_port = rings_.store_port;
    request.console_port = rings_.console_port;
    dom0::builder::LiveTarget target(session_.hypervisor, *domain_);
    rings_.frames = dom0::builder::build(target, images.kernel(), images.layout(), request);
    session_.hypervisor.set_memory_map(*domain_, config_.max_memory_kib << 10);
    explain("built it: {} MiB, kernel {}, ramdisk {}, command line '{}'", config_.memory_kib >> 10, config_.kernel,
            config_.ramdisk.empty() ? "none" : config_.ramdisk, config_.command_line);
    explain("store ring {:#x} at port {}, console ring {:#x} at port {}", rings_.frames.store_ring.value,
            rings_.store_port.value, rings_.frames.console_ring.value, rings_.console_port.value);
}

/// All nodes appear at once: whoever watches sees a whole domain.
void Creation::write_store()
{
    session_.store.transact([&](xenstore::StoreView& store) {
        devices_.clear();
        write_domain_nodes(store, *domain_, config_, rings_);
        for (std::size_t i = 0; i < config_.disks.size(); ++i)
            devices_.push_back(
                write_disk(store, *domain_, config_.disks[i], targets_[i], i == 0 ? Bootable::yes : Bootable::no));
        for (std::size_t i = 0; i < config_.vifs.size(); ++i)
            devices_.push_back(write_vif(store, *domain_, config_.vifs[i], vif_backends_[i]));
        u32 console = 0;
        for (const config::ChannelSpec& channel : config_.channels)
            devices_.push_back(write_channel(store, *domain_, channel, ++console));
    });
    session_.store.introduce(*domain_, Gfn(rings_.frames.store_ring.value), rings_.store_port);
    explain("wrote its nodes to the store, and introduced it there");
    for (const Device& device : devices_)
        explain("waiting for the backend of {}, {}", device.describe(), device.backend());
    wait_for_backends(session_.store, devices_, interrupts_);
    save_record(*domain_, config_.uuid, to_json(config_));
    if (!config_.source.empty())
        save_source(*domain_, config_.uuid, config_.source);
}

void Creation::check_cpus()
{
    const std::size_t cpus = session_.hypervisor.physinfo().max_cpu_id + std::size_t{1};
    for (const auto* lists : {&config_.cpus, &config_.soft_cpus})
        for (const std::string& list : *lists)
            parse_cpu_list(list, cpus);
}

void Creation::check_command_line()
{
    if (config_.command_line.size() > dom0::builder::longest_command_line)
        fail("the command line of domain '{}' has {} characters; {} fit", config_.name, config_.command_line.size(),
             dom0::builder::longest_command_line);
}

DomId Creation::run()
{
    explain("making domain '{}'", config_.name);
    complete_config();
    check_name();
    check_cpus();
    check_command_line();
    check_devices();
    const Images images(config_, pages());
    check_memory();
    explain("its name, lists of processors, devices, images and memory are in order");
    interrupts_.check();
    make_domain();
    set_affinity();
    build(images);
    interrupts_.check();
    write_store();
    interrupts_.check();
    done_ = true;
    return *domain_;
}

}

DomId create_domain(Session& session, DomainConfig config)
{
    return Creation(session, std::move(config)).run();
}

CreationLock::CreationLock() : file_(::open(xl_conf().lock_file.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600))
{
    if (!file_)
        fail("cannot open the lock file {}: {}", xl_conf().lock_file, std::strerror(errno));
    if (flock(file_.get(), LOCK_EX) < 0)
        fail("cannot lock {}: {}", xl_conf().lock_file, std::strerror(errno));
}

}
