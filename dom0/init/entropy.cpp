// Fills the kernel's random pool early: see entropy.hpp.

#include "dom0/init/entropy.hpp"

#include "dom0/init/system.hpp"

#include <algorithm>
#include <cerrno>
#include <cstring>

#include <fcntl.h>
#include <linux/random.h>
#include <sys/ioctl.h>
#include <sys/random.h>
#include <unistd.h>

namespace xylem::init {
namespace {

constexpr const char* seed_file = "/etc/xylem/random-seed";

bool credit_seed()
{
    const std::string seed = read_file(seed_file);
    if (seed.size() < 32)
        return false;
    unlink(seed_file);
    const int bytes = static_cast<int>(std::min<size_t>(seed.size(), 512));
    // rand_pool_info: the entropy in bits, the number of bytes, the bytes.
    std::string pool(2 * sizeof(int), '\0');
    const int head[] = {bytes * 8, bytes};
    std::memcpy(pool.data(), head, sizeof head);
    pool.append(seed, 0, static_cast<size_t>(bytes));
    const int device = open("/dev/urandom", O_WRONLY | O_CLOEXEC);
    const bool done = device >= 0 && ioctl(device, RNDADDENTROPY, pool.data()) == 0;
    if (!done)
        say("the random seed is not credited: %s", std::strerror(errno));
    if (device >= 0)
        close(device);
    return done;
}

}

void fill_random_pool()
{
    if (credit_seed() || fork() != 0)
        return;
    char byte = 0;
    _exit(getrandom(&byte, sizeof byte, 0) == 1 ? 0 : 1); // returns once the kernel has gathered enough
}

}
