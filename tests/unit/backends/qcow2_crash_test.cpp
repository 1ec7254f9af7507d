// A qcow2 image whose backend is killed, or whose machine loses its power, between any two operations on the file: what
// was answered, or flushed, is there, and QEMU finds leaked clusters at worst. And a file that fails at any operation.
#include "backends/block/qcow2/image.hpp"
#include "tests/unit/backends/qcow2_tool.hpp"

#include <algorithm>
#include <cstring>
#include <gtest/gtest.h>

namespace xylem::backends::block {

using test::Bytes;

/// What happened to the file, in order.
struct Event {
    DiskJob::Kind kind;
    u64 offset;
    Bytes data;         ///< of a write; zeros for a discard
    std::size_t covers; ///< of a flush: the events before it that are durable now
};

/// Reads what there is, and zeros behind that.
void copy_part(const Bytes& from, u64 at, const iovec& to)
{
    const u64 there = at < from.size() ? std::min<u64>(to.iov_len, from.size() - at) : 0;
    std::memset(to.iov_base, 0, to.iov_len);
    std::memcpy(to.iov_base, from.data() + at, there);
}

/// A file in memory that notes all that happens to it, and ends operations in any order.
struct NotedFile : Disk {
    explicit NotedFile(Bytes content) : data(std::move(content)) {}

    const Geometry& geometry() const override { return shape; }
    void submit(DiskJob& job) override { waiting.push_back({&job, events.size()}); }
    /// Ends one of those in service. @return whether there was one
    bool step(std::mt19937& random)
    {
        if (waiting.empty())
            return false;
        const auto chosen = waiting.begin() + static_cast<long>(random() % waiting.size());
        const auto [job, covers] = *chosen;
        waiting.erase(chosen);
        if (fails_in > 0 && --fails_in == 0)
            job->done(ENOSPC);
        else
            perform(*job, covers);
        return true;
    }
    void perform(DiskJob& job, std::size_t covers)
    {
        u64 at = job.offset;
        Event event{job.kind, at, {}, covers};
        for (const iovec& each : job.vectors) {
            auto* memory = static_cast<std::byte*>(each.iov_base);
            if (job.kind == DiskJob::Kind::write)
                event.data.insert(event.data.end(), memory, memory + each.iov_len);
            else
                copy_part(data, at, each);
            at += each.iov_len;
        }
        if (job.kind == DiskJob::Kind::discard)
            event.data.resize(job.bytes);
        if (job.kind != DiskJob::Kind::read) {
            apply(data, event, event.data.size());
            events.push_back(std::move(event));
        }
        job.done(0);
    }
    static void apply(Bytes& image, const Event& event, u64 bytes)
    {
        if (event.kind == DiskJob::Kind::write && event.offset + bytes > image.size())
            image.resize(event.offset + bytes);
        if (event.offset < image.size())
            std::copy_n(event.data.begin(), std::min<u64>(bytes, image.size() - event.offset),
                        image.begin() + static_cast<long>(event.offset));
    }

    struct Waiting {
        DiskJob* job;
        std::size_t covers;
    };
    Geometry shape{.bytes = ~u64{511}};
    Bytes data;
    std::vector<Event> events;
    std::vector<Waiting> waiting;
    unsigned fails_in = 0;
};

/// A disk that never changes and answers at once.
struct Still : Disk {
    explicit Still(Bytes content) : data(std::move(content)) { shape.bytes = data.size(); }
    const Geometry& geometry() const override { return shape; }
    void submit(DiskJob& job) override
    {
        u64 at = job.offset;
        for (const iovec& each : job.vectors) {
            copy_part(data, at, each);
            at += each.iov_len;
        }
        job.done(job.kind == DiskJob::Kind::read ? 0 : EROFS);
    }
    Geometry shape;
    Bytes data;
};

std::unique_ptr<Disk> open_image(EventLoop& loop, std::unique_ptr<Disk> file, const Bytes& content, const Bytes& below,
                                 Access access)
{
    qcow2::ImageParts parts{loop,    "test", std::move(file), nullptr, qcow2::parse_header(content, access),
                            content, {},     access};
    parts.start.resize(512);
    parts.extents = {parts.header.whole_clusters(content.size()) << parts.header.cluster_bits, qcow2::offset_limit};
    if (!below.empty())
        parts.backing = std::make_unique<Still>(below);
    return std::make_unique<qcow2::Image>(std::move(parts));
}

/// What the guest did to one sector, oldest first.
struct Change {
    u8 value;
    bool certain;         ///< a write; a discard may do nothing
    std::size_t begun;    ///< events that were before it
    std::size_t answered; ///< events that were before its answer; the largest number if there was none
};

struct Load {
    static constexpr u64 sectors = 512;
    static constexpr std::size_t never = ~std::size_t{0};

    struct Job : DiskJob {
        void done(int error) override
        {
            result = error;
            if (error != 0)
                return;
            for (u64 i = 0; kind != Kind::flush && i < bytes / 512; ++i)
                load->changes[offset / 512 + i][index[i]].answered = load->file->events.size();
            if (kind == Kind::flush)
                load->flushes.push_back({begun, load->file->events.size()});
        }
        Load* load = nullptr;
        int result = -1;
        std::size_t begun = 0;
        std::vector<std::size_t> index;
        Bytes data;
    };
    struct Flush {
        std::size_t begun;
        std::size_t answered;
    };

    Load(const Bytes& content, const Bytes& below, u32 seed) : random(seed), changes(sectors)
    {
        auto owned = std::make_unique<NotedFile>(content);
        file = owned.get();
        image = open_image(loop, std::move(owned), content, below, Access::read_write);
        for (u64 i = 0; i < sectors; ++i)
            changes[i].push_back({i * 512 < below.size() ? static_cast<u8>(below[i * 512]) : u8{0}, true, 0, 0});
    }
    bool busy(u64 first, u64 count) const
    {
        return std::any_of(jobs.begin(), jobs.end(), [&](const auto& job) {
            return job->result < 0 && job->kind != DiskJob::Kind::flush && job->offset / 512 < first + count &&
                   first < (job->offset + job->bytes) / 512;
        });
    }
    void issue()
    {
        const u64 first = random() % sectors;
        const u64 count = 1 + random() % std::min<u64>(sectors - first, random() % 3 ? 12 : 80);
        if (busy(first, count))
            return;
        const u32 what = random() % 16;
        auto job = std::make_unique<Job>();
        job->load = this;
        job->begun = file->events.size();
        job->kind = what < 11 ? DiskJob::Kind::write : what < 14 ? DiskJob::Kind::discard : DiskJob::Kind::flush;
        if (job->kind != DiskJob::Kind::flush) {
            job->offset = first * 512;
            job->bytes = count * 512;
            const bool writes = job->kind == DiskJob::Kind::write;
            const u8 value = writes ? static_cast<u8>(++values) : u8{0};
            for (u64 i = 0; i < count; ++i) {
                job->index.push_back(changes[first + i].size());
                changes[first + i].push_back({value, writes, job->begun, never});
            }
            if (writes) {
                job->data.assign(job->bytes, static_cast<std::byte>(value));
                job->vectors = {{job->data.data(), job->data.size()}};
            }
        }
        jobs.push_back(std::move(job));
        image->submit(*jobs.back());
    }
    bool in_service() const
    {
        return std::any_of(jobs.begin(), jobs.end(), [](const auto& job) { return job->result < 0; });
    }
    void turn()
    {
        loop.turn(std::chrono::milliseconds(0));
        file->step(random);
    }
    void run(int requests)
    {
        for (int i = 0; i < requests; ++i) {
            issue();
            for (u32 steps = random() % 6; steps > 0; --steps)
                turn();
        }
        for (int i = 0; i < 100000 && in_service(); ++i)
            turn();
        EXPECT_FALSE(in_service());
    }
    void rest()
    {
        Job last;
        last.load = this;
        last.kind = DiskJob::Kind::rest;
        last.bytes = 0;
        image->submit(last);
        for (int i = 0; i < 100000 && last.result < 0; ++i)
            turn();
        EXPECT_EQ(last.result, 0);
    }

    EventLoop loop;
    std::mt19937 random;
    NotedFile* file;
    std::unique_ptr<Disk> image;
    std::vector<std::vector<Change>> changes; // by sector
    std::vector<Flush> flushes;
    std::vector<std::unique_ptr<Job>> jobs;
    u32 values = 0;
};

/// Whether a sector may hold `value` after a crash at `events`, if what was answered by `durable` events must be there.
bool possible(const std::vector<Change>& changes, u8 value, std::size_t durable, std::size_t events)
{
    for (auto change = changes.rbegin(); change != changes.rend(); ++change) {
        if (change->begun > events)
            continue;
        if (change->value == value)
            return true;
        if (change->certain && change->answered <= durable)
            return false;
    }
    return false;
}

void expect_possible(const Bytes& crashed, const Bytes& below, const Load& load, std::size_t durable,
                     std::size_t events)
{
    test::SyncDisk disk([&] {
        static EventLoop unused; // everything answers at once
        return open_image(unused, std::make_unique<Still>(crashed), crashed, below, Access::read_only);
    }());
    const Bytes all = disk.read_all();
    for (u64 i = 0; i < Load::sectors; ++i) {
        const u8 value = static_cast<u8>(all[i * 512]);
        ASSERT_TRUE(possible(load.changes[i], value, durable, events))
            << "sector " << i << " has " << int{value} << " after " << events << " events";
        ASSERT_EQ(all[i * 512 + 511], all[i * 512]) << "sector " << i << " is torn";
    }
}

void expect_leaks_at_worst(const Bytes& crashed, const test::Folder& folder)
{
    test::write_file(folder / "crashed", crashed);
    std::string said;
    const int code = test::run("qemu-img check -f qcow2 " + (folder / "crashed"), &said);
    ASSERT_TRUE(code == 0 || code == 3) << code << "\n" << said;
}

struct Qcow2Crash : testing::TestWithParam<const char*> {
    /// An empty image, over a backing file for every second seed.
    void make(u32 seed)
    {
        const bool backed = seed % 2;
        below.clear();
        for (u64 i = 0; backed && i < Load::sectors * 3 / 4; ++i)
            below.insert(below.end(), 512, static_cast<std::byte>(0x80 | i % 100));
        test::write_file(folder / "below", below);
        test::must("qemu-img create -q -f qcow2 " + std::string(backed ? "-F raw -b below " : "") + "-o " + GetParam() +
                   " " + (folder / "image") + " 256k");
        content = test::read_file(folder / "image");
    }

    test::Folder folder;
    Bytes below;
    Bytes content;
};

INSTANTIATE_TEST_SUITE_P(Forms, Qcow2Crash,
                         testing::Values("cluster_size=4k", "cluster_size=512,refcount_bits=64",
                                         "compat=0.10,cluster_size=4k", "cluster_size=64k"),
                         [](const auto& form) { return "Form" + std::to_string(form.index); });

// The operations that a killed process has begun end, and none begins after them. The last one is cut anywhere.
TEST_P(Qcow2Crash, AKillLosesNothingThatWasAnswered)
{
    for (u32 seed = 1; seed <= 2; ++seed) { // one over nothing, one over a backing file
        make(seed);
        Load load(content, below, seed);
        load.run(120);
        std::mt19937 random(seed);
        Bytes file = content;
        const auto& events = load.file->events;
        for (std::size_t i = 0; i < events.size(); ++i) {
            if (random() % 16 == 0) {
                Bytes crashed = file;
                NotedFile::apply(crashed, events[i], random() % (events[i].data.size() / 512 + 1) * 512);
                ASSERT_NO_FATAL_FAILURE(expect_possible(crashed, below, load, i, i));
                if (random() % 40 == 0) {
                    ASSERT_NO_FATAL_FAILURE(expect_leaks_at_worst(crashed, folder));
                }
            }
            NotedFile::apply(file, events[i], events[i].data.size());
        }
        ASSERT_NO_FATAL_FAILURE(expect_leaks_at_worst(file, folder));
    }
}

// Of what was not flushed, any sectors may be there and any not.
TEST_P(Qcow2Crash, ALossOfPowerLosesNothingThatWasFlushed)
{
    for (u32 seed = 1; seed <= 2; ++seed) { // one over nothing, one over a backing file
        make(seed);
        Load load(content, below, seed);
        load.run(120);
        std::mt19937 random(seed);
        const auto& events = load.file->events;
        for (std::size_t crash = random() % 4; crash < events.size(); crash += 1 + random() % 32) {
            std::size_t covered = 0;
            for (std::size_t i = 0; i < crash; ++i)
                if (events[i].kind == DiskJob::Kind::flush)
                    covered = std::max(covered, events[i].covers);
            Bytes crashed = content;
            for (std::size_t i = 0; i < crash; ++i)
                for (u64 at = 0; at < events[i].data.size(); at += 512)
                    if (i < covered || random() % 2)
                        NotedFile::apply(crashed,
                                         {events[i].kind, events[i].offset + at,
                                          Bytes(events[i].data.begin() + static_cast<long>(at),
                                                events[i].data.begin() + static_cast<long>(at) + 512),
                                          0},
                                         512);
            std::size_t durable = 0;
            for (const Load::Flush& flush : load.flushes)
                if (flush.answered <= crash)
                    durable = std::max(durable, flush.begun);
            ASSERT_NO_FATAL_FAILURE(expect_possible(crashed, below, load, durable, crash));
            if (random() % 10 == 0) {
                ASSERT_NO_FATAL_FAILURE(expect_leaks_at_worst(crashed, folder));
            }
        }
    }
}

// One failing operation anywhere is the guest's error at most; what comes after it goes on, and nothing is damaged.
TEST_P(Qcow2Crash, AFailingFileDoesNoDamage)
{
    for (u32 seed = 1; seed <= 4; ++seed) {
        make(seed);
        Load load(content, below, seed);
        std::mt19937 random(seed);
        for (int round = 0; round < 8; ++round) {
            load.file->fails_in = 1 + random() % 60;
            load.run(20);
        }
        load.file->fails_in = 0;
        load.rest();
        const std::size_t end = load.file->events.size();
        ASSERT_NO_FATAL_FAILURE(expect_possible(load.file->data, below, load, end, end));
        ASSERT_NO_FATAL_FAILURE(expect_leaks_at_worst(load.file->data, folder));
    }
}

// An image that anybody may have made: errors, and our own memory stays ours. (The sanitizers watch.)
TEST_P(Qcow2Crash, AHostileImageIsHarmless)
{
    make(1);
    Bytes used;
    {
        Load load(content, below, 1);
        load.run(60);
        load.rest();
        used = load.file->data;
    }
    for (u32 seed = 1; seed <= 20; ++seed) {
        std::mt19937 random(seed);
        Bytes hostile = used;
        for (u32 i = 0; i < 1 + random() % 12; ++i) {
            const std::size_t at =
                random() % 3 ? random() % std::min<std::size_t>(hostile.size(), 24 << 10) : random() % hostile.size();
            if (random() % 2)
                hostile[at] = static_cast<std::byte>(random());
            else
                std::copy_n(hostile.begin() + static_cast<long>(random() % (hostile.size() / 8 - 1) * 8), 8,
                            hostile.begin() + static_cast<long>(at / 8 * 8));
        }
        try {
            Load load(hostile, below, seed);
            const Bytes header(hostile.begin(), hostile.begin() + 8);
            if (load.image->geometry().bytes < Load::sectors * 512)
                continue;
            load.run(40);
            load.rest();
            EXPECT_TRUE(std::equal(header.begin(), header.end(), load.file->data.begin()));
        } catch (const std::runtime_error&) {
        }
    }
}

}
