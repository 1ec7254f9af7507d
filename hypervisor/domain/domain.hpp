// A domain: a guest with its memory, its vCPUs, its event channels and its grants.
#pragma once

#include "event_channels/event_channels.hpp"
#include "grant_tables/grant_tables.hpp"
#include "hypervisor/abi/mmu.hpp"
#include "hypervisor/abi/shared_info.hpp"
#include "hypervisor/base/lock.hpp"
#include "hypervisor/base/result.hpp"
#include "hypervisor/base/types.hpp"
#include "hypervisor/domain/cpu_policy.hpp"
#include "hypervisor/domain/pit.hpp"
#include "hypervisor/domain/vcpu.hpp"
#include "hypervisor/mm/exchange.hpp"
#include "hypervisor/mm/owner.hpp"
#include "hypervisor/mm/range_set.hpp"

namespace xylem {

inline constexpr unsigned max_vcpus = 64;

/// What a domain may do to others and to the machine.
enum class Privilege : u8 { none, control };

enum class LifeState : u8 { alive, dying, dead };

/// How far the end of a domain has come: each step is preemptible, and done once.
enum class EndStep : u8 { stop, events, grants, vcpus, memory, done };

/// A timer of SCHEDOP_watchdog.
struct Watchdog {
    bool in_use = false;
    sched::Timer timer;
};

struct Domain {
    DomId id{};
    Privilege privilege = Privilege::none;
    bool is_hardware_domain = false; ///< dom0: gets hardware interrupts, ports, MMIO
    bool is_idle = false;

    mm::Owner memory; ///< pages owned, limits
    mm::Exchange exchange{memory};
    event_channels::Table events;
    grant_tables::Table grants;
    CpuPolicy* policy = nullptr;

    abi::SharedInfo* shared_info = nullptr;
    Mfn shared_info_mfn{};

    u64 vm_assist = 0;
    u8 handle[16] = {};
    unsigned vcpu_limit = 0;
    Vcpu* vcpus[max_vcpus] = {};

    SpinLock control_lock{LockRank::domctl}; ///< guards what follows: the domain's life
    LifeState life = LifeState::alive;
    EndStep end_step = EndStep::stop;
    bool ending = false;       ///< a processor is at work on its end
    u32 references = 1;        ///< one for being in the list until it has died; see domain_put
    bool memory_gone = false;  ///< the reference that its frames hold has been put
    u32 controller_pauses = 0; ///< by the toolstack: counted
    bool creation_finished = false;
    bool shutting_down = false, shut_down = false;
    u8 shutdown_code = 0xff;
    u32 suspend_port = 0; ///< event channel to notify when it has shut down; 0: none

    i64 wallclock_offset = 0; ///< seconds
    u32 cpupool = 0;
    u16 weight = 256, cap = 0;
    u32 tsc_mode = 0;
    bool msr_relaxed = false;
    mm::RangeSet io_ports, irqs; ///< beside memory.io_memory: what of the hardware it may use
    u32 pci_cf8 = 0;             ///< its configuration address latch
    u8 rtc_index = 0;
    Pit pit;
    Mfn pirq_eoi_frame = invalid_mfn; ///< its page of bits, one a pirq that needs an EOI (physdev_op)

    SpinLock watchdog_lock{LockRank::domctl}; ///< not control_lock, which a watchdog takes that has run out
    Watchdog watchdogs[2];

    Domain* next = nullptr; ///< in the list of domains, by ascending id

    Vcpu* vcpu(VcpuId which) const { return which.value < vcpu_limit ? vcpus[which.value] : nullptr; }
    bool privileged() const { return privilege == Privilege::control; }
    bool vm_assist_enabled(abi::VmassistType type) const { return vm_assist >> static_cast<u32>(type) & 1; }
};

/// A reference to a live domain; the domain's memory stays until it is put.
class DomainRef {
public:
    DomainRef() = default;
    explicit DomainRef(Domain* domain) : domain_(domain) {}
    DomainRef(DomainRef&& other) noexcept : domain_(other.domain_) { other.domain_ = nullptr; }
    DomainRef& operator=(DomainRef&& other) noexcept
    {
        Domain* taken = other.domain_;
        other.domain_ = domain_;
        domain_ = taken;
        return *this;
    }
    ~DomainRef();
    Domain* operator->() const { return domain_; }
    Domain& operator*() const { return *domain_; }
    Domain* get() const { return domain_; }

private:
    Domain* domain_ = nullptr;
};

/// Finds a domain by its id. domid_self is not resolved here. @return NoSuchDomain
Result<DomainRef> find_domain(DomId id);
/// Resolves domid_self to the caller. @return NoSuchDomain
Result<DomainRef> find_domain_or_self(Domain& caller, DomId id);
/// Ends a domain for its own fault: its vCPUs stop, its shutdown reason is `crash`. Returns to the caller.
void crash_domain(Domain& domain, const char* why);

}
