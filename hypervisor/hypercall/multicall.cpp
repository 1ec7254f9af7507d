// multicall: a list of hypercalls in one. Only each entry's result is written back, unless the entry is preempted: then
// it is rewritten as the call that is to continue, and the whole goes on from there. (xen/include/public/xen.h;
// docs/pv-abi.md 3.15)

#include "hypervisor/core/guest_ptr.hpp"
#include "hypervisor/hypercall/hypercall.hpp"
#include "hypervisor/hypercall/table.hpp"

namespace xylem::hypercall {
namespace {

constexpr u64 number_multicall = static_cast<u64>(abi::HypercallNumber::multicall);
constexpr u64 number_iret = static_cast<u64>(abi::HypercallNumber::iret);

/// Runs one entry. @return `preempted` if it is to be continued; `entry` then holds the call as it is to be re-issued
i64 run(Vcpu& self, abi::MulticallEntry& entry)
{
    if (entry.op == number_multicall)
        return to_errno(Error::Invalid);
    Arguments args;
    for (unsigned i = 0; i < 6; ++i)
        args.a[i] = entry.args[i];
    const i64 result = call(self, entry.op, args);
    if (result == preempted)
        for (unsigned i = 0; i < 6; ++i)
            entry.args[i] = args.a[i];
    return result;
}

}

i64 multicall(Vcpu& self, Arguments& args)
{
    const GuestInOut<abi::MulticallEntry> list(args.a[0]);
    const u32 count = static_cast<u32>(args.a[1]);
    u64 bytes;
    if (__builtin_mul_overflow(u64{count}, sizeof(abi::MulticallEntry), &bytes) ||
        !guest_range_ok(list.address(), bytes))
        return to_errno(Error::Fault);
    for (u32 i = 0; i < count; ++i) {
        auto read = list.copy_in(i);
        if (!read.ok())
            return to_errno(Error::Fault);
        abi::MulticallEntry& entry = read.value();
        const i64 result = run(self, entry);
        if (entry.op == number_iret)
            return result; // the guest is elsewhere now
        if (result == preempted) {
            if (!list.copy_out(entry, i).ok())
                return to_errno(Error::Fault);
            args.a[0] += i * sizeof(abi::MulticallEntry);
            args.a[1] = count - i;
            return preempted;
        }
        const GuestOut<u64> result_word(args.a[0] + i * sizeof(abi::MulticallEntry) +
                                        offsetof(abi::MulticallEntry, result));
        if (!result_word.copy_out(static_cast<u64>(result)).ok())
            return to_errno(Error::Fault);
        if (i + 1 < count && should_preempt()) {
            args.a[0] += (i + 1) * sizeof(abi::MulticallEntry);
            args.a[1] = count - i - 1;
            return preempted;
        }
    }
    return 0;
}

}
