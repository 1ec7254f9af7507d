// The readers of kernel images: bzImage and ELF with Xen's notes. Kernels made in memory, then damaged in every way;
// and Debian's, where one lies in build/.

#include "hypervisor/abi/elfnote.hpp"
#include "hypervisor/boot/bzimage.hpp"
#include "hypervisor/boot/elf.hpp"
#include "hypervisor/boot/xz.hpp"

#include <elf.h>
#include <gtest/gtest.h>

#include <cstdlib>
#include <cstring>
#include <fstream>
#include <iterator>
#include <memory>
#include <random>
#include <string>
#include <vector>

namespace xylem::boot {
namespace {

using Bytes = std::vector<u8>;

Bytes number(u64 value, unsigned bytes = 8)
{
    Bytes result;
    for (unsigned i = 0; i < bytes; ++i)
        result.push_back(static_cast<u8>(value >> (8 * i)));
    return result;
}

Bytes text(const std::string& value)
{
    return Bytes(value.c_str(), value.c_str() + value.size() + 1);
}

template <typename T> void append(Bytes& to, const T& value)
{
    const u8* raw = reinterpret_cast<const u8*>(&value);
    to.insert(to.end(), raw, raw + sizeof(T));
}

/// Writes small ELF files.
struct ElfMaker {
    struct Segment {
        Elf64_Phdr header;
        Bytes bytes;
    };
    Elf64_Ehdr header = {};
    std::vector<Segment> segments;
    Bytes notes;
    bool notes_in_section = false;

    ElfMaker()
    {
        std::memcpy(header.e_ident, ELFMAG, SELFMAG);
        header.e_ident[EI_CLASS] = ELFCLASS64;
        header.e_ident[EI_DATA] = ELFDATA2LSB;
        header.e_type = ET_EXEC;
        header.e_machine = EM_X86_64;
        header.e_entry = 0x1234;
        header.e_phentsize = sizeof(Elf64_Phdr);
        header.e_shentsize = sizeof(Elf64_Shdr);
    }

    ElfMaker& load(u64 address, Bytes bytes, u64 memory_size, u32 flags = PF_R | PF_X)
    {
        Elf64_Phdr p = {};
        p.p_type = PT_LOAD;
        p.p_flags = flags;
        p.p_paddr = address;
        p.p_filesz = bytes.size();
        p.p_memsz = memory_size;
        segments.push_back({p, std::move(bytes)});
        return *this;
    }

    ElfMaker& note(const char* owner, u32 type, Bytes description)
    {
        append(notes, Elf64_Nhdr{static_cast<u32>(std::strlen(owner) + 1), static_cast<u32>(description.size()), type});
        for (Bytes part : {text(owner), description}) {
            part.resize((part.size() + 3) & ~size_t{3});
            notes.insert(notes.end(), part.begin(), part.end());
        }
        return *this;
    }
    ElfMaker& note(abi::ElfNote type, Bytes description)
    {
        return note("Xen", static_cast<u32>(type), std::move(description));
    }

    Bytes make() const
    {
        std::vector<Segment> all = segments;
        if (!notes.empty() && !notes_in_section) {
            Elf64_Phdr p = {};
            p.p_type = PT_NOTE;
            p.p_filesz = notes.size();
            all.push_back({p, notes});
        }
        Elf64_Ehdr e = header;
        e.e_phoff = sizeof(e);
        e.e_phnum = static_cast<u16>(all.size());
        u64 at = sizeof(e) + all.size() * sizeof(Elf64_Phdr);
        if (notes_in_section) {
            e.e_shnum = 1;
            e.e_shoff = at;
            at += sizeof(Elf64_Shdr);
        }
        Bytes file;
        append(file, e);
        for (Segment& segment : all) {
            segment.header.p_offset = at;
            at += segment.bytes.size();
            append(file, segment.header);
        }
        if (notes_in_section) {
            Elf64_Shdr s = {};
            s.sh_type = SHT_NOTE;
            s.sh_offset = at;
            s.sh_size = notes.size();
            append(file, s);
        }
        for (const Segment& segment : all)
            file.insert(file.end(), segment.bytes.begin(), segment.bytes.end());
        if (notes_in_section)
            file.insert(file.end(), notes.begin(), notes.end());
        return file;
    }
};

ElfMaker linux_like()
{
    ElfMaker maker;
    maker.load(0x1000000, Bytes(300, 0xaa), 0x1000).load(0x1001000, Bytes(100, 0xbb), 100, PF_R | PF_W);
    maker.note("GNU", 3, Bytes(20, 1))
        .note(abi::ElfNote::entry, number(0xffffffff810791c0))
        .note(abi::ElfNote::virt_base, number(0xffffffff80000000))
        .note(abi::ElfNote::paddr_offset, number(0))
        .note(abi::ElfNote::features, text("!writable_page_tables|pae_pgdir_above_4gb|no_such_feature"))
        .note(abi::ElfNote::supported_features, number(0x8801, 4))
        .note(abi::ElfNote::init_p2m, number(0x8000000000))
        .note(abi::ElfNote::mod_start_pfn, number(1, 4))
        .note(abi::ElfNote::pae_mode, text("yes"))
        .note(abi::ElfNote::guest_os, text("linux"));
    return maker;
}

/// Parses a copy that is exactly as long as the file, so that AddressSanitizer sees every byte too far.
struct Parsed {
    std::unique_ptr<u8[]> copy;
    ElfKernel kernel;
    ElfError error;

    explicit Parsed(const Bytes& file) : copy(new u8[file.size()])
    {
        std::copy(file.begin(), file.end(), copy.get());
        error = kernel.parse({copy.get(), file.size()});
    }
};

TEST(Elf, TellsSegmentsAndNotes)
{
    Parsed parsed(linux_like().make());
    ASSERT_EQ(parsed.error, ElfError::None);
    const ElfKernel& kernel = parsed.kernel;
    ASSERT_EQ(kernel.segments().size(), 2u);
    EXPECT_EQ(kernel.segments()[0].physical_address, 0x1000000u);
    EXPECT_EQ(kernel.segments()[0].memory_size, 0x1000u);
    EXPECT_TRUE(kernel.segments()[0].executable);
    EXPECT_FALSE(kernel.segments()[0].writable);
    EXPECT_TRUE(kernel.segments()[1].writable);
    EXPECT_EQ(kernel.physical_start(), 0x1000000u);
    EXPECT_EQ(kernel.physical_end(), 0x1001064u);
    EXPECT_EQ(kernel.entry(), 0xffffffff810791c0u);
    EXPECT_EQ(kernel.virtual_offset(), 0xffffffff80000000u);
    const XenNotes& notes = kernel.notes();
    EXPECT_FALSE(notes.hypercall_page.given);
    EXPECT_EQ(notes.init_p2m.value, 0x8000000000u);
    EXPECT_TRUE(notes.mod_start_pfn);
    EXPECT_TRUE(notes.pae);
    EXPECT_EQ(notes.supported_features, 0x8801u | 1u << 4);
    EXPECT_EQ(notes.required_features, 1u);
    EXPECT_TRUE(notes.may_be_dom0());
    EXPECT_EQ(notes.guest_os, "linux");
}

// A kernel that lists its features without dom0 is none; one that lists nothing may be.
TEST(Elf, Dom0IsAFeatureOfTheKernel)
{
    ElfMaker with, without, silent;
    with.load(0, Bytes(8), 8)
        .note(abi::ElfNote::features, text("dom0"))
        .note(abi::ElfNote::supported_features, number(0, 4));
    without.load(0, Bytes(8), 8).note(abi::ElfNote::supported_features, number(1, 4));
    silent.load(0, Bytes(8), 8).note(abi::ElfNote::guest_os, text("Mini-OS"));
    EXPECT_TRUE(Parsed(with.make()).kernel.notes().may_be_dom0());
    EXPECT_FALSE(Parsed(without.make()).kernel.notes().may_be_dom0());
    EXPECT_TRUE(Parsed(silent.make()).kernel.notes().may_be_dom0());
}

TEST(Elf, FindsNotesInASectionWhenNoSegmentHasThem)
{
    ElfMaker maker = linux_like();
    maker.notes_in_section = true;
    Parsed parsed(maker.make());
    ASSERT_EQ(parsed.error, ElfError::None);
    EXPECT_EQ(parsed.kernel.notes().virt_base.value, 0xffffffff80000000u);
}

TEST(Elf, WithoutNotesTheHeaderRules)
{
    ElfMaker maker;
    maker.load(0x1000, Bytes(8), 8);
    Parsed parsed(maker.make());
    ASSERT_EQ(parsed.error, ElfError::None);
    EXPECT_FALSE(parsed.kernel.notes().any);
    EXPECT_EQ(parsed.kernel.entry(), 0x1234u);
    EXPECT_EQ(parsed.kernel.virtual_offset(), 0u);
}

TEST(Elf, ReadsFileBytesAndZerosInBetween)
{
    ElfMaker maker;
    maker.load(0x3000, Bytes(16, 3), 32).load(0x1000, Bytes(16, 1), 64);
    Parsed parsed(maker.make());
    ASSERT_EQ(parsed.error, ElfError::None);
    Bytes wanted(0x4000, 0);
    std::fill_n(wanted.begin() + 0x1000, 16, u8{1});
    std::fill_n(wanted.begin() + 0x3000, 16, u8{3});
    std::mt19937_64 random(1);
    for (unsigned round = 0; round < 2000; ++round) {
        u64 from = random() % wanted.size(), size = random() % (wanted.size() - from + 1);
        if (round % 2)
            size = std::min<u64>(size, 40), from = round % 4 == 1 ? 0xff0 + round % 64 : 0x2ff0 + round % 64;
        Bytes out(size, 0xcc);
        parsed.kernel.read(from, out);
        ASSERT_TRUE(std::equal(out.begin(), out.end(), wanted.begin() + static_cast<long>(from)))
            << from << " " << size;
    }
}

TEST(Elf, NamesWhatIsWrong)
{
    auto error_after = [](auto change) {
        ElfMaker maker = linux_like();
        change(maker);
        return Parsed(maker.make()).error;
    };
    EXPECT_EQ(error_after([](ElfMaker& m) { m.header.e_ident[0] = 0; }), ElfError::NotElf);
    EXPECT_EQ(error_after([](ElfMaker& m) { m.header.e_ident[EI_CLASS] = ELFCLASS32; }), ElfError::NotX86_64);
    EXPECT_EQ(error_after([](ElfMaker& m) { m.header.e_machine = EM_386; }), ElfError::NotX86_64);
    EXPECT_EQ(error_after([](ElfMaker& m) { m.header.e_type = ET_REL; }), ElfError::NotX86_64);
    EXPECT_EQ(error_after([](ElfMaker& m) { m.header.e_phentsize = 32; }), ElfError::BadProgramHeaders);
    EXPECT_EQ(error_after([](ElfMaker& m) { m.segments.clear(); }), ElfError::NoSegments);
    EXPECT_EQ(error_after([](ElfMaker& m) { m.segments[0].header.p_filesz = 1 << 20; }), ElfError::SegmentOutsideFile);
    EXPECT_EQ(error_after([](ElfMaker& m) { m.segments[0].header.p_filesz = ~0ull; }), ElfError::SegmentOutsideFile);
    EXPECT_EQ(error_after([](ElfMaker& m) { m.segments[0].header.p_memsz = 10; }), ElfError::SegmentOutsideFile);
    EXPECT_EQ(error_after([](ElfMaker& m) { m.segments[0].header.p_paddr = ~0ull - 5; }), ElfError::SegmentOutsideFile);
    EXPECT_EQ(error_after([](ElfMaker& m) { m.segments[1].header.p_paddr = 0x1000fff; }), ElfError::SegmentsOverlap);
    EXPECT_EQ(error_after([](ElfMaker& m) { m.note(abi::ElfNote::entry, Bytes(3)); }), ElfError::BadNotes);
    EXPECT_EQ(error_after([](ElfMaker& m) { m.note(abi::ElfNote::l1_mfn_valid, Bytes(8)); }), ElfError::BadNotes);
    EXPECT_EQ(error_after([](ElfMaker& m) {
                  append(m.notes, Elf64_Nhdr{4, 0xfffffffc, 1}), append(m.notes, 0);
              }),
              ElfError::BadNotes);
    EXPECT_EQ(error_after([](ElfMaker& m) {
                  for (u64 i = 0; i < 40; ++i)
                      m.load(0x2000000 + i * 4096, Bytes(1), 1);
              }),
              ElfError::TooManySegments);
}

TEST(Elf, DamageIsHarmless)
{
    const Bytes good = linux_like().make();
    for (size_t size = 0; size < good.size(); ++size)
        Parsed({good.begin(), good.begin() + static_cast<long>(size)});
    std::mt19937_64 random(2);
    const u64 nasty[] = {0, 1, 0x7f, 0x80, 0xff, 0xfffffffc, 0xffffffff, ~0ull, ~0ull - 63, 1ull << 63, 0x1000};
    for (unsigned round = 0; round < 20'000; ++round) {
        Bytes damaged = good;
        for (u64 n = 1 + random() % 3; n > 0; --n) {
            size_t at = random() % (round % 2 ? damaged.size() - 8 : size_t{240});
            if (random() % 2)
                std::memcpy(&damaged[at], &nasty[random() % std::size(nasty)], size_t{1} << random() % 4);
            else
                damaged[at] ^= static_cast<u8>(1u << random() % 8);
        }
        Parsed parsed(damaged);
        if (parsed.error != ElfError::None)
            continue;
        Bytes out(5000);
        parsed.kernel.read(random() % 2 ? parsed.kernel.physical_start() : random(), out);
    }
}

Bytes bzimage_around(const Bytes& payload, u8 setup_sectors)
{
    const size_t offset = ((setup_sectors ? setup_sectors : 4u) + 1) * 512 + 0x30;
    Bytes image(offset, 0);
    auto put = [&](size_t at, u64 value, unsigned bytes) {
        Bytes raw = number(value, bytes);
        std::copy(raw.begin(), raw.end(), image.begin() + static_cast<long>(at));
    };
    put(0x1f1, setup_sectors, 1);
    put(0x1fe, 0xaa55, 2);
    put(0x202, 0x53726448, 4);
    put(0x206, 0x020f, 2);
    put(0x248, 0x30, 4);
    put(0x24c, payload.size(), 4);
    image.insert(image.end(), payload.begin(), payload.end());
    return image;
}

TEST(BzImage, FindsThePayload)
{
    const Bytes xz = {0xfd, '7', 'z', 'X', 'Z', 0, 1, 2, 0x78, 0x56, 0x34, 0x12};
    for (u8 sectors : {0, 1, 31}) {
        Bytes image = bzimage_around(xz, sectors);
        BzImagePayload payload;
        ASSERT_EQ(find_payload(image, payload), BzImageError::None);
        EXPECT_EQ(payload.packing, Packing::Xz);
        EXPECT_EQ(payload.unpacked_size, 0x12345678u);
        EXPECT_TRUE(std::equal(payload.bytes.begin(), payload.bytes.end(), xz.begin(), xz.end()));
    }
}

TEST(BzImage, NamesWhatIsWrong)
{
    Bytes image = bzimage_around(Bytes(100, 1), 4);
    BzImagePayload payload;
    EXPECT_EQ(find_payload(std::span(image).first(image.size() - 1), payload), BzImageError::Truncated);
    EXPECT_EQ(find_payload(std::span(image).first(600), payload), BzImageError::Truncated);
    EXPECT_EQ(find_payload(std::span(image).first(0x24f), payload), BzImageError::NotABzImage);
    EXPECT_EQ(find_payload({}, payload), BzImageError::NotABzImage);
    Bytes old = image;
    old[0x206] = 7;
    EXPECT_EQ(find_payload(old, payload), BzImageError::TooOld);
    Bytes far = image;
    far[0x24b] = 0xff;
    EXPECT_EQ(find_payload(far, payload), BzImageError::Truncated);
    Bytes other = image;
    other[0x202] = 'h';
    EXPECT_EQ(find_payload(other, payload), BzImageError::NotABzImage);
}

// The whole way of dom0's kernel, once it is there.
TEST(DebianKernel, IsUnpackedAndRead)
{
    const char* given = std::getenv("XYLEM_TEST_KERNEL");
    std::ifstream file(given ? given : "build/dom0/vmlinuz", std::ios::binary);
    if (!file)
        GTEST_SKIP() << "build/dom0/vmlinuz is not built";
    Bytes image{std::istreambuf_iterator<char>(file), {}};
    BzImagePayload payload;
    ASSERT_EQ(find_payload(image, payload), BzImageError::None);
    ASSERT_EQ(payload.packing, Packing::Xz);
    Bytes plain(payload.unpacked_size);
    auto workspace = std::make_unique<XzWorkspace>();
    UnpackResult unpacked = unpack_xz(payload.bytes, plain, *workspace);
    ASSERT_EQ(unpacked.error, UnpackError::None);
    EXPECT_EQ(unpacked.output_size, plain.size());
    EXPECT_EQ(unpacked.input_used + 4, payload.bytes.size());

    ElfKernel kernel;
    ASSERT_EQ(kernel.parse(plain), ElfError::None);
    EXPECT_EQ(kernel.segments().size(), 4u);
    EXPECT_EQ(kernel.physical_start(), 0x1000000u);
    EXPECT_EQ(kernel.virtual_offset(), 0xffffffff80000000u);
    EXPECT_EQ(kernel.notes().init_p2m.value, 0x8000000000u);
    EXPECT_TRUE(kernel.notes().mod_start_pfn);
    EXPECT_TRUE(kernel.notes().may_be_dom0());
    EXPECT_EQ(kernel.notes().guest_os, "linux");
    u64 entry = kernel.entry() - kernel.virtual_offset();
    EXPECT_TRUE(entry >= kernel.physical_start() && entry < kernel.physical_end());
}

}
}
