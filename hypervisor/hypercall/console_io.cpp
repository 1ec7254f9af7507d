// console_io: the machine's console, for the control domain alone.
// (xen/include/public/xen.h, CONSOLEIO_*; docs/pv-abi.md 4.7)

#include "hypervisor/core/console.hpp"
#include "hypervisor/core/guest_ptr.hpp"
#include "hypervisor/hypercall/hypercall.hpp"

#include <climits>

namespace xylem::hypercall {
namespace {

enum class ConsoleCmd : u64 { write = 0, read = 1 };

constexpr size_t chunk_bytes = 128;

i64 write(Arguments& args)
{
    const GuestIn<char> text(args.a[2]);
    const u64 count = args.a[1];
    char chunk[chunk_bytes];
    for (u64 done = 0; done < count;) {
        const u64 bytes = count - done < chunk_bytes ? count - done : chunk_bytes;
        if (Result<void> copied = text.copy_in_array(chunk, bytes, done); !copied.ok())
            return to_errno(copied.error());
        machine::write_console(chunk, bytes);
        done += bytes;
        if (done < count && should_preempt()) {
            args.a[1] = count - done;
            args.a[2] += done;
            return preempted;
        }
    }
    return 0;
}

i64 read(Arguments& args)
{
    const GuestOut<char> buffer(args.a[2]);
    const u64 capacity = args.a[1];
    if (capacity > INT_MAX) // what it answers would look like an error
        return to_errno(Error::TooBig);
    char chunk[chunk_bytes];
    const size_t count = machine::read_console(chunk, capacity < chunk_bytes ? capacity : chunk_bytes);
    if (Result<void> copied = buffer.copy_out_array(chunk, count); !copied.ok())
        return to_errno(copied.error());
    return static_cast<i64>(count);
}

}

i64 console_io(Vcpu& self, Arguments& args)
{
    const auto cmd = static_cast<ConsoleCmd>(static_cast<u32>(args.a[0]));
    args.a[1] = static_cast<u32>(args.a[1]);
    if (!self.domain->privileged())
        return to_errno(Error::NotPermitted);
    switch (cmd) {
    case ConsoleCmd::write:
        return write(args);
    case ConsoleCmd::read:
        return read(args);
    }
    return to_errno(unknown_operation(*self.domain, "console_io", static_cast<u64>(cmd)));
}

}
