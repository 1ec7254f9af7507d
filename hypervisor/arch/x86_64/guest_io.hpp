// A guest's port accesses: which reach the hardware, which read as nothing.
#pragma once

#include "hypervisor/domain/domain.hpp"

namespace xylem::arch {

/// Whether the vCPU's virtual IOPL lets it do what asks for it: CLI and STI, and any port.
bool iopl_permits(const Vcpu& vcpu);
/// Whether the vCPU may execute IN and OUT on these ports at all: by its virtual IOPL, or by its I/O bitmap.
bool io_allowed(Vcpu& vcpu, u16 port, unsigned bytes);
/// Reads or writes 1, 2 or 4 bytes. Ports that are not the domain's read as all ones, and writes to them are dropped.
u32 guest_in(Vcpu& vcpu, u16 port, unsigned bytes);
void guest_out(Vcpu& vcpu, u16 port, unsigned bytes, u32 value);

}
