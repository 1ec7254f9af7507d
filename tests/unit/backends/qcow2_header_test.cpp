// Headers of qcow2 images: what is inconsistent is refused with a sentence, and nothing else is read than what is
// there.
#include "backends/block/qcow2/header.hpp"
#include "tests/unit/backends/qcow2_tool.hpp"

#include <gtest/gtest.h>

namespace xylem::backends::block::qcow2 {

using test::Bytes;

struct Qcow2Header : testing::Test {
    static constexpr std::size_t incompatible_field = 72;

    Qcow2Header()
    {
        const test::Folder folder;
        test::must("qemu-img create -q -f raw " + (folder / "base") + " 1M");
        test::must("qemu-img create -q -f qcow2 -b base -F raw " + (folder / "image") + " 100M");
        start = test::read_file(folder / "image");
        start.resize(65536);
    }
    std::string failure(Access access = Access::read_write)
    {
        try {
            parse_header(start, access);
        } catch (const std::runtime_error& error) {
            return error.what();
        }
        return "";
    }

    Bytes start;
};

TEST_F(Qcow2Header, SaysWhatQemuSaid)
{
    const Header header = parse_header(start, Access::read_write);
    EXPECT_EQ(header.version, 3u);
    EXPECT_EQ(header.cluster_bits, 16u);
    EXPECT_EQ(header.disk_bytes, u64{100} << 20);
    EXPECT_EQ(header.refcount_bits, 16u);
    EXPECT_EQ(header.backing, "base");
    EXPECT_EQ(header.backing_format, "raw");
}

TEST_F(Qcow2Header, AnImageThatWasNotClosedIsReadButNotWritten)
{
    store_big_endian_64(start, incompatible_field, 1);
    EXPECT_EQ(failure(), "was not closed properly by its last user; repair it with qemu-img check -r leaks");
    EXPECT_EQ(failure(Access::read_only), "");
}

TEST_F(Qcow2Header, ACorruptImageIsRefused)
{
    store_big_endian_64(start, incompatible_field, 2);
    EXPECT_EQ(failure(Access::read_only), "is marked as corrupt; repair it with qemu-img check -r all");
}

TEST_F(Qcow2Header, AnUnknownFeatureIsNamed)
{
    store_big_endian_64(start, incompatible_field, u64{1} << 37);
    EXPECT_EQ(failure(),
              "needs the feature of bit 37, which is not known here; qemu-img convert makes an image without "
              "it");
}

TEST_F(Qcow2Header, FieldsThatCannotBeAreRefused)
{
    struct Wrong {
        std::size_t offset;
        u32 value;
    };
    const Bytes good = start;
    for (const Wrong& wrong : std::initializer_list<Wrong>{{4, 4},
                                                           {20, 8},
                                                           {20, 22},
                                                           {24, 0x80000000},
                                                           {36, 0},
                                                           {36, 0xffffffff},
                                                           {44, 12345},
                                                           {40, 0x7fffffff},
                                                           {52, 12345},
                                                           {56, 0},
                                                           {56, 0xffffffff},
                                                           {96, 7},
                                                           {100, 0xfffffff8},
                                                           {8, 1},
                                                           {16, 1024}}) {
        start = good;
        store_big_endian_32(start, wrong.offset, wrong.value);
        EXPECT_NE(failure(), "") << "field " << wrong.offset;
    }
}

TEST_F(Qcow2Header, ACompressionThatIsNeededButNotNamedIsRefused)
{
    store_big_endian_64(start, incompatible_field, 8);
    store_big_endian_32(start, 100, 104);
    EXPECT_EQ(failure(), "has a header that ends before the compression that it needs");
    store_big_endian_32(start, 100, 112);
    EXPECT_EQ(failure(), "");
    start.resize(104);
    start.shrink_to_fit();
    EXPECT_EQ(failure(), "has a header that ends before the compression that it needs");
}

TEST_F(Qcow2Header, AnyBytesAreHarmless)
{
    const Bytes good = start;
    for (u32 seed = 1; seed <= 3000; ++seed) {
        std::mt19937 random(seed);
        start = good;
        for (u32 i = 0; i < 1 + random() % 8; ++i)
            start[random() % 160] = static_cast<std::byte>(random());
        start.resize(random() % 3 ? 65536 : random() % 400);
        start.shrink_to_fit();
        failure();
    }
}

}
