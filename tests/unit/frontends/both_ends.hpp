// A frontend and a backend of ours in one process, with a store between them: for tests of both halves of a device.
//
//     BothEnds ends("rng");
//     ends.serve([](DeviceSeams seams, DevicePlace place, DeviceEvents events) { return ...; });
//     Rng front(ends.kernel, 0);
//     front.begin();
//     ends.pump();                        // until nothing is left to do
#pragma once

#include "backends/lib/device_host.hpp"
#include "backends/lib/ring_device.hpp"
#include "tests/unit/frontends/fake_kernel.hpp"

#include <memory>

namespace xylem::frontends::test {

class BothEnds {
public:
    /// A toolstack has made device 0 of this type.
    explicit BothEnds(const std::string& type);
    ~BothEnds();

    using MakeDevice = std::function<std::unique_ptr<backends::Device>(
        backends::DeviceSeams seams, backends::DevicePlace place, backends::DeviceEvents events)>;
    /// Starts the backend; again: it is killed, and a successor started.
    void serve(MakeDevice make_device);
    /// The backend is killed: whatever it was doing, it does no more.
    void kill();
    /// Lets both ends do all they have to do.
    void pump();

    FakeKernel kernel;
    FakeDevice device;

private:
    class BackStore;
    class BackMemory;
    class Signal;

    std::string type_;
    backends::EventLoop loop_;
    std::unique_ptr<BackStore> store_;
    std::unique_ptr<backends::DeviceHost> host_;
    std::map<unsigned long, backends::EventLoop::Handler> bound_;
    std::map<unsigned long, unsigned> seen_; // events that the backend was told of, by port
};

}
