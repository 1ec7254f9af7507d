// A peer domain in plain memory: its pages, its grants, and the frontend's end of a ring.
#pragma once

#include "backends/lib/peer_memory.hpp"
#include "dom0/lib/fd.hpp"
#include "hypervisor/abi/io/ring.hpp"

#include <cstring>
#include <map>
#include <optional>
#include <set>
#include <vector>

namespace xylem::backends::test {

/// A domain's memory and grant table. Page i is granted by reference i, unless revoked.
class FakePeer : public PeerMemory {
public:
    explicit FakePeer(u32 pages, u16 domain = 1);
    ~FakePeer() override;

    std::byte* page(u32 number) { return base_ + number * page_size; }
    void revoke(u32 ref) { revoked_.insert(ref); }
    std::size_t mappings() const { return mapped_.size(); }
    /// Where the backend reads page `number`: mapped by it, or, while it only copies, the page itself.
    std::byte* read_at(u32 number);

    std::byte* map(std::span<const GrantRef> refs) override;
    void unmap(std::byte* mapped) override;
    void copy(std::span<GrantCopy> steps) override;
    DomId domain() const override { return domain_; }

private:
    bool granted(u32 ref) const { return ref < pages_ && !revoked_.contains(ref); }
    bool copy_one(const GrantCopy& step);

    u32 pages_;
    DomId domain_;
    dom0::Fd memory_;
    std::byte* base_;
    std::set<u32> revoked_;
    std::map<std::byte*, std::vector<u32>> mapped_;
};

/// Counts the events that a backend sends.
struct CountedSignal : PeerSignal {
    explicit CountedSignal(unsigned& count) : count_(count) {}
    void notify() override { ++count_; }
    unsigned& count_;
};

/// The frontend's end of a ring on the peer's pages.
template <typename Request, typename Response> class FrontRing {
public:
    explicit FrontRing(std::byte* page, std::size_t bytes = page_size)
        : shared(page), size(abi::io::ring_slots(bytes, sizeof(abi::io::RingEntry<Request, Response>)))
    {
    }
    void init()
    {
        header() = {};
        header().req_event = header().rsp_event = 1;
    }

    abi::io::RingHeader& header() { return *reinterpret_cast<abi::io::RingHeader*>(shared); }
    std::byte* slot(u32 index)
    {
        return shared + sizeof(abi::io::RingHeader) +
               (index & (size - 1)) * sizeof(abi::io::RingEntry<Request, Response>);
    }
    bool full() const { return produced - consumed == size; }
    void push(const Request& request)
    {
        std::memcpy(slot(produced++), &request, sizeof request);
        header().req_prod = produced;
    }
    std::optional<Response> pop()
    {
        if (consumed == header().rsp_prod)
            return std::nullopt;
        Response response;
        std::memcpy(static_cast<void*>(&response), slot(consumed++), sizeof response);
        header().rsp_event = consumed + 1;
        return response;
    }
    std::vector<Response> pop_all()
    {
        std::vector<Response> all;
        while (auto response = pop())
            all.push_back(*response);
        return all;
    }

    std::byte* shared;
    u32 size;
    u32 produced = 0;
    u32 consumed = 0;
};

}
