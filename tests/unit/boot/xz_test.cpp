// The xz unpacker against liblzma: what liblzma packs we unpack, and damage is answered, never fatal.

#include "hypervisor/boot/xz.hpp"

#include <gtest/gtest.h>
#include <lzma.h>
#include <sys/mman.h>

#include <algorithm>
#include <array>
#include <memory>
#include <new>
#include <random>
#include <span>
#include <string>
#include <vector>

using namespace xylem;
using namespace xylem::boot;

namespace {

using Bytes = std::vector<u8>;

struct Packing {
    lzma_check check = LZMA_CHECK_CRC32;
    bool x86 = true;
    u32 preset = 6;
    u32 lc = 3, lp = 0, pb = 2;
    u32 x86_start = 0;
};

Bytes pack(const Bytes& plain, const Packing& how)
{
    lzma_options_lzma lzma;
    EXPECT_FALSE(lzma_lzma_preset(&lzma, how.preset));
    lzma.lc = how.lc;
    lzma.lp = how.lp;
    lzma.pb = how.pb;
    lzma_options_bcj bcj = {.start_offset = how.x86_start};
    std::vector<lzma_filter> filters;
    if (how.x86)
        filters.push_back({LZMA_FILTER_X86, &bcj});
    filters.push_back({LZMA_FILTER_LZMA2, &lzma});
    filters.push_back({LZMA_VLI_UNKNOWN, nullptr});
    Bytes packed(lzma_stream_buffer_bound(plain.size()));
    size_t size = 0;
    EXPECT_EQ(lzma_stream_buffer_encode(filters.data(), how.check, nullptr, plain.data(), plain.size(), packed.data(),
                                        &size, packed.size()),
              LZMA_OK);
    packed.resize(size);
    return packed;
}

/// Several blocks and, within each, flushes: LZMA2 chunks that keep dictionary, state, or both.
Bytes pack_in_blocks(const Bytes& plain, std::mt19937_64& random)
{
    lzma_stream stream = LZMA_STREAM_INIT;
    lzma_options_lzma lzma;
    lzma_lzma_preset(&lzma, 6);
    lzma_filter filters[] = {{LZMA_FILTER_X86, nullptr}, {LZMA_FILTER_LZMA2, &lzma}, {LZMA_VLI_UNKNOWN, nullptr}};
    EXPECT_EQ(lzma_stream_encoder(&stream, filters, LZMA_CHECK_CRC32), LZMA_OK);
    Bytes packed(lzma_stream_buffer_bound(plain.size()) * 2 + 65536);
    stream.next_out = packed.data();
    stream.avail_out = packed.size();
    for (size_t at = 0; at < plain.size();) {
        size_t piece = std::min<size_t>(plain.size() - at, 1 + random() % (plain.size() / 5 + 1));
        stream.next_in = plain.data() + at;
        stream.avail_in = piece;
        at += piece;
        EXPECT_EQ(lzma_code(&stream, LZMA_FULL_FLUSH), LZMA_STREAM_END);
    }
    EXPECT_EQ(lzma_code(&stream, LZMA_FINISH), LZMA_STREAM_END);
    packed.resize(stream.total_out);
    lzma_end(&stream);
    return packed;
}

struct Unpacked {
    UnpackResult result;
    Bytes plain;
};

/// Memory that ends at a page that cannot be touched: the decoder has assembly that AddressSanitizer does not look
/// into.
class Fenced {
public:
    explicit Fenced(size_t size) : size_(size), mapped_((size + 2 * page - 1) / page * page)
    {
        void* at = mmap(nullptr, mapped_, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
        if (at == MAP_FAILED)
            throw std::bad_alloc();
        base_ = static_cast<u8*>(at);
        mprotect(base_ + mapped_ - page, page, PROT_NONE);
    }
    Fenced(const Fenced&) = delete;
    Fenced& operator=(const Fenced&) = delete;
    ~Fenced() { munmap(base_, mapped_); }
    std::span<u8> bytes() { return {base_ + mapped_ - page - size_, size_}; }

private:
    static constexpr size_t page = 4096;
    size_t size_, mapped_;
    u8* base_;
};

/// Both buffers are exactly as large as promised, and the workspace holds garbage.
Unpacked unpack(const Bytes& packed, size_t room)
{
    static auto workspace = std::make_unique<XzWorkspace>();
    std::fill_n(reinterpret_cast<u8*>(workspace.get()), sizeof(XzWorkspace), u8{0xa5});
    Fenced in(packed.size()), out(room);
    std::copy(packed.begin(), packed.end(), in.bytes().begin());
    UnpackResult result = unpack_xz(in.bytes(), out.bytes(), *workspace);
    auto plain = out.bytes().first(std::min(result.output_size, room));
    return {result, Bytes(plain.begin(), plain.end())};
}

/// Data of many kinds: constant, random, text, repeats of every period, and what looks like branches.
Bytes sample(std::mt19937_64& random, size_t size)
{
    Bytes data;
    while (data.size() < size) {
        size_t run = 1 + random() % 3000;
        switch (random() % 7) {
        case 0:
            data.insert(data.end(), run, static_cast<u8>(random()));
            break;
        case 1:
            for (size_t i = 0; i < run; ++i)
                data.push_back(static_cast<u8>(random()));
            break;
        case 2:
            for (size_t i = 0; i < run; ++i)
                data.push_back("the quick brown fox "[random() % 20]);
            break;
        case 3: {
            size_t period = 1 + random() % 12;
            for (size_t i = 0; i < run; ++i)
                data.push_back(data.size() < period ? static_cast<u8>(random()) : data[data.size() - period]);
            break;
        }
        case 4: // a copy of something earlier
            if (size_t from = data.empty() ? 0 : random() % data.size(); !data.empty())
                for (size_t i = 0; i < run; ++i)
                    data.push_back(data[from + i]);
            break;
        case 5: // dense opcodes and operands that the branch filter must decide about
            for (size_t i = 0; i < run; ++i) {
                const u8 kinds[] = {0xe8, 0xe9, 0x00, 0xff, 0xe8, 0x01, 0xfe, static_cast<u8>(random())};
                data.push_back(kinds[random() % 8]);
            }
            break;
        case 6: // calls
            for (size_t i = 0; i < run / 8; ++i) {
                u32 target = static_cast<u32>(random() % 0x2000000) - 0x1000000;
                data.push_back(0xe8);
                for (unsigned byte = 0; byte < 4; ++byte)
                    data.push_back(static_cast<u8>(target >> (8 * byte)));
                data.push_back(static_cast<u8>(random()));
            }
            break;
        }
    }
    data.resize(size);
    return data;
}

void expect_round_trip(const Bytes& plain, const Bytes& packed)
{
    Unpacked ours = unpack(packed, plain.size());
    ASSERT_EQ(ours.result.error, UnpackError::None) << describe(ours.result.error);
    EXPECT_EQ(ours.result.input_used, packed.size());
    EXPECT_EQ(ours.result.output_size, plain.size());
    ASSERT_TRUE(ours.plain == plain);
}

TEST(Xz, UnpacksWhatLiblzmaPacks)
{
    std::mt19937_64 random(1);
    for (unsigned round = 0; round < 45; ++round) {
        Packing how;
        how.check = std::array{LZMA_CHECK_NONE, LZMA_CHECK_CRC32, LZMA_CHECK_CRC64}[round % 3];
        how.x86 = random() % 2;
        how.preset = static_cast<u32>(random() % 7) | (random() % 8 == 0 ? LZMA_PRESET_EXTREME : 0);
        how.lc = static_cast<u32>(random() % 5);
        how.lp = static_cast<u32>(random() % (5 - how.lc));
        how.pb = static_cast<u32>(random() % 5);
        how.x86_start = random() % 2 ? static_cast<u32>(random()) & ~0xfu : 0;
        Bytes plain = sample(random, round < 10 ? round : random() % 300'000);
        ASSERT_NO_FATAL_FAILURE(expect_round_trip(plain, pack(plain, how))) << round;
    }
}

TEST(Xz, UnpacksManyBlocks)
{
    std::mt19937_64 random(2);
    for (unsigned round = 0; round < 20; ++round) {
        Bytes plain = sample(random, random() % 300'000);
        ASSERT_NO_FATAL_FAILURE(expect_round_trip(plain, pack_in_blocks(plain, random)));
    }
}

// Distances beyond 4 MiB use the direct bits of a distance.
TEST(Xz, UnpacksFarMatches)
{
    std::mt19937_64 random(3);
    Bytes plain = sample(random, 5'500'000);
    std::copy_n(plain.begin() + 100, 100'000, plain.end() - 200'000);
    ASSERT_NO_FATAL_FAILURE(expect_round_trip(plain, pack(plain, {.preset = 4})));
}

// A bzImage has more behind the stream: the size of the unpacked data.
TEST(Xz, LeavesAloneWhatFollowsTheStream)
{
    std::mt19937_64 random(4);
    Bytes plain = sample(random, 10'000), packed = pack(plain, {});
    size_t size = packed.size();
    packed.insert(packed.end(), {1, 2, 3, 4});
    Unpacked ours = unpack(packed, plain.size());
    EXPECT_EQ(ours.result.error, UnpackError::None);
    EXPECT_EQ(ours.result.input_used, size);
}

TEST(Xz, RefusesTooLittleRoom)
{
    std::mt19937_64 random(5);
    Bytes plain = sample(random, 50'000), packed = pack(plain, {});
    for (size_t room : {size_t{0}, size_t{1}, plain.size() / 2, plain.size() - 1})
        EXPECT_EQ(unpack(packed, room).result.error, UnpackError::OutputTooSmall) << room;
    EXPECT_EQ(unpack(packed, plain.size() + 5000).result.error, UnpackError::None);
}

TEST(Xz, NamesWhatItDoesNotSupport)
{
    Bytes plain(1000, 7);
    EXPECT_EQ(unpack(pack(plain, {.check = LZMA_CHECK_SHA256}), 1000).result.error, UnpackError::UnsupportedCheck);

    lzma_options_lzma lzma;
    lzma_lzma_preset(&lzma, 6);
    lzma_options_delta delta = {};
    delta.type = LZMA_DELTA_TYPE_BYTE;
    delta.dist = 4;
    lzma_filter filters[] = {{LZMA_FILTER_DELTA, &delta}, {LZMA_FILTER_LZMA2, &lzma}, {LZMA_VLI_UNKNOWN, nullptr}};
    Bytes packed(4096);
    size_t size = 0;
    ASSERT_EQ(lzma_stream_buffer_encode(filters, LZMA_CHECK_CRC32, nullptr, plain.data(), plain.size(), packed.data(),
                                        &size, packed.size()),
              LZMA_OK);
    packed.resize(size);
    EXPECT_EQ(unpack(packed, 1000).result.error, UnpackError::UnsupportedFilter);
    EXPECT_EQ(unpack(Bytes(100, 0x1f), 1000).result.error, UnpackError::NotThisFormat);
    EXPECT_EQ(unpack({}, 1000).result.error, UnpackError::NotThisFormat);
}

TEST(Xz, EveryTruncationIsAnswered)
{
    std::mt19937_64 random(6);
    for (lzma_check check : {LZMA_CHECK_NONE, LZMA_CHECK_CRC32, LZMA_CHECK_CRC64}) {
        for (const size_t bytes : {10, 300, 6'000}) { // with each length of the index, and so of its padding
            Bytes plain = sample(random, bytes), packed = pack(plain, {.check = check});
            for (size_t size = 6; size < packed.size(); ++size) {
                UnpackError error =
                    unpack({packed.begin(), packed.begin() + static_cast<long>(size)}, plain.size()).result.error;
                ASSERT_EQ(error, UnpackError::Truncated) << size << " of " << packed.size();
            }
        }
    }
}

// Each bit of a small file, flipped: with a check the damage never goes unnoticed.
TEST(Xz, EveryFlippedBitIsNoticed)
{
    std::mt19937_64 random(7);
    Bytes plain = sample(random, 1500);
    for (lzma_check check : {LZMA_CHECK_CRC32, LZMA_CHECK_CRC64}) {
        Bytes packed = pack(plain, {.check = check});
        for (size_t bit = 0; bit < packed.size() * 8; ++bit) {
            packed[bit / 8] ^= static_cast<u8>(1u << bit % 8);
            ASSERT_NE(unpack(packed, plain.size()).result.error, UnpackError::None) << bit;
            packed[bit / 8] ^= static_cast<u8>(1u << bit % 8);
        }
    }
}

// Without a check only memory safety is promised; liblzma's verdict is ours wherever both accept.
TEST(Xz, DamageWithoutACheckIsHarmless)
{
    std::mt19937_64 random(8);
    for (unsigned round = 0; round < 30; ++round) {
        Bytes plain = sample(random, 2'000 + random() % 60'000);
        Bytes packed = pack(plain, {.check = LZMA_CHECK_NONE, .x86 = round % 2 == 0});
        for (unsigned n = 0; n < 30; ++n) {
            Bytes damaged = packed;
            for (u64 flips = 1 + random() % 4; flips > 0; --flips)
                damaged[24 + random() % (damaged.size() - 24)] ^= static_cast<u8>(1u << random() % 8);
            Unpacked ours = unpack(damaged, plain.size());
            Bytes theirs(plain.size());
            u64 limit = UINT64_MAX;
            size_t in = 0, out = 0;
            lzma_ret verdict = lzma_stream_buffer_decode(&limit, 0, nullptr, damaged.data(), &in, damaged.size(),
                                                         theirs.data(), &out, theirs.size());
            ASSERT_EQ(ours.result.ok(), verdict == LZMA_OK) << describe(ours.result.error) << " " << verdict;
            ASSERT_TRUE(!ours.result.ok() || ours.plain == theirs);
        }
    }
}

}
