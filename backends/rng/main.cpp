// xylem-rngback: gives guests random bytes, from dom0's user space.
#include "backends/lib/backend.hpp"
#include "backends/rng/device.hpp"

using namespace xylem::backends;

int main(int argc, char** argv)
{
    const auto make_device = [](DeviceSeams seams, DevicePlace place, DeviceEvents events) {
        return std::make_unique<rng::RngDevice>(std::move(seams), std::move(place), std::move(events));
    };
    return backend_main(argc, argv, {"rng", "Gives guests random bytes: each device in backend/rng.", make_device});
}
