// What the block backend lets others see of its work.
#include "dom0/lib/disk_counters.hpp"
#include "tests/unit/backends/block_rig.hpp"

#include <filesystem>
#include <fstream>

namespace xylem::backends::block {

using dom0::DiskCount;
using dom0::DiskOperation;
using dom0::SharedDiskCounters;

struct DiskCounterFile : testing::Test {
    DiskCounterFile() { std::filesystem::remove_all(folder); }
    ~DiskCounterFile() override { std::filesystem::remove_all(folder); }

    std::string folder = testing::TempDir() + fmt::format("xylem-disk-counters-{}", getpid());
    std::string path = dom0::disk_counters_path(folder, DomId(7), 51712);
};

TEST_F(DiskCounterFile, GoesOnFromWhereItsPredecessorDied)
{
    {
        SharedDiskCounters first(path, SharedDiskCounters::Begin::as_left);
        first->of(DiskOperation::read).count(8, 60'000, true);
        EXPECT_EQ(dom0::read_disk_counters(path)->of(DiskOperation::read).requests, 1u) << "seen while it is at work";
    }
    SharedDiskCounters second(path, SharedDiskCounters::Begin::as_left);
    second->of(DiskOperation::read).count(8, 60'000, true);
    EXPECT_EQ(dom0::read_disk_counters(path)->of(DiskOperation::read).requests, 2u);
    const SharedDiskCounters of_another_device(path, SharedDiskCounters::Begin::anew);
    EXPECT_EQ(dom0::read_disk_counters(path)->of(DiskOperation::read).requests, 0u);
}

TEST_F(DiskCounterFile, IsNotReadWhenItIsNone)
{
    EXPECT_FALSE(dom0::read_disk_counters(path));
    std::filesystem::create_directories(folder);
    std::ofstream(path) << "short";
    EXPECT_FALSE(dom0::read_disk_counters(path));
    std::ofstream(path) << std::string(sizeof(DiskCount), 'x');
    EXPECT_FALSE(dom0::read_disk_counters(path)) << "another version's";
    const SharedDiskCounters ours(path, SharedDiskCounters::Begin::as_left);
    EXPECT_EQ(dom0::read_disk_counters(path)->waits, 0u) << "what cannot be read is not gone on with";
}

TEST_F(DiskCounterFile, PutsARequestIntoTheClassOfItsLatency)
{
    SharedDiskCounters counters;
    auto& reads = counters->of(DiskOperation::read);
    reads.count(1, 0, true);
    reads.count(1, 50'000, true); // a bound belongs to the class below it
    reads.count(1, 50'001, true);
    reads.count(1, 2'500'000'000, true);
    reads.count(1, 2'500'000'001, true);
    EXPECT_EQ(reads.by_latency[0], 2u);
    EXPECT_EQ(reads.by_latency[1], 1u);
    EXPECT_EQ(reads.by_latency[14], 1u);
    EXPECT_EQ(reads.by_latency[15], 1u);
    EXPECT_EQ(reads.time_ns, 5'000'100'002u);
}

TEST(DiskCounting, EachRequestIsCountedOnceAsWhatItIs)
{
    Rig rig(Grants::copied);
    EXPECT_EQ(rig.ask(Rig::request(BlkifOp::write, 1, 100, {{5, 2, 5}})).status, BlkifStatus::okay);
    EXPECT_EQ(rig.ask(Rig::request(BlkifOp::read, 2, 100, {{5, 0, 7}})).status, BlkifStatus::okay);
    EXPECT_EQ(rig.ask(Rig::request(BlkifOp::flush_diskcache, 3, 0, {})).status, BlkifStatus::okay);
    rig.disk.failure = EIO;
    EXPECT_EQ(rig.ask(Rig::request(BlkifOp::read, 4, 100, {{5, 0, 0}})).status, BlkifStatus::error);
    rig.ask(Rig::request(BlkifOp::read, 5, 1'000'000'000, {{5, 0, 0}})); // beyond the disk's end

    const auto& seen = *rig.counters;
    EXPECT_EQ(seen.of(DiskOperation::write).requests, 1u);
    EXPECT_EQ(seen.of(DiskOperation::write).sectors, 4u);
    EXPECT_EQ(seen.of(DiskOperation::read).requests, 2u);
    EXPECT_EQ(seen.of(DiskOperation::read).sectors, 8u);
    EXPECT_EQ(seen.of(DiskOperation::read).errors, 1u);
    EXPECT_EQ(seen.of(DiskOperation::flush).requests, 1u);
    EXPECT_EQ(seen.of(DiskOperation::discard).requests, 0u);
    EXPECT_EQ(seen.refused, 1u);
    EXPECT_EQ(seen.waits, 0u);
    u64 classified = 0;
    for (const auto& count : seen.of(DiskOperation::read).by_latency)
        classified += count;
    EXPECT_EQ(classified, 2u);
}

}
