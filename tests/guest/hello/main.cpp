// A guest starts, finds itself where the ABI says, and can speak.

#include "frontends/guest/test.hpp"

#include "hypervisor/abi/version.hpp"

using namespace xylem;
using namespace xylem::guest;

void xylem_main()
{
    print("Hello, I am {}, on version {:x}\n", is_dom0() ? "dom0" : "a domU",
          hypercall(abi::HypercallNumber::xen_version, static_cast<u64>(abi::VersionCmd::version)));
    EXPECT(__builtin_memcmp(start_info().magic, "xen-3.0-x86_64", 14), 0);
    EXPECT(hypercall(abi::HypercallNumber::xen_version, 0), 4 << 16 | 17);
    EXPECT(hypercall(static_cast<u64>(63)), -38);
    finish_test();
}
