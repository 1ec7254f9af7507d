// Random bytes for guests that have no source of their own: answers each request from the kernel's generator.
#pragma once

#include "backends/lib/ring_device.hpp"
#include "hypervisor/abi/io/rngif.hpp"

namespace xylem::backends::rng {

class RngDevice : public RingDevice<abi::io::RngRequest, abi::io::RngResponse> {
public:
    using RingDevice::RingDevice;

private:
    abi::io::RngResponse answer(const abi::io::RngRequest& request) override;
    bool fill(const abi::io::RngRequest& request);
};

}
