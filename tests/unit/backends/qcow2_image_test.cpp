// Our qcow2 against QEMU's: images that it made are read as it reads them, and what we write passes its check and is
// read back by it.
#include "backends/block/qcow2/compressed.hpp"
#include "tests/unit/backends/qcow2_tool.hpp"

#include <algorithm>
#include <gtest/gtest.h>
#include <zstd.h>

namespace xylem::backends::block {

using test::Bytes;
using test::Folder;
using test::must;
using test::SyncDisk;

struct Form {
    const char* name;
    const char* options; ///< of qemu-img create -o
    const char* convert; ///< more options of qemu-img convert
};

const Form forms[] = {
    {"Usual", "cluster_size=64k", ""},
    {"Version2", "compat=0.10,cluster_size=64k", ""},
    {"SmallestClusters", "cluster_size=512", ""},
    {"SmallClusters", "cluster_size=4k", ""},
    {"LargestClusters", "cluster_size=2M", ""},
    {"Compressed", "cluster_size=64k", "-c"},
    {"CompressedVersion2", "compat=0.10,cluster_size=4k", "-c"},
    {"CompressedZstd", "cluster_size=64k,compression_type=zstd", "-c"},
    {"CompressedLarge", "cluster_size=2M", "-c"},
    {"CountsOfOneBit", "cluster_size=4k,refcount_bits=1", ""},
    {"CountsOf64Bits", "cluster_size=1k,refcount_bits=64", ""},
};

struct Qcow2 : testing::TestWithParam<Form> {
    static constexpr std::size_t bytes = (3 << 20) + 3 * 512;

    void convert(const Bytes& data)
    {
        test::write_file(folder / "raw", data);
        must(std::string("qemu-img convert -f raw -O qcow2 ") + GetParam().convert + " -o " + GetParam().options + " " +
             (folder / "raw") + " " + image);
    }
    void expect_sound()
    {
        std::string said;
        EXPECT_EQ(test::run("qemu-img check -f qcow2 " + image, &said), 0) << said;
    }

    Folder folder;
    std::string image = folder / "image";
};

INSTANTIATE_TEST_SUITE_P(Forms, Qcow2, testing::ValuesIn(forms),
                         [](const auto& form) { return std::string(form.param.name); });

TEST_P(Qcow2, WhatQemuWroteIsReadTheSame)
{
    const Bytes data = test::some_data(bytes, 1);
    convert(data);
    SyncDisk disk("qcow2:" + image, Access::read_only);
    EXPECT_EQ(disk.read_all(), data);
}

TEST_P(Qcow2, WhatABackingFileHasShowsThrough)
{
    const Bytes data = test::some_data(bytes / 2, 2); // shorter than the image on it
    convert(data);
    const std::string over = folder / "over";
    must("qemu-img create -q -f qcow2 -F qcow2 -b image -o " + std::string(GetParam().options) + " " + over +
         " 3146240");
    must("qemu-io -f qcow2 -c 'write -q -P 7 100k 300k' -c 'write -q -P 9 2M 70k' -c 'write -q -z 1M 200k' " + over);
    SyncDisk disk("qcow2:" + over, Access::read_only);
    EXPECT_EQ(disk.read_all(), test::qemu_reads(over, folder));
}

/// Writes, discards and reads at random, against a model; then QEMU is asked what it thinks.
void change_at_random(SyncDisk& disk, Bytes& model, u32 seed, int steps)
{
    std::mt19937 random(seed);
    alignas(page_size) static std::byte buffer[300 << 10];
    for (int step = 0; step < steps; ++step) {
        const u64 sectors = model.size() / 512;
        const u64 first = random() % sectors;
        const u64 count = 1 + random() % std::min<u64>(sectors - first, random() % 4 ? 20 : 600);
        const u64 offset = first * 512;
        const std::span<std::byte> data(buffer, count * 512);
        const u32 what = random() % 16;
        if (what < 9) {
            for (std::byte& each : data)
                each = static_cast<std::byte>(step + (&each - buffer) / 512);
            ASSERT_EQ(disk.write(offset, data), 0);
            std::copy(data.begin(), data.end(), model.begin() + static_cast<long>(offset));
        } else if (what < 11) {
            ASSERT_EQ(disk.discard(offset, data.size()), 0);
            ASSERT_EQ(disk.read(offset, data), 0);
            for (u64 i = 0; i < count; ++i) { // each sector as it was, or zeros
                const auto old = std::span(model).subspan(offset + i * 512, 512);
                const auto now = data.subspan(i * 512, 512);
                const bool zeros = std::all_of(now.begin(), now.end(), [](std::byte b) { return b == std::byte{0}; });
                ASSERT_TRUE(zeros || std::equal(now.begin(), now.end(), old.begin()));
                std::copy(now.begin(), now.end(), old.begin());
            }
        } else if (what < 12) {
            ASSERT_EQ(disk.flush(), 0);
        } else {
            ASSERT_EQ(disk.read(offset, data), 0);
            ASSERT_TRUE(std::equal(data.begin(), data.end(), model.begin() + static_cast<long>(offset))) << offset;
        }
    }
}

TEST_P(Qcow2, WhatWeWriteIsReadBackByQemu)
{
    Bytes model = test::some_data(bytes, 3);
    convert(model);
    {
        SyncDisk disk("qcow2:" + image, Access::read_write);
        change_at_random(disk, model, 3, 150);
        EXPECT_EQ(disk.read_all(), model);
        EXPECT_EQ(disk.rest(), 0);
    }
    expect_sound();
    EXPECT_EQ(test::qemu_reads(image, folder), model);
}

TEST_P(Qcow2, WhatWeWriteOverABackingFileLeavesThatAlone)
{
    const Bytes below = test::some_data(bytes, 4);
    test::write_file(folder / "below", below);
    must("qemu-img create -q -f qcow2 -F raw -b below -o " + std::string(GetParam().options) + " " + image);
    Bytes model = below;
    {
        SyncDisk disk("qcow2:" + image, Access::read_write);
        change_at_random(disk, model, 4, 100);
        EXPECT_EQ(disk.rest(), 0);
    }
    expect_sound();
    EXPECT_EQ(test::qemu_reads(image, folder), model);
    EXPECT_EQ(test::read_file(folder / "below"), below);
}

struct Qcow2Image : testing::Test {
    std::string failure(const std::string& params, Access access = Access::read_write)
    {
        try {
            SyncDisk disk(params, access);
        } catch (const std::runtime_error& error) {
            std::string said = error.what();
            for (auto at = said.find(image); at != std::string::npos; at = said.find(image))
                said.replace(at, image.size(), "IMAGE");
            return said;
        }
        return "";
    }
    void create(const std::string& options, const std::string& size = "8M")
    {
        must("qemu-img create -q -f qcow2 " + options + " " + image + " " + size);
    }

    Folder folder;
    std::string image = folder / "image";
};

// A block of counts with 64 bits each counts 32 KiB of clusters of 512 bytes, and the first table has 64 of them.
TEST_F(Qcow2Image, TheTableOfCountsGrowsWithTheImage)
{
    create("-o cluster_size=512,refcount_bits=64", "6M");
    Bytes model(6 << 20);
    {
        SyncDisk disk("qcow2:" + image, Access::read_write);
        alignas(page_size) static std::byte buffer[256 << 10];
        for (u64 at = 0; at < model.size(); at += 2 * sizeof buffer) {
            std::fill_n(buffer, sizeof buffer, static_cast<std::byte>(at >> 18 | 1));
            ASSERT_EQ(disk.write(at, buffer), 0);
            std::copy_n(buffer, sizeof buffer, model.begin() + static_cast<long>(at));
        }
        EXPECT_EQ(disk.rest(), 0);
    }
    must("qemu-img check -f qcow2 " + image);
    EXPECT_EQ(test::qemu_reads(image, folder), model);
}

TEST_F(Qcow2Image, ASnapshotKeepsWhatItHas)
{
    create("-o cluster_size=4k");
    must("qemu-io -f qcow2 -c 'write -q -P 5 0 3M' " + image);
    must("qemu-img snapshot -c before " + image);
    Bytes model(8 << 20);
    std::fill_n(model.begin(), 3 << 20, std::byte{5});
    const Bytes before = model;
    {
        SyncDisk disk("qcow2:" + image, Access::read_write);
        change_at_random(disk, model, 5, 150);
        EXPECT_EQ(disk.rest(), 0);
    }
    must("qemu-img check -f qcow2 " + image);
    EXPECT_EQ(test::qemu_reads(image, folder), model);
    must("qemu-img convert -f qcow2 -l snapshot.name=before -O raw " + image + " " + (folder / "snapshot"));
    EXPECT_EQ(test::read_file(folder / "snapshot"), before);
}

TEST_F(Qcow2Image, WhatWasSharedIsGivenBackThoughTheGuestNeverFlushes)
{
    static constexpr u64 disk = 8 << 20, cluster = 512, most_kept = 5000;
    create("-o cluster_size=512", "8M");
    must("qemu-io -f qcow2 -c 'write -q -P 5 0 8M' " + image);
    must("qemu-img snapshot -c before " + image);
    {
        SyncDisk written("qcow2:" + image, Access::read_write);
        alignas(page_size) static std::byte buffer[64 << 10];
        for (u64 at = 0; at < disk; at += sizeof buffer)
            ASSERT_EQ(written.write(at, buffer), 0);
    } // killed
    std::string said;
    test::run("qemu-img check -f qcow2 " + image, &said);
    const auto words = said.find(" leaked clusters were found");
    ASSERT_NE(words, std::string::npos) << said;
    const u64 leaked = std::stoul(said.substr(said.rfind('\n', words) + 1));
    EXPECT_LT(leaked, most_kept) << "of " << disk / cluster;
}

TEST_F(Qcow2Image, AZstdFrameGetsNoMoreMemoryThanClustersNeed)
{
    const Bytes data = test::some_data(64 << 10, 9);
    const auto unpacks = [&](int window_log) {
        ZSTD_CCtx* context = ZSTD_createCCtx();
        ZSTD_CCtx_setParameter(context, ZSTD_c_windowLog, window_log);
        ZSTD_CCtx_setParameter(context, ZSTD_c_contentSizeFlag, 0);
        Bytes packed(2 * ZSTD_compressBound(data.size()));
        ZSTD_inBuffer in{data.data(), data.size(), 0};
        ZSTD_outBuffer out{packed.data(), packed.size(), 0};
        for (const auto directive :
             {ZSTD_e_flush, ZSTD_e_end}) // two steps, so that it cannot fit the window to the data
            EXPECT_EQ(ZSTD_compressStream2(context, &out, &in, directive), 0u);
        ZSTD_freeCCtx(context);
        Bytes unpacked(data.size());
        return qcow2::unpack(qcow2::Compression::zstd, std::span(packed).first(out.pos), unpacked) && unpacked == data;
    };
    EXPECT_TRUE(unpacks(17));
    EXPECT_TRUE(unpacks(23));
    EXPECT_FALSE(unpacks(27));
}

TEST_F(Qcow2Image, ByIoUringOnADiskLikewise)
{
    const Folder on_disk("/var/tmp");
    const std::string path = on_disk / "image";
    must("qemu-img create -q -f qcow2 -o cluster_size=64k " + path + " 8M");
    Bytes model(8 << 20);
    {
        SyncDisk disk("qcow2:" + path, Access::read_write);
        change_at_random(disk, model, 6, 150);
        EXPECT_EQ(disk.read_all(), model);
        EXPECT_EQ(disk.rest(), 0);
    }
    must("qemu-img check -f qcow2 " + path);
    EXPECT_EQ(test::qemu_reads(path, on_disk), model);
}

TEST_F(Qcow2Image, DiscardedClustersAreGivenBackAndUsedAgain)
{
    create("-o cluster_size=64k", "64M");
    SyncDisk disk("qcow2:" + image, Access::read_write);
    alignas(page_size) static std::byte buffer[64 << 10];
    std::fill_n(buffer, sizeof buffer, std::byte{1});
    for (int round = 0; round < 6; ++round) {
        for (u64 at = 0; at < 4 << 20; at += sizeof buffer)
            ASSERT_EQ(disk.write(at, buffer), 0);
        ASSERT_EQ(disk.discard(0, 4 << 20), 0);
        ASSERT_EQ(disk.flush(), 0);
    }
    EXPECT_LT(test::read_file(image).size(), std::size_t{16} << 20);
    EXPECT_EQ(disk.read_all(), Bytes(64 << 20));
}

TEST_F(Qcow2Image, WhatIsNotServedIsRefusedInASentence)
{
    create("--object secret,id=s,data=x -o encrypt.format=aes,encrypt.key-secret=s");
    EXPECT_EQ(failure("qcow2:" + image), "disk IMAGE: is encrypted, which is not served");
    create("-o extended_l2=on");
    EXPECT_EQ(failure("qcow2:" + image), "disk IMAGE: has extended L2 entries (subclusters), which are not served; "
                                         "qemu-img convert makes an image without them");
    create("-o data_file=" + (folder / "data"));
    EXPECT_EQ(failure("qcow2:" + image), "disk IMAGE: keeps its data in another file, which is not served; qemu-img "
                                         "convert makes an image without that");
    test::write_file(image, Bytes(4096));
    EXPECT_EQ(failure("qcow2:" + image), "disk IMAGE: is no qcow2 image");
}

TEST_F(Qcow2Image, ABackingFileIsNamedWithItsFormatAndThere)
{
    must("qemu-img create -q -f raw " + (folder / "base") + " 1M");
    create("-u -b nbd://host/disk -F raw");
    EXPECT_EQ(failure("qcow2:" + image), "disk IMAGE: has the backing file nbd://host/disk; only files and devices are "
                                         "served");
    create("-u -b base -F vmdk");
    EXPECT_EQ(failure("qcow2:" + image),
              "disk " + (folder / "base") + ": has the format 'vmdk', which is not served; raw and qcow2 are");
    create("-u -b nowhere -F raw");
    EXPECT_EQ(failure("qcow2:" + image),
              "disk " + (folder / "nowhere") + ": cannot open it: No such file or directory");
    create("-u -b image -F qcow2");
    EXPECT_NE(failure("qcow2:" + image).find("is in use by another guest or program"), std::string::npos);
    EXPECT_NE(failure("qcow2:" + image, Access::read_only).find("round in a circle"), std::string::npos);
}

TEST_F(Qcow2Image, AReadOnlyImageMayBeUsedByMany)
{
    create("");
    SyncDisk first("qcow2:" + image, Access::read_only);
    SyncDisk second("qcow2:" + image, Access::read_only);
    EXPECT_EQ(second.bytes(), u64{8} << 20);
    EXPECT_NE(failure("qcow2:" + image).find("is in use"), std::string::npos);
}

}
