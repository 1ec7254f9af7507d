// Domains built into a memory image, then read as their kernel and the hypervisor would read them.
#include "dom0/builder/builder.hpp"
#include "dom0/builder/error.hpp"
#include "hypervisor/abi/shared_info.hpp"
#include "hypervisor/abi/start_info.hpp"
#include "hypervisor/abi/x86_64/pte.hpp"
#include "tests/unit/dom0/synthetic_kernel.hpp"

#include <cstring>
#include <filesystem>
#include <fstream>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <set>
#include <unistd.h>

namespace xylem::dom0::builder::test {

using testing::HasSubstr;

namespace {

/// Memory whose machine frames are in another order than the domain's, so that no confusion of the two goes unseen.
class MemoryTarget final : public BuildTarget {
public:
    static constexpr u64 first_mfn = 1000;
    static constexpr u64 shared_info_mfn = 500;

    std::vector<Mfn> populate(u64 pages) override
    {
        memory.assign(pages << page_shift, std::byte{0xA5});
        pinned.reset();
        std::vector<Mfn> mfns;
        for (u64 pfn = 0; pfn < pages; ++pfn)
            mfns.push_back(mfn_of_pfn(pfn, pages));
        return mfns;
    }
    void with_frames(std::span<const Mfn> frames, const Use& use) override
    {
        EXPECT_FALSE(pinned && frames[0].value != shared_info_mfn) << "a frame is written after the tables were pinned";
        std::vector<std::byte> window;
        for (Mfn mfn : frames)
            window.insert(window.end(), page(mfn).begin(), page(mfn).end());
        use(window);
        for (std::size_t i = 0; i < frames.size(); ++i)
            std::memcpy(page(frames[i]).data(), window.data() + i * page_size, page_size);
    }
    Mfn shared_info_frame() override { return Mfn(shared_info_mfn); }
    void install_hypercall_page(Mfn frame) override { hypercall_page = frame; }
    void pin_root(Mfn frame) override { pinned = frame; }
    void set_boot_context(const abi::VcpuGuestContext& wanted) override { context = wanted; }
    void with_grant_table(const std::function<void(std::span<abi::GrantEntryV1>)>& use) override { use(grants); }

    static Mfn mfn_of_pfn(u64 pfn, u64 pages) { return Mfn(first_mfn + pages - 1 - pfn); }
    u64 pages() const { return memory.size() >> page_shift; }
    std::span<std::byte> page(Mfn mfn)
    {
        if (mfn.value == shared_info_mfn)
            return shared_info;
        const u64 pfn = first_mfn + pages() - 1 - mfn.value;
        EXPECT_LT(pfn, pages()) << "machine frame " << mfn.value << " is not the domain's";
        return std::span(memory).subspan(pfn << page_shift, page_size);
    }
    u64 word(Mfn mfn, u64 index)
    {
        u64 value;
        std::memcpy(&value, page(mfn).data() + index * sizeof value, sizeof value);
        return value;
    }

    /// The page-table entry for `address`, walked from the root in the boot context; 0 if there is none.
    u64 leaf(u64 address)
    {
        u64 entry = context.ctrlreg[3] | abi::pte::present;
        for (unsigned level = 4; level >= 1; --level) {
            if (!(entry & abi::pte::present))
                return 0;
            const Mfn table((entry & abi::pte::frame_mask) >> page_shift);
            tables.insert(table.value);
            entry = word(table, abi::page_table_index(address, level));
        }
        return entry;
    }
    std::string text(u64 address, std::size_t size)
    {
        const u64 entry = leaf(address);
        const std::byte* bytes = page(Mfn((entry & abi::pte::frame_mask) >> page_shift)).data() + address % page_size;
        return std::string(reinterpret_cast<const char*>(bytes), size);
    }
    abi::StartInfo start_info()
    {
        abi::StartInfo info;
        const u64 entry = leaf(context.user_regs.rsi);
        std::memcpy(&info, page(Mfn((entry & abi::pte::frame_mask) >> page_shift)).data(), sizeof info);
        return info;
    }

    std::vector<std::byte> memory;
    std::vector<std::byte> shared_info = std::vector<std::byte>(page_size, std::byte{0xA5});
    std::vector<abi::GrantEntryV1> grants = std::vector<abi::GrantEntryV1>(512);
    std::optional<Mfn> hypercall_page;
    std::optional<Mfn> pinned;
    abi::VcpuGuestContext context{};
    std::set<u64> tables;
};

struct Built {
    MemoryTarget target;
    Layout layout;
    BuildResult result;
};

Built build_from(const ByteVector& file, u64 pages, const std::string& ramdisk = "")
{
    Built built;
    const Kernel kernel = parse_kernel(file);
    BuildRequest request;
    request.pages = pages;
    request.ramdisk = Content(std::as_bytes(std::span(ramdisk)));
    request.command_line = "console=hvc0 token=abc";
    request.store_port = Port(1);
    request.console_port = Port(2);
    built.layout = plan_layout(kernel, ramdisk.size(), pages);
    built.result = build(built.target, kernel, built.layout, request);
    return built;
}

std::string complaint(const SyntheticKernel& kernel, u64 pages, u64 ramdisk_bytes = 0)
{
    const ByteVector file = kernel.file();
    try {
        plan_layout(parse_kernel(file), ramdisk_bytes, pages);
    } catch (const BuildError& error) {
        return error.what();
    }
    return "no complaint";
}

constexpr u64 pages_of_32_mib = 8192;

}

TEST(Builder, ImageLiesWhereItsSegmentsSay)
{
    Built built = build_from(linux_like().file(), pages_of_32_mib);
    EXPECT_EQ(built.target.text(0xFFFF'FFFF'8010'0000, 18), "text of the kernel");
    EXPECT_EQ(built.target.text(0xFFFF'FFFF'8030'0000, 18), "data of the kernel");
    EXPECT_EQ(built.target.text(0xFFFF'FFFF'8030'0012, 1), std::string(1, '\0')) << "the rest of a segment is cleared";
    EXPECT_EQ(built.target.text(0xFFFF'FFFF'803F'FFFF, 1), std::string(1, '\0'));
}

TEST(Builder, MappedRegionIsContiguousWithSlackOfHalfAMebibyte)
{
    Built built = build_from(linux_like().file(), pages_of_32_mib);
    const u64 base = 0xFFFF'FFFF'8000'0000;
    const u64 bytes = built.layout.mapped << page_shift;
    EXPECT_EQ(bytes % (4 << 20), 0U);
    EXPECT_GE(bytes - (built.layout.stack.end() << page_shift), u64{512} << 10);
    for (u64 offset = 0; offset < bytes; offset += page_size) {
        const u64 expected = MemoryTarget::mfn_of_pfn(offset >> page_shift, pages_of_32_mib).value;
        ASSERT_EQ((built.target.leaf(base + offset) & abi::pte::frame_mask) >> page_shift, expected) << offset;
    }
    EXPECT_EQ(built.target.leaf(base + bytes), 0U);
}

// A table that is mapped writable anywhere would make the hypervisor refuse the root (XSA-148's lesson, seen from the
// builder).
TEST(Builder, NoPageTableIsMappedWritable)
{
    for (const SyntheticKernel& kernel : {linux_like(), minios_like()}) {
        Built built = build_from(kernel.file(), pages_of_32_mib);
        const u64 base = built.layout.virt_base;
        std::vector<u64> leaves;
        for (u64 page = 0; page < built.layout.mapped; ++page)
            leaves.push_back(built.target.leaf(base + (page << page_shift)));
        for (u64 page = 0; page < built.layout.p2m.count; ++page)
            leaves.push_back(built.target.leaf(built.layout.p2m_address + (page << page_shift)));
        EXPECT_GE(built.target.tables.size(), 4U);
        for (u64 entry : leaves) {
            const bool table = built.target.tables.contains((entry & abi::pte::frame_mask) >> page_shift);
            EXPECT_EQ(table, !(entry & abi::pte::writable)) << std::hex << entry;
        }
    }
}

TEST(Builder, RootIsPinnedAndLoaded)
{
    Built built = build_from(linux_like().file(), pages_of_32_mib);
    ASSERT_TRUE(built.target.pinned);
    EXPECT_EQ(built.target.context.ctrlreg[3], built.target.pinned->value << page_shift);
    EXPECT_EQ(built.target.pinned->value,
              MemoryTarget::mfn_of_pfn(built.layout.page_tables.first, pages_of_32_mib).value);
}

TEST(Builder, StartInfoTellsTheKernelWhatItNeeds)
{
    Built built = build_from(linux_like().file(), pages_of_32_mib, "a ramdisk");
    const abi::StartInfo info = built.target.start_info();
    EXPECT_STREQ(info.magic, "xen-3.0-x86_64");
    EXPECT_EQ(info.nr_pages, pages_of_32_mib);
    EXPECT_EQ(info.shared_info, MemoryTarget::shared_info_mfn << page_shift);
    EXPECT_EQ(info.flags, abi::sif_virt_p2m_4tools | abi::sif_mod_start_pfn);
    EXPECT_EQ(info.store_mfn, built.result.store_ring.value);
    EXPECT_EQ(info.store_evtchn, 1U);
    EXPECT_EQ(info.console.domU.mfn, built.result.console_ring.value);
    EXPECT_EQ(info.console.domU.evtchn, 2U);
    EXPECT_EQ(info.mod_len, 9U);
    EXPECT_EQ(info.mfn_list, 0x80'0000'0000U);
    EXPECT_STREQ(reinterpret_cast<const char*>(info.cmd_line), "console=hvc0 token=abc");
    const u64 first_table = (built.target.leaf(info.pt_base) & abi::pte::frame_mask) >> page_shift;
    EXPECT_EQ(first_table << page_shift, built.target.context.ctrlreg[3]);
    EXPECT_EQ(info.nr_pt_frames, 3 + built.layout.mapped / 512);
}

// Linux takes what lies below first_p2m_pfn for mapped, and maps the area read-only since tables lie in it.
TEST(Builder, P2mAreaHoldsListAndTablesBehindTheMappedRegion)
{
    Built built = build_from(linux_like().file(), pages_of_32_mib, std::string(10000, 'r'));
    const abi::StartInfo info = built.target.start_info();
    EXPECT_GE(info.first_p2m_pfn, built.layout.mapped);
    EXPECT_GE(info.first_p2m_pfn, built.layout.ramdisk->end());
    EXPECT_EQ(info.nr_p2m_frames, pages_of_32_mib * 8 / page_size + 3);
    for (u64 pfn = 0; pfn < pages_of_32_mib; ++pfn) {
        const u64 at = info.mfn_list + pfn * 8;
        const u64 frame = (built.target.leaf(at) & abi::pte::frame_mask) >> page_shift;
        ASSERT_EQ(built.target.word(Mfn(frame), at % page_size / 8),
                  MemoryTarget::mfn_of_pfn(pfn, pages_of_32_mib).value);
    }
}

TEST(Builder, LastP2mPageIsPaddedWithInvalidFrames)
{
    const u64 pages = pages_of_32_mib - 1;
    Built built = build_from(linux_like().file(), pages);
    const u64 at = 0x80'0000'0000 + pages * 8;
    const u64 frame = (built.target.leaf(at) & abi::pte::frame_mask) >> page_shift;
    EXPECT_EQ(built.target.word(Mfn(frame), 511), ~u64{0});
}

TEST(Builder, RamdiskIsUnmappedForKernelsThatTakeItSo)
{
    Built built = build_from(linux_like().file(), pages_of_32_mib, "a ramdisk");
    const abi::StartInfo info = built.target.start_info();
    const auto page = built.target.page(MemoryTarget::mfn_of_pfn(info.mod_start, pages_of_32_mib));
    EXPECT_EQ(std::memcmp(page.data(), "a ramdisk", 10), 0);
    EXPECT_GE(info.mod_start, built.layout.mapped);
}

TEST(Builder, OlderKernelsFindEverythingInOneRegion)
{
    Built built = build_from(minios_like().file(), pages_of_32_mib, "a ramdisk");
    const abi::StartInfo info = built.target.start_info();
    EXPECT_EQ(info.flags, abi::sif_virt_p2m_4tools);
    EXPECT_EQ(built.target.text(info.mod_start, 9), "a ramdisk");
    EXPECT_EQ(info.first_p2m_pfn, 0U);
    EXPECT_LT(info.mfn_list, built.layout.mapped << page_shift);
    EXPECT_EQ(built.target.hypercall_page, MemoryTarget::mfn_of_pfn(2, pages_of_32_mib));
    EXPECT_EQ(info.mod_start, 0x8000U);
    EXPECT_LT(info.mfn_list, built.target.context.user_regs.rsi);
    EXPECT_LT(built.target.context.user_regs.rsi, info.pt_base);
}

TEST(Builder, FirstVcpuStartsAtTheEntryWithEventsMasked)
{
    Built built = build_from(linux_like().file(), pages_of_32_mib);
    const abi::VcpuGuestContext& context = built.target.context;
    EXPECT_EQ(context.user_regs.rip, 0xFFFF'FFFF'8010'0040);
    EXPECT_EQ(context.user_regs.cs, 0xE033);
    EXPECT_EQ(context.user_regs.ss, 0xE02B);
    EXPECT_EQ(context.flags, abi::vgcf_in_kernel | abi::vgcf_online);
    EXPECT_NE(built.target.leaf(context.user_regs.rsp - 8), 0U);
    const auto* info = reinterpret_cast<const abi::SharedInfo*>(built.target.shared_info.data());
    for (const abi::VcpuInfo& vcpu : info->vcpu_info)
        EXPECT_EQ(vcpu.evtchn_upcall_mask, 1);
    EXPECT_EQ(info->evtchn_pending[0], 0U);
}

TEST(Builder, RingsAreClearedAndGrantedToTheirServers)
{
    Built built = build_from(linux_like().file(), pages_of_32_mib);
    for (Mfn ring : {built.result.store_ring, built.result.console_ring})
        for (std::byte byte : built.target.page(ring))
            ASSERT_EQ(byte, std::byte{0});
    EXPECT_EQ(built.target.grants[0].flags, abi::gtf_permit_access);
    EXPECT_EQ(built.target.grants[0].frame, built.result.console_ring.value);
    EXPECT_EQ(built.target.grants[1].frame, built.result.store_ring.value);
}

TEST(Builder, TooLittleMemoryIsSaidBeforeAnythingIsBuilt)
{
    EXPECT_THAT(complaint(linux_like(), 256), HasSubstr("needs at least"));
    EXPECT_THAT(complaint(linux_like(), 1024), HasSubstr("needs at least"));
    EXPECT_THAT(complaint(linux_like(), pages_of_32_mib, u64{40} << 20), HasSubstr("the domain has 32 MiB"));
    EXPECT_EQ(complaint(linux_like(), pages_of_32_mib), "no complaint");
}

TEST(Builder, AddressesThatNoGuestMayUseAreRefused)
{
    using abi::ElfNote;
    EXPECT_THAT(complaint(linux_like().number(ElfNote::virt_base, 0xFFFF'8000'0000'0000), pages_of_32_mib),
                HasSubstr("VIRT_BASE"));
    EXPECT_THAT(complaint(linux_like().number(ElfNote::virt_base, 0x0000'9000'0000'0000), pages_of_32_mib),
                HasSubstr("VIRT_BASE"));
    EXPECT_THAT(complaint(linux_like().number(ElfNote::virt_base, 0xFFFF'FFFF'FFFF'F000), pages_of_32_mib),
                HasSubstr("VIRT_BASE"));
    EXPECT_THAT(complaint(linux_like().number(ElfNote::entry, 0x1000), pages_of_32_mib), HasSubstr("entry point"));
    EXPECT_THAT(complaint(linux_like().number(ElfNote::init_p2m, 0xFFFF'8000'0000'0000), pages_of_32_mib),
                HasSubstr("INIT_P2M"));
    EXPECT_THAT(complaint(linux_like().number(ElfNote::init_p2m, 0xFFFF'FFFF'8000'0000), pages_of_32_mib),
                HasSubstr("INIT_P2M"));
    EXPECT_THAT(complaint(minios_like().number(ElfNote::hypercall_page, 0x2001), pages_of_32_mib),
                HasSubstr("hypercall page"));
}

// What lies in a file is copied by the kernel, not through our mapping of it; the bytes must be the same.
TEST(Builder, ImagesInFilesAreReadFromThere)
{
    std::string name = testing::TempDir() + "kernel.XXXXXX";
    close(mkstemp(name.data()));
    const ByteVector bytes = linux_like().file();
    std::ofstream(name, std::ios::binary)
        .write(reinterpret_cast<const char*>(bytes.data()), static_cast<long>(bytes.size()));
    const MappedFile file(name);
    const Kernel kernel = parse_kernel(file.content());
    MemoryTarget target;
    build(target, kernel, plan_layout(kernel, 0, pages_of_32_mib), {});
    EXPECT_EQ(target.text(0xFFFF'FFFF'8030'0000, 18), "data of the kernel");

    std::filesystem::resize_file(name, 100);
    EXPECT_THROW(build(target, kernel, plan_layout(kernel, 0, pages_of_32_mib), {}), BuildError)
        << "it was cut meanwhile";
    std::filesystem::remove(name);
}

TEST(Builder, CommandLineThatDoesNotFitIsRefused)
{
    const ByteVector file = minios_like().file();
    const Kernel kernel = parse_kernel(file);
    const Layout layout = plan_layout(kernel, 0, pages_of_32_mib);
    MemoryTarget target;
    BuildRequest request;
    request.command_line = std::string(longest_command_line + 1, 'x');
    EXPECT_THROW(build(target, kernel, layout, request), BuildError);
}

}
