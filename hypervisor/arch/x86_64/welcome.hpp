// The first words on the console.
#pragma once

namespace xylem::arch {

/// Says who we are, what the boot loader brought, and refuses to go on without dom0's kernel.
void greet();

}
