// memory_op's families of sub-ops, and what each is given.
#pragma once

#include "hypervisor/abi/memory.hpp"
#include "hypervisor/core/guest_ptr.hpp"
#include "hypervisor/hypercall/hypercall.hpp"

namespace xylem::hypercall {

/// The call as the guest made it. The command's upper part says how many extents an interrupted call has done.
struct MemoryRequest {
    Vcpu& self;
    Arguments& args;

    Domain& caller() const { return *self.domain; }
    abi::MemoryCmd command() const { return static_cast<abi::MemoryCmd>(args.a[0] & abi::memop_cmd_mask); }
    u64 start() const { return args.a[0] >> abi::memop_extent_shift; }
    template <typename T> GuestInOut<T> argument() const { return GuestInOut<T>(args.a[1]); }
    /// The call is to go on from extent `done`.
    i64 continue_at(u64 done) const
    {
        args.a[0] = (args.a[0] & abi::memop_cmd_mask) | done << abi::memop_extent_shift;
        return preempted;
    }
    /// The domain an argument names. @return NoSuchDomain, NotPermitted
    Result<DomainRef> named_domain(abi::RawDomId id) const;
    /// The largest order of a run that may be asked for: 2 MiB, since what is done to a run as a whole is done in one
    /// go.
    static constexpr unsigned max_extent_order = 9;
};

/// increase_reservation, decrease_reservation, populate_physmap. @return how many extents are done: never an error
i64 change_reservation(const MemoryRequest& request);
i64 acquire_resource(const MemoryRequest& request);
Result<i64> exchange(const MemoryRequest& request);
Result<i64> get_memory_map(const MemoryRequest& request);
Result<i64> set_memory_map(const MemoryRequest& request);
Result<i64> machine_memory_map(const MemoryRequest& request);
Result<i64> machphys_mapping(const MemoryRequest& request);
Result<i64> machphys_mfn_list(const MemoryRequest& request);

/// The width of address that a reservation's flags ask for. @return Invalid  narrower than a page
inline Result<unsigned> address_bits(u32 mem_flags)
{
    constexpr unsigned any = 64;
    const unsigned bits = mem_flags & abi::memf_address_bits_mask;
    if (bits == 0 || bits >= any)
        return any;
    return bits <= page_shift ? Result<unsigned>(Error::Invalid) : Result<unsigned>(bits);
}

}
