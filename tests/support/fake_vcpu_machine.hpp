// What the fake machine keeps of the seam's other parts: vCPU state, clocks, interrupts, the console. Tests set it and
// look at it; Session does not reset it.
#pragma once

#include "hypervisor/core/irq.hpp"
#include "hypervisor/domain/vcpu_machine.hpp"

#include <map>
#include <string>
#include <vector>

namespace xylem::test {

struct FakeVcpuMachine {
    static FakeVcpuMachine& get();

    machine::WallClock clock{1'700'000'000, 5};
    u64 xsave_mask = 0; ///< 0: no XSAVE
    u32 xsave_bytes = 0;
    std::vector<u64> debug_registers_loaded; ///< DR7 of each load
    std::vector<std::string> power;          ///< what was asked of the machine's power

    // Interrupts: sixteen GSIs, of which `level` are levels; messages above them.
    static constexpr u32 gsis = 16, irqs = 64;
    std::map<u32, DomId> mapped;
    std::map<u32, bool> level;
    std::vector<u32> ended;
    std::vector<machine::PciFunction> devices;

    std::string console_output, console_input, log;
    u64 log_cleared = 0;
};

}
