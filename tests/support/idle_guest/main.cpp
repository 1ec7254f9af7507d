// A guest that says so and then waits for ever: what does such a domain cost the hypervisor? (tests/system/leaks.py)

#include "frontends/guest/guest.hpp"

using namespace xylem;
using namespace xylem::guest;

void xylem_main()
{
    print("IDLE-GUEST-WAITS\n");
    for (;;) {
        abi::SchedPoll nothing{};
        hypercall(abi::HypercallNumber::sched_op, static_cast<u64>(abi::SchedCmd::poll), address_of(nothing));
    }
}
