// What a blkif request must be to reach the disk.
#include "backends/block/request.hpp"

#include <algorithm>
#include <cstring>
#include <gtest/gtest.h>

namespace xylem::backends::block {

using abi::io::BlkifOp;
using abi::io::BlkifRequest;
using abi::io::BlkifRequestDiscard;
using abi::io::BlkifRequestIndirect;
using abi::io::BlkifRequestSegment;

struct Descriptors : DescriptorSource {
    bool fetch(std::span<const GrantRef>, std::span<BlkifRequestSegment> out) override
    {
        for (std::size_t i = 0; i < out.size(); ++i)
            out[i] = {static_cast<u32>(100 + i), 0, 7};
        return granted;
    }
    bool granted = true;
};

struct BlockRequest : testing::Test {
    static BlkifRequest request(BlkifOp operation, std::vector<BlkifRequestSegment> segments, u64 sector = 0)
    {
        BlkifRequest raw{};
        raw.operation = operation;
        raw.nr_segments = static_cast<u8>(segments.size());
        raw.id = 42;
        raw.sector_number = sector;
        std::copy(segments.begin(), segments.end(), raw.seg);
        return raw;
    }
    template <typename View> static BlkifRequest as_request(const View& view)
    {
        BlkifRequest raw{};
        std::memcpy(&raw, &view, sizeof view);
        return raw;
    }
    Verdict judge(const BlkifRequest& raw) { return decode(raw, disk, descriptors, command); }

    Geometry disk{.bytes = 1 << 20, .discards = true};
    Descriptors descriptors;
    Command command;
};

TEST_F(BlockRequest, SegmentsAreInclusiveSectorRangesOfAPage)
{
    ASSERT_EQ(judge(request(BlkifOp::read, {{5, 2, 7}, {6, 0, 0}}, 10)), Verdict::good);
    EXPECT_EQ(command.offset, 10u * 512);
    EXPECT_EQ(command.bytes, 7u * 512);
    EXPECT_EQ(command.segments[0].offset, 2 * 512);
    EXPECT_EQ(command.segments[0].bytes, 6 * 512);
    EXPECT_EQ(command.segments[1].ref, GrantRef(6));
}

TEST_F(BlockRequest, ASegmentOutsideItsPageIsRefused)
{
    EXPECT_EQ(judge(request(BlkifOp::read, {{5, 0, 8}})), Verdict::bad);
    EXPECT_EQ(judge(request(BlkifOp::read, {{5, 255, 255}})), Verdict::bad);
    EXPECT_EQ(judge(request(BlkifOp::read, {{5, 4, 3}})), Verdict::bad);
}

TEST_F(BlockRequest, TooManySegmentsAreRefused)
{
    BlkifRequest raw = request(BlkifOp::read, {{5, 0, 7}});
    raw.nr_segments = 12;
    EXPECT_EQ(judge(raw), Verdict::bad);
    raw.nr_segments = 255;
    EXPECT_EQ(judge(raw), Verdict::bad);
}

TEST_F(BlockRequest, NothingReachesBeyondTheEndOfTheDisk)
{
    EXPECT_EQ(judge(request(BlkifOp::write, {{5, 0, 7}}, 2048 - 8)), Verdict::good);
    EXPECT_EQ(judge(request(BlkifOp::write, {{5, 0, 7}}, 2048 - 7)), Verdict::bad);
    EXPECT_EQ(judge(request(BlkifOp::read, {{5, 0, 7}}, ~u64{0})), Verdict::bad);
    EXPECT_EQ(judge(request(BlkifOp::read, {{5, 0, 7}}, ~u64{0} - 3)), Verdict::bad);
    EXPECT_EQ(judge(request(BlkifOp::read, {{5, 0, 7}}, u64{1} << 55)), Verdict::bad);
}

TEST_F(BlockRequest, AReadOnlyDiskIsNotWritten)
{
    disk.access = Access::read_only;
    EXPECT_EQ(judge(request(BlkifOp::read, {{5, 0, 7}})), Verdict::good);
    EXPECT_EQ(judge(request(BlkifOp::write, {{5, 0, 7}})), Verdict::bad);
    EXPECT_EQ(judge(request(BlkifOp::write_barrier, {{5, 0, 7}})), Verdict::bad);
    EXPECT_EQ(judge(as_request(BlkifRequestDiscard{BlkifOp::discard, 0, 0, 1, 0, 8})), Verdict::bad);
}

TEST_F(BlockRequest, UnknownOperationsAreUnsupported)
{
    for (const int operation : {4, 7, 255})
        EXPECT_EQ(judge(request(static_cast<BlkifOp>(operation), {{5, 0, 7}})), Verdict::unsupported);
    EXPECT_EQ(command.id, 42u);
}

TEST_F(BlockRequest, AFlushHasNoData)
{
    EXPECT_EQ(judge(request(BlkifOp::flush_diskcache, {})), Verdict::good);
    EXPECT_EQ(judge(request(BlkifOp::flush_diskcache, {{5, 0, 7}})), Verdict::bad);
}

TEST_F(BlockRequest, ABarrierMayBeEmpty)
{
    EXPECT_EQ(judge(request(BlkifOp::write_barrier, {})), Verdict::good);
    EXPECT_EQ(judge(request(BlkifOp::read, {})), Verdict::bad);
}

TEST_F(BlockRequest, ADiscardStaysInsideTheDisk)
{
    EXPECT_EQ(judge(as_request(BlkifRequestDiscard{BlkifOp::discard, 0, 0, 1, 8, 16})), Verdict::good);
    EXPECT_EQ(command.offset, 8u * 512);
    EXPECT_EQ(command.bytes, 16u * 512);
    EXPECT_EQ(judge(as_request(BlkifRequestDiscard{BlkifOp::discard, 0, 0, 1, 2040, 9})), Verdict::bad);
    EXPECT_EQ(judge(as_request(BlkifRequestDiscard{BlkifOp::discard, 0, 0, 1, 8, ~u64{0}})), Verdict::bad);
    EXPECT_EQ(judge(as_request(BlkifRequestDiscard{BlkifOp::discard, 1, 0, 1, 8, 16})), Verdict::unsupported);
    disk.discards = false;
    EXPECT_EQ(judge(as_request(BlkifRequestDiscard{BlkifOp::discard, 0, 0, 1, 8, 16})), Verdict::unsupported);
}

TEST_F(BlockRequest, AnIndirectRequestAnswersAsTheOperationInIt)
{
    BlkifRequestIndirect raw{};
    raw.operation = BlkifOp::indirect;
    raw.indirect_op = BlkifOp::write;
    raw.nr_segments = 32;
    raw.id = 9;
    raw.sector_number = 16;
    ASSERT_EQ(judge(as_request(raw)), Verdict::good);
    EXPECT_EQ(command.kind, Command::Kind::write);
    EXPECT_EQ(command.reply_operation, BlkifOp::write);
    EXPECT_EQ(command.id, 9u);
    EXPECT_EQ(command.bytes, 32u * 4096);
    EXPECT_EQ(command.segments[31].ref, GrantRef(131));
}

TEST_F(BlockRequest, AnIndirectRequestHoldsOnlyWhatWasAdvertised)
{
    BlkifRequestIndirect raw{};
    raw.operation = BlkifOp::indirect;
    raw.indirect_op = BlkifOp::read;
    for (const u16 count : {u16{0}, u16{max_indirect_segments + 1}, u16{4096}, u16{65535}}) {
        raw.nr_segments = count;
        EXPECT_EQ(judge(as_request(raw)), Verdict::bad) << count;
    }
    raw.nr_segments = 8;
    raw.indirect_op = BlkifOp::indirect;
    EXPECT_EQ(judge(as_request(raw)), Verdict::unsupported);
    raw.indirect_op = BlkifOp::read;
    descriptors.granted = false;
    EXPECT_EQ(judge(as_request(raw)), Verdict::bad);
}

TEST_F(BlockRequest, ADiskOf4KSectorsTakesWholeSectorsOnly)
{
    disk.sector_bytes = 4096;
    EXPECT_EQ(judge(request(BlkifOp::read, {{5, 0, 7}}, 8)), Verdict::good);
    EXPECT_EQ(judge(request(BlkifOp::read, {{5, 0, 7}}, 4)), Verdict::bad);
    EXPECT_EQ(judge(request(BlkifOp::read, {{5, 0, 3}}, 8)), Verdict::bad);
}

}
