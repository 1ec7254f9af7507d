// Fills the kernel's random pool early: a processor without RDRAND leaves it empty for seconds, in which programs that
// ask without blocking (libuuid in `xl create`) sleep and ask again.
#pragma once

namespace xylem::init {

/// Credits the seed that the machine's owner put into the image, if there is one, and erases it. Without a seed the
/// kernel is made to gather timing jitter itself, in a process of its own, beside the rest of the start.
void fill_random_pool();

}
