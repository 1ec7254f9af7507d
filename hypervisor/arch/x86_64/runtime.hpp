// Constructors of static objects.
#pragma once

namespace xylem::arch {

void run_constructors();

}
