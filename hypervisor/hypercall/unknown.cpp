// What is asked for and not served gets a line in the log, but one line a second at most: a guest may call nonsense as
// often as it likes.

#include "hypervisor/core/log.hpp"
#include "hypervisor/hypercall/table.hpp"

namespace xylem::hypercall {
namespace {

/// Whether a second is over since the last line.
bool may_log()
{
    static i64 next_line;
    i64 next = atomic_load(&next_line);
    const i64 now = machine::now().value;
    return now >= next && atomic_compare_exchange(&next_line, next, now + 1'000'000'000);
}

}

void log_unknown_hypercall(const Vcpu& self, u64 number, const char* name)
{
    if (may_log())
        log(LogLevel::info, "d{}v{}: hypercall {} ({}) is not implemented", self.domain->id, self.id, number, name);
}

Error unknown_operation(const Domain& caller, const char* family, u64 operation)
{
    if (may_log())
        log(LogLevel::info, "d{}: {} has no operation {}", caller.id, family, operation);
    return Error::NotImplemented;
}

}
