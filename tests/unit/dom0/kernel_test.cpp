// What the builder makes of kernel files, good and bad.
#include "dom0/builder/error.hpp"
#include "dom0/builder/kernel.hpp"
#include "tests/unit/dom0/synthetic_kernel.hpp"

#include <cstring>
#include <functional>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <lz4.h>
#include <lzma.h>
#include <zlib.h>
#include <zstd.h>

namespace xylem::dom0::builder::test {

using testing::HasSubstr;

static std::string complaint(const ByteVector& file)
{
    try {
        parse_kernel(file);
    } catch (const BuildError& error) {
        return error.what();
    }
    return "no complaint";
}

static ByteVector gzip(const ByteVector& data)
{
    z_stream stream{};
    deflateInit2(&stream, 6, Z_DEFLATED, 16 + MAX_WBITS, 8, Z_DEFAULT_STRATEGY);
    ByteVector out(data.size() + 1024);
    stream.next_in = reinterpret_cast<Bytef*>(const_cast<std::byte*>(data.data()));
    stream.avail_in = static_cast<uInt>(data.size());
    stream.next_out = reinterpret_cast<Bytef*>(out.data());
    stream.avail_out = static_cast<uInt>(out.size());
    deflate(&stream, Z_FINISH);
    out.resize(stream.total_out);
    deflateEnd(&stream);
    return out;
}

/// As the kernel's build does: the x86 filter, CRC32.
static ByteVector xz(const ByteVector& data)
{
    lzma_options_lzma options;
    lzma_lzma_preset(&options, 6);
    lzma_filter filters[] = {{LZMA_FILTER_X86, nullptr}, {LZMA_FILTER_LZMA2, &options}, {LZMA_VLI_UNKNOWN, nullptr}};
    ByteVector out(data.size() + 1024);
    std::size_t size = 0;
    EXPECT_EQ(lzma_stream_buffer_encode(filters, LZMA_CHECK_CRC32, nullptr,
                                        reinterpret_cast<const uint8_t*>(data.data()), data.size(),
                                        reinterpret_cast<uint8_t*>(out.data()), &size, out.size()),
              LZMA_OK);
    out.resize(size);
    return out;
}

static ByteVector zstd(const ByteVector& data)
{
    ByteVector out(ZSTD_compressBound(data.size()));
    out.resize(ZSTD_compress(out.data(), out.size(), data.data(), data.size(), 3));
    return out;
}

static ByteVector lz4(const ByteVector& data)
{
    ByteVector out(data.size() + 1024);
    const u32 magic = 0x184C2102;
    std::memcpy(out.data(), &magic, sizeof magic);
    const int size =
        LZ4_compress_default(reinterpret_cast<const char*>(data.data()), reinterpret_cast<char*>(out.data() + 8),
                             static_cast<int>(data.size()), static_cast<int>(out.size() - 8));
    std::memcpy(out.data() + 4, &size, sizeof size);
    out.resize(static_cast<std::size_t>(size) + 8);
    return out;
}

TEST(KernelFile, NotesSayWhereTheKernelWantsToLie)
{
    const ByteVector file = linux_like().file();
    const Kernel kernel = parse_kernel(file);
    EXPECT_EQ(kernel.notes.virt_base, 0xFFFF'FFFF'8000'0000);
    EXPECT_EQ(kernel.notes.entry, 0xFFFF'FFFF'8010'0040);
    EXPECT_EQ(kernel.notes.init_p2m, 0x80'0000'0000);
    EXPECT_TRUE(kernel.notes.mod_start_pfn);
    EXPECT_FALSE(kernel.notes.hypercall_page);
    EXPECT_EQ(kernel.notes.guest_os, "linux");
    ASSERT_EQ(kernel.segments.size(), 2U);
    EXPECT_EQ(kernel.segments[1].address, 0x30'0000U);
    EXPECT_EQ(kernel.segments[1].size, 0x10'0000U);
    EXPECT_EQ(kernel.end, 0x40'0000U);
}

TEST(KernelFile, PaddrOffsetShiftsSegments)
{
    SyntheticKernel kernel;
    kernel.number(abi::ElfNote::virt_base, 0xC000'0000)
        .number(abi::ElfNote::paddr_offset, 0xC000'0000)
        .number(abi::ElfNote::entry, 0xC010'0000)
        .segment(0xC010'0000, "x", 1);
    const ByteVector file = kernel.file();
    EXPECT_EQ(parse_kernel(file).segments[0].address, 0x10'0000U);
}

TEST(KernelFile, EveryCompressionOfLinuxIsUnpacked)
{
    const ByteVector plain = linux_like().file();
    const auto size = static_cast<u32>(plain.size());
    for (const auto& pack : std::vector<std::function<ByteVector(const ByteVector&)>>{gzip, xz, zstd, lz4}) {
        const ByteVector file = bzimage(pack(plain), size);
        const Kernel kernel = parse_kernel(file);
        EXPECT_EQ(kernel.unpacked, plain);
        EXPECT_EQ(kernel.segments.size(), 2U);
    }
}

TEST(KernelFile, GzippedElfIsUnpacked)
{
    const ByteVector file = gzip(linux_like().file());
    EXPECT_EQ(parse_kernel(file).segments.size(), 2U);
}

TEST(KernelFile, CorruptPayloadIsNamed)
{
    const ByteVector plain = linux_like().file();
    for (const auto& pack : std::vector<std::function<ByteVector(const ByteVector&)>>{gzip, xz, zstd, lz4}) {
        ByteVector packed = pack(plain);
        for (std::size_t i = packed.size() / 3; i < packed.size() / 3 + 24; ++i)
            packed[i] ^= std::byte{0xFF};
        EXPECT_THAT(complaint(bzimage(packed, static_cast<u32>(plain.size()))),
                    testing::AnyOf(HasSubstr("payload is corrupt"), HasSubstr("truncated"), HasSubstr("no ELF file")));
    }
}

TEST(KernelFile, PayloadLargerThanItSaysIsRefused)
{
    const ByteVector plain = linux_like().file();
    for (const auto& pack : std::vector<std::function<ByteVector(const ByteVector&)>>{xz, zstd})
        EXPECT_THAT(complaint(bzimage(pack(plain), 100)), HasSubstr("payload is corrupt"));
}

TEST(KernelFile, UnpackedSizeIsBounded)
{
    EXPECT_THAT(complaint(bzimage(xz(linux_like().file()), 0xFFFF'FFFF)), HasSubstr("4294967295"));
}

TEST(KernelFile, EveryTruncationIsAnErrorAndReadsNothingBeyond)
{
    const ByteVector whole = linux_like().file();
    for (std::size_t size = 0; size < whole.size(); ++size) {
        const ByteVector part(whole.begin(), whole.begin() + static_cast<std::ptrdiff_t>(size));
        EXPECT_NE(complaint(part), "no complaint") << size;
    }
    const ByteVector packed = bzimage(xz(whole), static_cast<u32>(whole.size()));
    for (std::size_t size = 0; size < packed.size(); ++size) {
        const ByteVector part(packed.begin(), packed.begin() + static_cast<std::ptrdiff_t>(size));
        EXPECT_NE(complaint(part), "no complaint") << size;
    }
}

TEST(KernelFile, WhatIsNoPvKernelIsToldApart)
{
    EXPECT_THAT(complaint(ByteVector(5000)), HasSubstr("neither an ELF file nor a bzImage"));
    EXPECT_THAT(complaint(SyntheticKernel().segment(0, "x", 1).file()), HasSubstr("no Xen notes"));
    EXPECT_THAT(complaint(linux_like().text(abi::ElfNote::loader, "exotic").file()), HasSubstr("exotic"));
    EXPECT_THAT(complaint(linux_like().text(abi::ElfNote::xen_version, "xen-2.0").file()), HasSubstr("xen-2.0"));
    ByteVector other = linux_like().file();
    other[18] = std::byte{0xB7}; // e_machine: AArch64
    EXPECT_THAT(complaint(other), HasSubstr("not for 64-bit x86"));
}

TEST(KernelFile, SegmentOfImpossibleSizeIsRefused)
{
    EXPECT_THAT(complaint(linux_like().segment(~u64{0} - 10, "x", 100).file()), HasSubstr("impossible size"));
    EXPECT_THAT(complaint(linux_like().segment(0, "longer than its memory", 3).file()), HasSubstr("impossible size"));
}

}
