// Dom0 and guests with their whole life, as the toolstack makes and ends them: for tests of the hypercalls about
// domains and vCPUs. At a test's end everything is destroyed, and Session sees that nothing was left.
#pragma once

#include "hypervisor/abi/domctl.hpp"
#include "hypervisor/abi/x86_64/pte.hpp"
#include "hypervisor/core/guest_ptr.hpp"
#include "hypervisor/domain/lifecycle.hpp"
#include "hypervisor/hypercall/hypercall.hpp"
#include "hypervisor/mm/heap.hpp"
#include "tests/support/fake_machine.hpp"
#include "tests/support/fake_vcpu_machine.hpp"

#include <gtest/gtest.h>

namespace xylem::test {

using hypercall::Arguments;
using hypercall::Handler;

inline constexpr i64 eperm = -1, esrch = -3, enoent = -2, e2big = -7, eagain = -11, enomem = -12, eacces = -13,
                     efault = -14, ebusy = -16, eexist = -17, enodev = -19, einval = -22, enospc = -28, enosys = -38,
                     enodata = -61, enobufs = -105, eopnotsupp = -95, enxio = -6;

template <typename T> u64 at(T& object)
{
    return reinterpret_cast<u64>(&object);
}

/// A hypercall of `vcpu`, issued until it is finished.
i64 call(Vcpu& vcpu, Handler handler, u64 a0 = 0, u64 a1 = 0, u64 a2 = 0, u64 a3 = 0);

struct Tools : testing::Test {
    Tools();
    ~Tools() override;

    /// domctl by dom0's first vCPU; `op` keeps the answer.
    i64 domctl(abi::DomctlCmd cmd, DomId domain);
    /// A guest with `vcpus` vCPUs and `pages` pages, still paused.
    Domain& make_guest(unsigned vcpus = 1, u64 pages = 64, u16 id = 0);
    /// Until it is done.
    void destroy(DomId domain);
    /// The least page tables a vCPU can run on: an empty root. @return its frame
    static Mfn root_for(Domain& domain);
    /// A context that is valid on `root`.
    static void fill(abi::VcpuGuestContext& context, Mfn root);
    abi::DomctlGetdomaininfo info(DomId domain);

    Session session;
    Domain* dom0 = nullptr;
    Vcpu* self = nullptr; ///< dom0's first vCPU
    abi::Domctl op{};
};

}
