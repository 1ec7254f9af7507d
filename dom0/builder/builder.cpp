// See builder.hpp.
#include "dom0/builder/builder.hpp"

#include "dom0/builder/error.hpp"
#include "hypervisor/abi/shared_info.hpp"
#include "hypervisor/abi/start_info.hpp"
#include "hypervisor/abi/x86_64/layout.hpp"

#include <algorithm>
#include <array>
#include <cstring>
#include <fmt/format.h>
#include <map>

namespace xylem::dom0::builder {

namespace {

constexpr char magic[] = "xen-3.0-x86_64";

/// Frames mapped at a time: enough to make the mapping's cost small beside the copy's.
constexpr u64 window_frames = 1024;

/// One build, with the domain's frames at hand.
class Build {
public:
    Build(BuildTarget& target, const Kernel& kernel, const Layout& layout, const BuildRequest& request)
        : target_(target), kernel_(kernel), layout_(layout), request_(request), mfns_(target.populate(layout.pages))
    {
    }

    void place_image();
    void place_p2m();
    void place_tables();
    void place_start_info();
    void start_shared_info();
    void start_vcpu();
    void seed_grants();
    Mfn mfn(const Frames& frames) const { return mfns_[frames.first]; }

private:
    void write(u64 address, const Content& data, u64 size);
    void write_frames(const Frames& frames, const Content& data)
    {
        write(frames.first << page_shift, data, frames.count << page_shift);
    }
    void clear(const Frames& frames) { write_frames(frames, {}); }
    abi::StartInfo start_info() const;

    BuildTarget& target_;
    const Kernel& kernel_;
    const Layout& layout_;
    const BuildRequest& request_;
    std::vector<Mfn> mfns_;
};

/// Puts `data`, and zeros up to `size` bytes, at pseudo-physical `address`.
void Build::write(u64 address, const Content& data, u64 size)
{
    for (u64 done = 0; done < size;) {
        const u64 at = address + done;
        const u64 offset = at % page_size;
        const u64 first = at >> page_shift;
        const u64 frames = std::min(pages_for(size - done + offset), window_frames);
        const u64 bytes = std::min(size - done, (frames << page_shift) - offset);
        const u64 copied = std::min(bytes, data.size() - std::min(done, data.size()));
        target_.with_frames(std::span(mfns_).subspan(first, frames), [&](std::span<std::byte> window) {
            data.read(done, window.subspan(offset, copied));
            std::memset(window.data() + offset + copied, 0, bytes - copied);
        });
        done += bytes;
    }
}

void Build::place_image()
{
    for (const Segment& segment : kernel_.segments)
        write(segment.address, segment.file, segment.size);
    if (layout_.ramdisk)
        write_frames(*layout_.ramdisk, request_.ramdisk);
    clear(layout_.store_ring);
    clear(layout_.console_ring);
    clear(layout_.stack);
}

void Build::place_p2m()
{
    std::vector<u64> list((layout_.p2m.count << page_shift) / sizeof(u64), invalid_mfn.value);
    std::transform(mfns_.begin(), mfns_.end(), list.begin(), [](Mfn mfn) { return mfn.value; });
    write_frames(layout_.p2m, Content(std::as_bytes(std::span(list))));
}

/// Tables lie side by side, those of the mapped region and those of the p2m area: each run is written in one piece.
void Build::place_tables()
{
    std::map<u64, std::array<u64, 512>> tables;
    layout_.tables.write(mfns_, [&](u64 frame, std::span<const u64, 512> entries) {
        std::copy(entries.begin(), entries.end(), tables[frame].begin());
    });
    for (auto run = tables.begin(); run != tables.end();) {
        const u64 first = run->first;
        std::vector<u64> entries;
        for (u64 next = first; run != tables.end() && run->first == next; ++run, ++next)
            entries.insert(entries.end(), run->second.begin(), run->second.end());
        write_frames({first, entries.size() / 512}, Content(std::as_bytes(std::span(entries))));
    }
}

abi::StartInfo Build::start_info() const
{
    abi::StartInfo info{};
    std::memcpy(info.magic, magic, sizeof magic);
    info.nr_pages = layout_.pages;
    info.shared_info = address_of(target_.shared_info_frame()).value;
    info.flags = abi::sif_virt_p2m_4tools;
    info.store_mfn = mfn(layout_.store_ring).value;
    info.store_evtchn = request_.store_port.value;
    info.console.domU = {mfn(layout_.console_ring).value, request_.console_port.value};
    info.pt_base = layout_.address_of(layout_.page_tables).value;
    info.nr_pt_frames = layout_.page_tables.count;
    info.mfn_list = layout_.p2m_address;
    if (layout_.ramdisk) {
        info.mod_start = layout_.address_of(*layout_.ramdisk).value;
        info.mod_len = request_.ramdisk.size();
    }
    if (layout_.ramdisk && kernel_.notes.mod_start_pfn) {
        info.mod_start = layout_.ramdisk->first;
        info.flags |= abi::sif_mod_start_pfn;
    }
    std::memcpy(info.cmd_line, request_.command_line.c_str(), request_.command_line.size() + 1);
    if (layout_.p2m_area) {
        info.first_p2m_pfn = layout_.p2m_area->first;
        info.nr_p2m_frames = layout_.p2m_area->count;
    }
    return info;
}

void Build::place_start_info()
{
    const abi::StartInfo info = start_info();
    write_frames(layout_.start_info, Content(std::as_bytes(std::span(&info, 1))));
}

/// The hypervisor's own share of the page, the clock, is written again when the first vCPU gets its context.
void Build::start_shared_info()
{
    const Mfn frame = target_.shared_info_frame();
    target_.with_frames({&frame, 1}, [](std::span<std::byte> page) {
        std::memset(page.data(), 0, page.size());
        auto* info = reinterpret_cast<abi::SharedInfo*>(page.data());
        for (abi::VcpuInfo& vcpu : info->vcpu_info)
            vcpu.evtchn_upcall_mask = 1;
    });
}

void Build::start_vcpu()
{
    abi::VcpuGuestContext context{};
    context.flags = abi::vgcf_in_kernel | abi::vgcf_online;
    context.user_regs.rip = kernel_.notes.entry;
    context.user_regs.rsp = layout_.address_of(layout_.stack).value + page_size;
    context.user_regs.rsi = layout_.address_of(layout_.start_info).value;
    context.user_regs.rflags = 1U << 9; // IF
    context.user_regs.cs = abi::flat_ring3_cs64;
    context.user_regs.ss = abi::flat_ring3_ss64;
    context.kernel_ss = context.user_regs.ss;
    context.kernel_sp = context.user_regs.rsp;
    context.ctrlreg[3] = mfn(layout_.page_tables).value << page_shift;
    context.debugreg[6] = 0xFFFF'0FF0; // as after a reset
    context.debugreg[7] = 0x400;
    target_.set_boot_context(context);
}

void Build::seed_grants()
{
    target_.with_grant_table([&](std::span<abi::GrantEntryV1> table) {
        table[abi::grant_reserved_console] = {abi::gtf_permit_access, request_.console_domain.value,
                                              static_cast<u32>(mfn(layout_.console_ring).value)};
        table[abi::grant_reserved_xenstore] = {abi::gtf_permit_access, request_.store_domain.value,
                                               static_cast<u32>(mfn(layout_.store_ring).value)};
    });
}

}

BuildResult build(BuildTarget& target, const Kernel& kernel, const Layout& layout, const BuildRequest& request)
{
    if (request.command_line.size() > longest_command_line)
        throw BuildError(fmt::format("the kernel's command line has {} characters; {} fit", request.command_line.size(),
                                     longest_command_line));
    Build under_way(target, kernel, layout, request);
    under_way.place_image();
    under_way.place_p2m();
    under_way.place_start_info();
    if (kernel.notes.hypercall_page)
        target.install_hypercall_page(
            under_way.mfn({(*kernel.notes.hypercall_page - layout.virt_base) >> page_shift, 1}));
    // The root is pinned when no writable mapping of a table is left, ours or the domain's.
    under_way.place_tables();
    target.pin_root(under_way.mfn(layout.page_tables));
    under_way.start_shared_info();
    under_way.start_vcpu();
    under_way.seed_grants();
    return {under_way.mfn(layout.store_ring), under_way.mfn(layout.console_ring)};
}

}
