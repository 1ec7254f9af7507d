// See device.hpp.
#include "backends/rng/device.hpp"

#include <sys/random.h>

namespace xylem::backends::rng {

bool RngDevice::fill(const abi::io::RngRequest& request)
{
    if (request.bytes == 0 || request.offset >= page_size || request.bytes > page_size - request.offset)
        return false;
    std::byte bytes[page_size];
    if (getrandom(bytes, request.bytes, GRND_NONBLOCK) != request.bytes)
        return false; // dom0 itself has too little yet
    GrantCopy step =
        GrantCopy::to_guest(bytes, {memory().domain(), GrantRef(request.gref)}, request.offset, request.bytes);
    memory().copy({&step, 1});
    return step.done();
}

abi::io::RngResponse RngDevice::answer(const abi::io::RngRequest& request)
{
    return {request.id, fill(request) ? abi::io::RngStatus::okay : abi::io::RngStatus::error, 0};
}

}
