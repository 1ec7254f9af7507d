// Prints the machine's pages as the hypervisor counts them, to the page: `xl info` rounds to MiB.
// (tests/system/leaks.py)
//
// One line: free pages, pages that domains own, and of those dom0's.

#include "dom0/lib/hypervisor.hpp"

#include <exception>
#include <fmt/format.h>

using namespace xylem;

int main()
try {
    dom0::Hypervisor hypervisor;
    u64 owned = 0, of_dom0 = 0;
    for (const dom0::DomainInfo& domain : hypervisor.domains()) {
        owned += domain.tot_pages;
        if (domain.domain == 0)
            of_dom0 = domain.tot_pages;
    }
    const abi::SysctlPhysinfo machine = hypervisor.physinfo();
    fmt::print("{} {} {}\n", machine.free_pages, owned, of_dom0);
} catch (const std::exception& failure) {
    fmt::print(stderr, "host-pages: {}\n", failure.what());
    return 1;
}
