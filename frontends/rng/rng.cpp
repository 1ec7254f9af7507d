// See rng.hpp.

#include "frontends/rng/rng.hpp"

namespace xylem::frontends::rng {

using Outcome = RandomRequest::Outcome;

Result<void> Rng::connected()
{
    page_.release(); // an earlier connection's
    return page_.acquire(kernel(), backend(), 1);
}

void Rng::fill(RandomRequest& request)
{
    request.outcome = Outcome::pending;
    request.filled = 0;
    request.next = nullptr;
    if (!is_connected() || request.wanted.empty()) {
        request.outcome = request.wanted.empty() ? Outcome::done : Outcome::failed;
        return;
    }
    const bool idle = !first_;
    RandomRequest** last = &first_;
    while (*last)
        last = &(*last)->next;
    *last = &request;
    if (idle)
        ask_for_next();
}

void Rng::ask_for_next()
{
    while (first_) {
        const u64 left = first_->wanted.size() - first_->filled;
        asked_bytes_ = left < page_size ? left : page_size;
        if (ask({0, page_.ref(0).value, 0, static_cast<u16>(asked_bytes_)}).ok())
            return;
        end(Outcome::failed);
    }
}

void Rng::end(Outcome outcome)
{
    RandomRequest& request = *first_;
    first_ = request.next;
    request.outcome = outcome;
}

bool Rng::answered(const abi::io::RngResponse& response)
{
    if (response.status != abi::io::RngStatus::okay) {
        end(Outcome::failed);
    } else {
        __builtin_memcpy(first_->wanted.data() + first_->filled, page_.page(0), asked_bytes_);
        first_->filled += asked_bytes_;
        if (first_->filled == first_->wanted.size())
            end(Outcome::done);
    }
    ask_for_next();
    return true;
}

void Rng::lost(const abi::io::RngRequest&)
{
    while (first_)
        end(Outcome::failed);
}

}
