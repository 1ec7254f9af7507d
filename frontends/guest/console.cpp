// The console: console_io for dom0, the ring that start_info names for a domU. (xen/include/public/io/console.h)

#include "frontends/console/ring.hpp"
#include "frontends/guest/events.hpp"
#include "frontends/guest/guest.hpp"
#include "frontends/guest/internal.hpp"
#include "frontends/guest/time.hpp"

namespace xylem::guest {
namespace {

std::optional<frontends::console::ConsoleRing> ring;

Port port()
{
    return Port(start_info().console.domU.evtchn);
}

i64 console_io(abi::ConsoleIoCmd cmd, const char* text, size_t length)
{
    return hypercall(abi::HypercallNumber::console_io, static_cast<u64>(cmd), length, reinterpret_cast<u64>(text));
}

/// Until the daemon has taken something, or for a while: the program, and event handlers, print as if it cost nothing.
void wait_for_daemon()
{
    abi::RawPort raw = port().value;
    abi::SchedPoll request{{address_of(raw)}, 1, system_time() + 10 * millisecond};
    hypercall(abi::HypercallNumber::sched_op, static_cast<u64>(abi::SchedCmd::poll), address_of(request));
}

void clear_pending()
{
    __atomic_and_fetch(&shared_info().evtchn_pending[port().value / 64], ~(u64{1} << port().value % 64),
                       __ATOMIC_SEQ_CST);
}

void write_to_ring(std::span<const char> text)
{
    while (!text.empty()) {
        clear_pending(); // before we look: what comes after ends the wait
        const auto written = ring->write(text);
        if (!written)
            return; // the daemon's index cannot be: it gets nothing
        notify(port());
        text = text.subspan(*written);
        if (!text.empty())
            wait_for_daemon();
    }
}

}

void initialise_console()
{
    if (!is_dom0())
        ring.emplace(address_of_pfn<abi::io::ConsoleInterface>(pfn_of_mfn(start_info().console.domU.mfn)));
}

void write_console(const char* text, size_t length)
{
    if (ring)
        write_to_ring({text, length});
    else
        console_io(abi::ConsoleIoCmd::write, text, length);
}

size_t read_console(char* buffer, size_t capacity)
{
    if (!ring) {
        const i64 count = console_io(abi::ConsoleIoCmd::read, buffer, capacity);
        return count > 0 ? static_cast<size_t>(count) : 0;
    }
    static bool listening = false;
    if (!listening)
        handle_port(port(), [](void*) {}); // from here on what is typed ends a wait
    listening = true;
    const u32 count = ring->read({buffer, capacity}).value_or(0);
    if (count > 0)
        notify(port());
    return count;
}

}
