// The smallest program: it says who it is, waits to be told to end, and ends.
//
//     kernel = "build/guests/hello.elf"       in xl's configuration; memory = 16 is plenty

#include "frontends/guest/control.hpp"
#include "frontends/guest/tasks.hpp"

#include "hypervisor/abi/version.hpp"

using namespace xylem;
using namespace xylem::guest;

void xylem_main()
{
    const i64 version = hypercall(abi::HypercallNumber::xen_version, static_cast<u64>(abi::VersionCmd::version));
    print("Hello. I am a small guest in {} MiB, on {} {}.{}.\n", start_info().nr_pages >> 8,
          on_xylem() ? "Xylem" : "Xen", version >> 16, version & 0xffff);
    if (is_dom0())
        return; // there is no store, and nobody who could give orders
    follow_orders();
    char word[8];
    if (find_argument("stay", word, sizeof word))
        wait_until([] { return ordered_end().has_value(); });
    print("Goodbye.\n");
    shut_down(ordered_end().value_or(abi::ShutdownReason::poweroff));
}
