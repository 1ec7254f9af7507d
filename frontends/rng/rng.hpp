// Random bytes from dom0: xenbus "rng", protocol rngif (docs/rng.md).
//
//     Rng rng(kernel, 0);
//     rng.begin();
//     ... once rng.is_connected():
//     rng.fill(request);                  // request.outcome tells
#pragma once

#include "frontends/xenbus/ring_frontend.hpp"
#include "hypervisor/abi/io/rngif.hpp"

#include <span>

namespace xylem::frontends::rng {

/// The program's, and stays in place until its outcome is there.
struct RandomRequest {
    enum class Outcome : u8 { pending, done, failed };

    std::span<u8> wanted; ///< what is to be filled; any length
    Outcome outcome = Outcome::pending;

    u64 filled = 0; ///< bytes; the frontend's own
    RandomRequest* next = nullptr;
};

class Rng : public RingFrontend<abi::io::RngRequest, abi::io::RngResponse> {
public:
    Rng(Kernel& kernel, u32 number) : RingFrontend(kernel, "rng", number) {}
    ~Rng() override { page_.release(); }

    /// Begins to fill `request.wanted`. One request is under way at a time; others wait. When the connection ends they
    /// fail.
    void fill(RandomRequest& request);

private:
    Result<void> connected() override;
    bool answered(const abi::io::RngResponse& response) override;
    void lost(const abi::io::RngRequest& request) override;

    void ask_for_next();
    void end(RandomRequest::Outcome outcome);

    GrantedPages page_; // where the backend puts what it gives: copied out before anybody uses it
    RandomRequest* first_ = nullptr;
    u64 asked_bytes_ = 0;
};

}
