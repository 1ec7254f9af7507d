// The gzip unpacker against zlib: what zlib packs we unpack, and damage is answered as zlib answers it.

#include "hypervisor/boot/gzip.hpp"

#include <gtest/gtest.h>
#include <zlib.h>

#include <algorithm>
#include <memory>
#include <random>
#include <vector>

using namespace xylem;
using namespace xylem::boot;

namespace {

using Bytes = std::vector<u8>;

struct Packing {
    int level = 6, strategy = Z_DEFAULT_STRATEGY, memory = 8;
    gz_header* header = nullptr;
};

Bytes pack(const Bytes& plain, const Packing& how)
{
    z_stream stream = {};
    EXPECT_EQ(deflateInit2(&stream, how.level, Z_DEFLATED, 15 + 16, how.memory, how.strategy), Z_OK);
    if (how.header)
        deflateSetHeader(&stream, how.header);
    Bytes packed(deflateBound(&stream, plain.size()) + 100'000);
    stream.next_in = const_cast<u8*>(plain.data());
    stream.avail_in = static_cast<uInt>(plain.size());
    stream.next_out = packed.data();
    stream.avail_out = static_cast<uInt>(packed.size());
    EXPECT_EQ(deflate(&stream, Z_FINISH), Z_STREAM_END);
    packed.resize(stream.total_out);
    deflateEnd(&stream);
    return packed;
}

bool zlib_accepts(const Bytes& packed, size_t room)
{
    z_stream stream = {};
    Bytes out(room + 1);
    inflateInit2(&stream, 15 + 16);
    stream.next_in = const_cast<u8*>(packed.data());
    stream.avail_in = static_cast<uInt>(packed.size());
    stream.next_out = out.data();
    stream.avail_out = static_cast<uInt>(room + 1);
    int status = inflate(&stream, Z_FINISH);
    inflateEnd(&stream);
    return status == Z_STREAM_END && stream.total_out <= room;
}

struct Unpacked {
    UnpackResult result;
    Bytes plain;
};

/// Both buffers are exactly as large as promised, so that AddressSanitizer sees every byte too far.
Unpacked unpack(const Bytes& packed, size_t room)
{
    auto workspace = std::make_unique<GzipWorkspace>();
    std::unique_ptr<u8[]> in(new u8[packed.size()]), out(new u8[room]);
    std::copy(packed.begin(), packed.end(), in.get());
    UnpackResult result = unpack_gzip({in.get(), packed.size()}, {out.get(), room}, *workspace);
    return {result, Bytes(out.get(), out.get() + std::min(result.output_size, room))};
}

Bytes sample(std::mt19937_64& random, size_t size)
{
    Bytes data;
    while (data.size() < size) {
        size_t run = 1 + random() % 2000, period = 1 + random() % 40'000;
        u64 kind = random() % 4;
        for (size_t i = 0; i < run; ++i)
            data.push_back(kind == 0                            ? static_cast<u8>(random())
                           : kind == 1                          ? static_cast<u8>("abcdefghijklmnop"[random() % 16])
                           : kind == 2 && data.size() >= period ? data[data.size() - period]
                                                                : static_cast<u8>(run));
    }
    data.resize(size);
    return data;
}

TEST(Gzip, UnpacksWhatZlibPacks)
{
    std::mt19937_64 random(1);
    const int strategies[] = {Z_DEFAULT_STRATEGY, Z_FILTERED, Z_HUFFMAN_ONLY, Z_RLE, Z_FIXED};
    for (unsigned round = 0; round < 100; ++round) {
        Bytes plain = sample(random, round < 10 ? round : random() % 200'000);
        Bytes packed = pack(plain, {.level = static_cast<int>(random() % 10),
                                    .strategy = strategies[round % 5],
                                    .memory = static_cast<int>(1 + random() % 9)});
        Unpacked ours = unpack(packed, plain.size());
        ASSERT_EQ(ours.result.error, UnpackError::None) << describe(ours.result.error);
        EXPECT_EQ(ours.result.input_used, packed.size());
        ASSERT_TRUE(ours.plain == plain);
    }
}

TEST(Gzip, StepsOverTheHeadersParts)
{
    Bytes plain(1000, 'x'), extra(300, 7);
    gz_header header = {};
    header.extra = extra.data();
    header.extra_len = 300;
    header.name = reinterpret_cast<Bytef*>(const_cast<char*>("vmlinux"));
    header.comment = reinterpret_cast<Bytef*>(const_cast<char*>("a kernel"));
    header.hcrc = 1;
    Bytes packed = pack(plain, {.header = &header});
    EXPECT_EQ(unpack(packed, 1000).result.error, UnpackError::None);
    for (size_t size = 3; size < packed.size(); ++size)
        ASSERT_EQ(unpack({packed.begin(), packed.begin() + static_cast<long>(size)}, 1000).result.error,
                  UnpackError::Truncated)
            << size;
}

TEST(Gzip, NamesWhatIsWrong)
{
    Bytes plain(1000, 'x'), packed = pack(plain, {});
    EXPECT_EQ(unpack(packed, 999).result.error, UnpackError::OutputTooSmall);
    EXPECT_EQ(unpack(Bytes(50, 0), 10).result.error, UnpackError::NotThisFormat);
    packed.push_back(1); // what follows is not ours
    EXPECT_EQ(unpack(packed, 1000).result.input_used, packed.size() - 1);
}

TEST(Gzip, EveryTruncationIsAnswered)
{
    std::mt19937_64 random(2);
    for (int level : {0, 1, 9}) {
        Bytes plain = sample(random, 5'000), packed = pack(plain, {.level = level});
        for (size_t size = 3; size < packed.size(); ++size)
            ASSERT_EQ(unpack({packed.begin(), packed.begin() + static_cast<long>(size)}, plain.size()).result.error,
                      UnpackError::Truncated)
                << size;
    }
}

// Behind the header, zlib's verdict is ours for every flipped bit.
TEST(Gzip, EveryFlippedBitIsJudgedAsZlibDoes)
{
    std::mt19937_64 random(3);
    for (int strategy : {Z_DEFAULT_STRATEGY, Z_HUFFMAN_ONLY, Z_FIXED}) {
        Bytes plain = sample(random, 2'500), packed = pack(plain, {.strategy = strategy});
        for (size_t bit = 80; bit < packed.size() * 8; ++bit) {
            packed[bit / 8] ^= static_cast<u8>(1u << bit % 8);
            ASSERT_EQ(unpack(packed, plain.size()).result.ok(), zlib_accepts(packed, plain.size())) << bit;
            packed[bit / 8] ^= static_cast<u8>(1u << bit % 8);
        }
    }
}

}
