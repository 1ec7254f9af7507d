// The block backend's queue between a simulated frontend and a disk in memory.
#pragma once

#include "backends/block/queue.hpp"
#include "tests/unit/backends/fake_peer.hpp"

#include <algorithm>
#include <gtest/gtest.h>
#include <random>

namespace xylem::backends::block {

using abi::io::BlkifOp;
using abi::io::BlkifRequest;
using abi::io::BlkifRequestIndirect;
using abi::io::BlkifRequestSegment;
using abi::io::BlkifResponse;
using abi::io::BlkifStatus;
using test::CountedSignal;
using test::FakePeer;

inline constexpr u64 disk_bytes = 1 << 20;

/// A disk in memory, whose operations finish at once, or when the test says so, in the order it says.
struct MemoryDisk : Disk {
    const Geometry& geometry() const override { return shape; }
    void submit(DiskJob& job) override
    {
        if (deferring)
            waiting.push_back(&job);
        else
            perform(job);
    }
    void perform(DiskJob& job)
    {
        log.push_back(job.kind);
        if (failure != 0)
            return job.done(failure);
        u64 at = job.offset;
        for (const iovec& vector : job.vectors) {
            if (job.kind == DiskJob::Kind::read)
                std::memcpy(vector.iov_base, data.data() + at, vector.iov_len);
            if (job.kind == DiskJob::Kind::write)
                std::memcpy(data.data() + at, vector.iov_base, vector.iov_len);
            at += vector.iov_len;
        }
        if (job.kind == DiskJob::Kind::discard)
            std::memset(data.data() + job.offset, 0, job.bytes);
        job.done(0);
    }
    void perform_waiting(std::mt19937* shuffle = nullptr)
    {
        std::vector<DiskJob*> batch;
        batch.swap(waiting);
        if (shuffle)
            std::shuffle(batch.begin(), batch.end(), *shuffle);
        for (DiskJob* job : batch)
            perform(*job);
    }

    Geometry shape{.bytes = disk_bytes, .discards = true};
    std::vector<std::byte> data = std::vector<std::byte>(disk_bytes);
    std::vector<DiskJob*> waiting;
    std::vector<DiskJob::Kind> log;
    bool deferring = false;
    int failure = 0;
};

/// A domain with a ring in page 0 and data pages behind it, a disk, and the backend's queue between them.
struct Rig {
    static constexpr u32 pages = 600;

    explicit Rig(Grants how) : grants(how)
    {
        front.init();
        connect();
        queue->start();
    }
    void connect()
    {
        const GrantRef ring(0);
        queue = std::make_unique<Queue>(QueueParts{loop, peer, disk, limits, MappedPages(peer, {&ring, 1}), grants,
                                                   "vbd 1/51712", [this] { broken = true; }, [this] { ++idle_calls; }});
        queue->set_signal(std::make_unique<CountedSignal>(events));
    }
    /// The backend dies with whatever it had in hand, and its successor starts.
    void kill_and_resume()
    {
        disk.waiting.clear();
        queue.reset();
        connect();
        queue->resume();
    }
    void settle()
    {
        for (int i = 0; i < 6; ++i)
            loop.turn(std::chrono::milliseconds(0));
    }
    BlkifResponse ask(const BlkifRequest& request)
    {
        front.push(request);
        queue->serve();
        settle();
        const auto response = front.pop();
        EXPECT_TRUE(response);
        return response.value_or(BlkifResponse{});
    }
    static BlkifRequest request(BlkifOp operation, u64 id, u64 sector, std::vector<BlkifRequestSegment> segments)
    {
        BlkifRequest raw{};
        raw.operation = operation;
        raw.nr_segments = static_cast<u8>(segments.size());
        raw.id = id;
        raw.sector_number = sector;
        std::copy(segments.begin(), segments.end(), raw.seg);
        return raw;
    }

    EventLoop loop;
    FakePeer peer{pages};
    MemoryDisk disk;
    Limits limits;
    test::FrontRing<BlkifRequest, BlkifResponse> front{peer.page(0)};
    Grants grants;
    unsigned events = 0;
    bool broken = false;
    unsigned idle_calls = 0;
    std::unique_ptr<Queue> queue;
};

}
