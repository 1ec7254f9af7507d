// A flaw of an emulated processor that is looked for at boot.
#pragma once

namespace xylem::arch {

/// QEMU before mid-2024 makes an IRET executed in ring 3 read its stack as a supervisor access, subject to SMAP: every
/// such IRET then faults. Guests' kernels use it. Tried with a real one: this processor goes to ring 3 for two
/// instructions.
bool smap_breaks_user_iret();

}
