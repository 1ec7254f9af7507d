// Waits for an entropy device, and prints random bytes. (docs/writing-a-driver.md leads through the device.)

#include "frontends/guest/control.hpp"
#include "frontends/guest/drivers.hpp"
#include "frontends/guest/tasks.hpp"
#include "frontends/guest/time.hpp"
#include "frontends/rng/rng.hpp"

using namespace xylem;
using namespace xylem::guest;
using frontends::rng::RandomRequest;
using frontends::rng::Rng;

namespace {

bool fill(Rng& rng, std::span<u8> bytes)
{
    RandomRequest request{bytes};
    rng.fill(request);
    wait_until([&] { return request.outcome != RandomRequest::Outcome::pending; });
    return request.outcome == RandomRequest::Outcome::done;
}

void print_hexadecimal(std::span<const u8> bytes)
{
    print("RANDOM ");
    for (const u8 byte : bytes)
        print("{:x}{:x}", byte >> 4, byte & 15);
    print("\n");
}

}

void xylem_main()
{
    follow_orders();
    Rng rng(driver_kernel(), 0);
    // The device is attached to a guest that runs: it may not be there yet.
    const u64 deadline = system_time() + 60 * second;
    while (!rng.begin().ok() && !past(deadline) && !ordered_end())
        sleep(200 * millisecond);
    if (!wait_until([&] { return rng.is_connected() || rng.is_over(); }, deadline) || rng.is_over())
        return print("There is no entropy device: attach one by xylem-device attach DOMAIN rng\n");
    u8 bytes[16];
    for (int line = 0; line < 3; ++line)
        if (fill(rng, bytes))
            print_hexadecimal(bytes);
    static u8 many[100'000];
    u32 ones = 0;
    if (!fill(rng, many))
        print("The backend gives no more.\n");
    for (const u8 byte : many)
        for (unsigned bit = 0; bit < 8; ++bit)
            ones += byte >> bit & 1;
    print("{} of {} bits are ones\n", ones, sizeof many * 8);
    rng.close();
    wait_until([&] { return rng.is_closed(); }, system_time() + 5 * second);
}
