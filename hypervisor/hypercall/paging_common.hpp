// What the paging hypercalls share: whose frames `foreigndom` names, whose processors hold translations, and how a call
// that is done but for interrupted invalidations comes back for them.
#pragma once

#include "hypervisor/abi/mmu.hpp"
#include "hypervisor/core/guest_ptr.hpp"
#include "hypervisor/domain/domain.hpp"
#include "hypervisor/hypercall/hypercall.hpp"
#include "hypervisor/mm/page_type.hpp"

namespace xylem::hypercall {

/// The owner that a foreigndom names, kept alive.
struct NamedOwner {
    mm::Owner* owner = nullptr;
    DomainRef domain; ///< empty for the caller itself and for the pseudo owners
};

/// @return NoSuchDomain  unknown, or the caller by its number instead of domid_self
///         NotPermitted  another domain, or the hypervisor's frames, and the caller is not privileged
Result<NamedOwner> named_owner(Domain& self, DomId id);

/// Processors that may hold translations of `domain`.
CpuMask translation_holders(const Domain& domain);
/// Those of the vCPUs in the bitmap of 64-bit words that the guest keeps at `bitmap`. @return Fault
Result<CpuMask> holders_by_vcpu(const Domain& domain, u64 bitmap);

/// Makes `mfn` the root that the running vCPU's kernel runs on. @return as mm::take_root()
Result<void> new_kernel_root(Vcpu& self, Mfn mfn);

/// The list of a paging hypercall: where it stands, how many entries are left, and the guest's count of those done.
/// mmu_update and mmuext_op are re-issued with the list advanced, and the mark of continuation in the count.
class Progress {
public:
    explicit Progress(Arguments& args) : args_(args), done_(args.a[2]) {}

    /// Whether only invalidations are left of a call whose list has been worked through.
    bool only_pending() const { return args_.a[0] == 0 && static_cast<u32>(args_.a[1]) == abi::mmu_update_preempted; }
    /// The result that such a call has had.
    i64 former_result() const { return static_cast<i32>(args_.a[2]); }
    u32 count() const { return static_cast<u32>(args_.a[1]) & ~abi::mmu_update_preempted; }

    /// Ends a call of which `finished` entries are done with `result` (Preempted: to be continued), and sees to what is
    /// left to invalidate in `owner`.
    i64 end(const Result<void>& result, u32 finished, u64 entry_bytes, mm::Owner& owner);

private:
    void tell_done(u32 finished);
    Arguments& args_;
    GuestInOut<u32> done_;
};

}
