// A hostile qcow2 image under a hostile guest: any bytes for a file, and reads, writes, discards and flushes, several
// at a time, whose operations on the file end in any order and fail in the end.
//
// The file and the disk below it are memory: no name that an image holds is opened. Whatever happens, the file's first
// cluster keeps what the backend has no reason to change: with the name of a backing file in it a guest would read any
// file of dom0 at its next start.
#include "backends/block/qcow2/image.hpp"
#include "tests/fuzz/target.hpp"
#include "tests/support/choices.hpp"

#include <algorithm>
#include <array>
#include <gtest/gtest.h>
#include <map>

namespace xylem::backends::block {

namespace {

using Bytes = std::vector<std::byte>;

constexpr u64 sector = 512;
/// A damaged table may lead back to itself for as long as it has entries: here the file fails after so many.
constexpr unsigned most_operations = 3000;
constexpr u64 longest_discard = 4 << 20;
constexpr u32 most_sectors = 255;
constexpr std::size_t most_jobs = 8;
/// Turns without an operation on the file in which a request must have ended.
constexpr unsigned most_turns = 100'000;

/// A file of sectors, zeros where there are none.
class SparseFile : public Disk {
public:
    const Geometry& geometry() const override { return shape_; }
    void submit(DiskJob& job) override
    {
        if (deferring)
            waiting_.push_back(&job);
        else
            job.done(carry_out(job));
    }
    /// Ends one of those that wait. @return whether there was one
    bool step(std::size_t choice)
    {
        if (waiting_.empty())
            return false;
        const auto chosen = waiting_.begin() + static_cast<long>(choice % waiting_.size());
        DiskJob& job = **chosen;
        waiting_.erase(chosen);
        job.done(carry_out(job));
        return true;
    }

    void put(u64 at, std::span<const u8> bytes)
    {
        std::memcpy(sectors_[at].data(), bytes.data(), bytes.size());
        end_ = at + bytes.size();
    }
    u64 end() const { return end_; }
    Bytes start(u64 most) const
    {
        Bytes bytes(std::min(end_, most));
        for (u64 at = 0; at < bytes.size(); at += sector)
            if (const auto found = sectors_.find(at); found != sectors_.end())
                std::memcpy(bytes.data() + at, found->second.data(), std::min(sector, bytes.size() - at));
        return bytes;
    }

    bool deferring = false;

private:
    int carry_out(DiskJob& job)
    {
        if (job.kind == DiskJob::Kind::flush || ++operations_ > most_operations)
            return job.kind == DiskJob::Kind::flush ? 0 : EIO;
        EXPECT_EQ(job.offset % sector, 0u);
        EXPECT_EQ(job.bytes % sector, 0u);
        EXPECT_LE(job.offset, qcow2::offset_limit);
        if (job.kind == DiskJob::Kind::discard)
            sectors_.erase(sectors_.lower_bound(job.offset), sectors_.lower_bound(job.offset + job.bytes));
        else
            transfer(job);
        return 0;
    }
    void transfer(DiskJob& job)
    {
        Bytes bytes(job.bytes);
        if (job.kind == DiskJob::Kind::read)
            for (u64 at = 0; at < job.bytes; at += sector)
                if (const auto found = sectors_.find(job.offset + at); found != sectors_.end())
                    std::memcpy(bytes.data() + at, found->second.data(), sector);
        u64 moved = 0;
        for (const iovec& each : job.vectors) {
            if (job.kind == DiskJob::Kind::read)
                std::memcpy(each.iov_base, bytes.data() + moved, each.iov_len);
            else
                std::memcpy(bytes.data() + moved, each.iov_base, each.iov_len);
            moved += each.iov_len;
        }
        EXPECT_EQ(moved, job.bytes);
        if (job.kind == DiskJob::Kind::write)
            for (u64 at = 0; at < job.bytes; at += sector)
                std::memcpy(sectors_[job.offset + at].data(), bytes.data() + at, sector);
    }

    Geometry shape_{.bytes = ~u64{511}};
    std::map<u64, std::array<std::byte, sector>> sectors_;
    std::vector<DiskJob*> waiting_;
    u64 end_ = 0;
    unsigned operations_ = 0;
};

/// What lies below an image that names something: a disk that nobody may write to.
class Below : public Disk {
public:
    const Geometry& geometry() const override { return shape_; }
    void submit(DiskJob& job) override
    {
        EXPECT_EQ(job.kind, DiskJob::Kind::read);
        EXPECT_LE(job.bytes, shape_.bytes);
        EXPECT_LE(job.offset, shape_.bytes - job.bytes);
        for (const iovec& each : job.vectors)
            std::memset(each.iov_base, 0x5a, each.iov_len);
        job.done(0);
    }

private:
    Geometry shape_{.bytes = 100 * sector};
};

struct Job : DiskJob {
    void done(int error) override
    {
        EXPECT_FALSE(ended);
        EXPECT_GE(error, 0);
        ended = true;
    }
    Bytes data;
    bool ended = false;
};

/// An image of the bytes given, opened as the backend opens it.
class Rig {
public:
    /// @throws std::runtime_error  the image is refused
    Rig(std::unique_ptr<SparseFile> file, Access access) : file_(*file)
    {
        qcow2::Header header = qcow2::parse_header(file_.start(qcow2::largest_cluster), access);
        first_cluster_ = header.cluster_bytes();
        identity_ = identity();
        Bytes start = file_.start(sector);
        start.resize(sector);
        auto below = header.backing.empty() ? nullptr : std::make_unique<Below>();
        const u64 end = header.whole_clusters(file_.end()) << header.cluster_bits;
        image_ = std::make_unique<qcow2::Image>(qcow2::ImageParts{loop_,
                                                                  "fuzz",
                                                                  std::move(file),
                                                                  std::move(below),
                                                                  std::move(header),
                                                                  std::move(start),
                                                                  {end, qcow2::offset_limit},
                                                                  access});
        writable_ = access == Access::read_write;
    }

    void request(DiskJob::Kind kind, u64 place, u32 sectors)
    {
        const Geometry& shape = image_->geometry();
        if (!writable_ && kind != DiskJob::Kind::read)
            return;
        auto job = std::make_unique<Job>();
        job->kind = kind;
        if (kind == DiskJob::Kind::read || kind == DiskJob::Kind::write || kind == DiskJob::Kind::discard) {
            job->offset = place % shape.sectors() * sector;
            const u64 wanted =
                kind == DiskJob::Kind::discard ? sectors * (longest_discard / most_sectors / sector) : sectors;
            job->bytes = std::min(wanted * sector, shape.bytes - job->offset);
        }
        if (kind == DiskJob::Kind::read || kind == DiskJob::Kind::write) {
            job->data.assign(job->bytes, std::byte{0xa5});
            for (u64 at = 0; at < job->bytes; at += page_size)
                job->vectors.push_back({job->data.data() + at, std::min<u64>(page_size, job->bytes - at)});
        }
        if (jobs_.size() == most_jobs || kind == DiskJob::Kind::rest)
            settle();
        jobs_.push_back(std::move(job));
        image_->submit(*jobs_.back());
    }
    void step(std::size_t choice)
    {
        file_.step(choice);
        loop_.turn(std::chrono::milliseconds(0));
    }
    void toggle_deferring() { file_.deferring = !file_.deferring; }
    void settle()
    {
        const auto ended = [](const auto& job) { return job->ended; };
        for (unsigned turns = 0; !std::ranges::all_of(jobs_, ended); ++turns) {
            ASSERT_LT(turns, most_turns) << "a request does not end";
            while (file_.step(0))
                turns = 0;
            loop_.turn(std::chrono::milliseconds(0));
        }
        jobs_.clear();
    }
    void expect_header_as_it_was() const { EXPECT_EQ(identity(), identity_); }

private:
    /// The first cluster without what the backend changes in it.
    Bytes identity() const
    {
        Bytes bytes = file_.start(first_cluster_);
        for (const auto& [at, count] :
             {std::pair{qcow2::refcount_table_field, u64{12}}, {qcow2::autoclear_field, u64{8}}})
            for (u64 i = at; i < std::min<u64>(at + count, bytes.size()); ++i)
                bytes[i] = {};
        return bytes;
    }

    SparseFile& file_; // the image's
    EventLoop loop_;
    u64 first_cluster_;
    Bytes identity_;
    bool writable_;
    std::vector<std::unique_ptr<Job>> jobs_;
    std::unique_ptr<qcow2::Image> image_;
};

}

/// The input: how far its sectors lie apart in the file (tables lie on clusters' boundaries, and an input is short),
/// the number of steps, the steps, and the file.
FUZZ_TARGET(qcow2)
{
    xylem::test::ByteChoices choices(input);
    const u64 apart = std::array<u64, 4>{1, 1, 8, 128}[choices.below(4)] * sector;
    const Access access = choices.below(4) == 0 ? Access::read_only : Access::read_write;
    xylem::test::ByteChoices steps(choices.take(choices.number<u8>() * std::size_t{6}));
    auto file = std::make_unique<SparseFile>();
    for (u64 at = 0; !choices.empty(); at += apart)
        file->put(at, choices.take(sector));

    std::unique_ptr<Rig> rig;
    try {
        rig = std::make_unique<Rig>(std::move(file), access);
    } catch (const std::runtime_error&) {
        return; // refused, with a sentence
    }
    while (!steps.empty()) {
        const unsigned what = steps.below(8);
        const u32 sectors = 1 + steps.below(most_sectors);
        const u64 place = steps.number<u32>();
        if (what < 5)
            rig->request(DiskJob::Kind{static_cast<int>(what)}, place, sectors);
        else if (what == 5)
            rig->toggle_deferring();
        else
            rig->step(place);
    }
    rig->settle();
    rig->request(DiskJob::Kind::rest, 0, 0);
    rig->settle();
    rig->expect_header_as_it_was();
}

}
