// What dom0's programs ask of the hypervisor, one function an operation. Each throws HypercallError naming the
// operation, unless it says what else it answers.
#pragma once

#include "dom0/lib/privcmd.hpp"
#include "hypervisor/abi/domctl.hpp"
#include "hypervisor/abi/hypfs.hpp"
#include "hypervisor/abi/mmu.hpp"
#include "hypervisor/abi/sysctl.hpp"
#include "hypervisor/abi/version.hpp"
#include "hypervisor/abi/xylem.hpp"

#include <optional>
#include <string>
#include <vector>

namespace xylem::dom0 {

using DomainInfo = abi::DomctlGetdomaininfo;
using CpuMap = std::vector<bool>; ///< by processor number

class Hypervisor {
public:
    Privcmd& privcmd() { return privcmd_; }

    // The machine.
    abi::SysctlPhysinfo physinfo();
    abi::SchedulerId scheduler();
    enum class ClearLog { no, yes };
    /// The hypervisor's log.
    std::string read_log(ClearLog clear);
    void debug_keys(const std::string& keys);
    enum class ParameterSet { done, no_hypfs, unknown, refused };
    /// Sets a parameter of the hypervisor's command line while it runs, by its hypfs.
    ParameterSet set_parameter(const std::string& name, const std::string& value);
    std::vector<abi::SysctlMeminfo> numa_memory();
    u64 free_bytes();
    struct CpuPool {
        u32 id;
        abi::SchedulerId scheduler;
        u32 domains;
        CpuMap cpus;
    };
    /// The pool with the lowest id from `id` on, if there is one.
    std::optional<CpuPool> cpupool(u32 id);
    std::vector<abi::SysctlCputopo> cpu_topology();

    // xen_version.
    struct Version {
        u32 major;
        u32 minor;
        std::string extra;
    };
    Version version();
    std::string capabilities();
    std::string changeset();
    std::string command_line();
    abi::CompileInfo compile_info();
    u64 virtual_start();
    /// In hexadecimal; empty if it was built without one.
    std::string build_id();

    // Domains.
    std::vector<DomainInfo> domains();
    /// Nothing if there is no such domain.
    std::optional<DomainInfo> domain(DomId domain);
    DomId create_domain(const abi::DomctlCreatedomain& wanted);
    void set_max_vcpus(DomId domain, u32 count);
    void set_max_memory(DomId domain, u64 kib);
    void destroy(DomId domain);
    void pause(DomId domain);
    void unpause(DomId domain);
    abi::DomctlGetvcpuinfo vcpu_info(DomId domain, u32 vcpu);
    struct Affinity {
        CpuMap hard;
        CpuMap soft;
    };
    Affinity vcpu_affinity(DomId domain, u32 vcpu);
    void set_vcpu_affinity(DomId domain, u32 vcpu, const std::optional<CpuMap>& hard,
                           const std::optional<CpuMap>& soft);
    abi::DomctlSchedCredit sched_params(DomId domain, abi::SchedulerId scheduler);
    void set_sched_params(DomId domain, abi::SchedulerId scheduler, abi::DomctlSchedCredit params);
    void send_trigger(DomId domain, abi::TriggerType trigger, u32 vcpu);
    void set_handle(DomId domain, const abi::DomainHandle& handle);
    void set_time_offset(DomId domain, i64 seconds);

    // Looking into a domain.
    /// Nothing of a vCPU that was never brought up.
    std::optional<abi::VcpuGuestContext> vcpu_context(DomId domain, u32 vcpu);
    /// What each of `frames`, at most 1024, is to `domain`: mfns in, abi::pfinfo_* out; pfinfo_xtab if it is not its
    /// own.
    void page_types(DomId domain, std::span<u64> frames);
    static constexpr u64 m2p_chunk_bytes = u64{2} << 20;
    /// The first frame, domid_xen's, of each chunk of the M2P that numbers the frames below `end`. A hole repeats the
    /// chunk before it.
    std::vector<Mfn> m2p_chunks(u64 end);

    // Building a domain.
    void set_vcpu_context(DomId domain, u32 vcpu, const abi::VcpuGuestContext& context);
    void install_hypercall_page(DomId domain, Mfn frame);
    /// Gives `domain` memory of order `order` at each of `pfns`, in place: pfns in, mfns out.
    /// @return how many were given, fewer if memory ran out.
    std::size_t populate(DomId domain, std::span<u64> frames, unsigned order);
    void set_memory_map(DomId domain, u64 bytes);
    void pin_l4(DomId domain, Mfn frame);
    Port alloc_unbound(DomId domain, DomId remote);

    /// Xylem's own: checks the invariants of the machine. Nothing if this hypervisor is not Xylem.
    struct Audit {
        u64 violations;
        std::string text;
    };
    std::optional<Audit> audit();

private:
    void sysctl(abi::Sysctl& operation, const char* name);
    void domctl(abi::Domctl& operation, const char* name);
    int hypfs(abi::HypfsCmd command, const std::string& path, u64 buffer, u64 size);
    std::string version_text(abi::VersionCmd command, std::size_t size, const char* name);

    Privcmd privcmd_;
};

}
