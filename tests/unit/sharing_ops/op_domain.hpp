// Whole domains for the tests of grant_table_op and event_channel_op, found by a registry of their own: the life of
// domains is not what these tests are about.
#pragma once

#include "hypervisor/abi/x86_64/pte.hpp"
#include "hypervisor/domain/domain.hpp"
#include "hypervisor/hypercall/hypercall.hpp"
#include "hypervisor/mm/heap.hpp"
#include "hypervisor/mm/roots.hpp"
#include "tests/support/fake_machine.hpp"

#include <gtest/gtest.h>

#include <memory>

namespace xylem::hypercall::test {

struct OpDomain {
    static constexpr u64 window = 0x4000'0000; ///< where its one L1 table begins

    explicit OpDomain(u16 id, Privilege privilege = Privilege::none);
    ~OpDomain();

    Mfn page() { return mm::assign_new_frames(domain.memory, 0).take(); }
    u64 address(unsigned slot) const { return window + slot * page_size; }
    u64 pte(unsigned slot) const { return machine::map<u64>(l1)[slot]; }
    abi::GrantEntryV1& entry(u32 ref)
    {
        return machine::map<abi::GrantEntryV1>(domain.grants.shared_frame(0).take())[ref];
    }
    void grant(u32 ref, Mfn mfn, const OpDomain& to)
    {
        entry(ref) = {abi::gtf_permit_access, to.domain.id.value, static_cast<u32>(mfn.value)};
    }

    /// A hypercall as the dispatcher would make it: again with what the handler left, while it says that it is not
    /// finished.
    i64 call(Handler handler, u64 a0, u64 a1, u64 a2 = 0);
    unsigned continuations = 0; ///< of the last call

    Domain domain;
    Vcpu vcpu;
    std::unique_ptr<abi::SharedInfo> shared{new abi::SharedInfo{}};
    Mfn l1{}, l4{};
};

template <typename T> u64 at(T& object)
{
    return reinterpret_cast<u64>(&object);
}

}
