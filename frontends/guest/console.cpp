// The console: console_io for dom0, the ring that start_info names for a domU. (xen/include/public/io/console.h)

#include "frontends/guest/guest.hpp"
#include "frontends/guest/internal.hpp"

#include "hypervisor/abi/event_channel.hpp"
#include "hypervisor/abi/io/console.hpp"

namespace xylem::guest {
namespace {

abi::io::ConsoleInterface* ring;

void notify()
{
    abi::EvtchnSend send{start_info().console.domU.evtchn};
    hypercall(abi::HypercallNumber::event_channel_op, static_cast<u64>(abi::EvtchnCmd::send), address_of(send));
}

void put(char c)
{
    while (ring->out_prod - __atomic_load_n(&ring->out_cons, __ATOMIC_ACQUIRE) >= sizeof ring->out) {
        notify();
        hypercall(abi::HypercallNumber::sched_op, static_cast<u64>(abi::SchedCmd::yield));
    }
    ring->out[ring->out_prod & (sizeof ring->out - 1)] = c;
    __atomic_store_n(&ring->out_prod, ring->out_prod + 1, __ATOMIC_RELEASE);
}

}

void initialise_console()
{
    if (!is_dom0())
        ring = address_of_pfn<abi::io::ConsoleInterface>(pfn_of_mfn(start_info().console.domU.mfn));
}

void write_console(const char* text, size_t length)
{
    if (is_dom0()) {
        hypercall(abi::HypercallNumber::console_io, static_cast<u64>(abi::ConsoleIoCmd::write), length,
                  reinterpret_cast<u64>(text));
        return;
    }
    for (size_t i = 0; i < length; ++i)
        put(text[i]);
    notify();
}

}
