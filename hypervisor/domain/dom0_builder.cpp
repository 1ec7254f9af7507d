// Dom0's memory, from its first instruction's point of view. (docs/pv-abi.md 5.8; xen/include/public/xen.h,
// "start-of-day memory layout")
//
// From the kernel's virtual base up, each on whole pages: kernel image, [initrd], [p2m list], start_info, page tables,
// one page of stack, and at least 512 KiB up to the next 4 MiB. Page n of that block is pfn n. A kernel whose notes
// allow it has its initrd outside (the pfns right behind the block) and its p2m list at an address of its own choice
// (the pfns behind those).
//
// The page tables are written as plain data and then pinned: so that dom0 starts with nothing that it could not have
// made itself, and every reference is taken by the same code as any guest's.

#include "hypervisor/domain/dom0_builder.hpp"

#include "hypervisor/abi/start_info.hpp"
#include "hypervisor/abi/x86_64/layout.hpp"
#include "hypervisor/abi/x86_64/pte.hpp"
#include "hypervisor/boot/bzimage.hpp"
#include "hypervisor/boot/elf.hpp"
#include "hypervisor/boot/gzip.hpp"
#include "hypervisor/boot/xz.hpp"
#include "hypervisor/core/log.hpp"
#include "hypervisor/domain/hypercall_page.hpp"
#include "hypervisor/domain/lifecycle.hpp"
#include "hypervisor/domain/vcpu_context.hpp"
#include "hypervisor/mm/heap.hpp"
#include "hypervisor/mm/page_type.hpp"
#include "hypervisor/mm/roots.hpp"
#include "hypervisor/sched/sched.hpp"

#include <bit>
#include <string.h>

namespace xylem {
namespace {

namespace pte = abi::pte;

constexpr u64 table_flags = pte::present | pte::writable | pte::user | pte::accessed | pte::dirty;
constexpr u64 page_flags = pte::present | pte::writable | pte::user | pte::accessed | pte::dirty | pte::guest_kernel;
constexpr u64 l1_span = u64{1} << abi::l2_shift, l2_span = u64{1} << abi::l3_shift, l3_span = u64{1} << abi::l4_shift;

/// Memory of ours that is given back at the end of a scope.
class Scratch {
public:
    explicit Scratch(u64 bytes) : memory_(static_cast<u8*>(mm::allocate_bytes(bytes))) {}
    ~Scratch() { mm::free_bytes(memory_); }
    Scratch(const Scratch&) = delete;
    Scratch& operator=(const Scratch&) = delete;
    u8* get() const { return memory_; }

private:
    u8* memory_;
};

bool refuse(const char* why)
{
    log(LogLevel::error, "cannot start dom0: {}", why);
    return false;
}

/// Tables of which each covers `span` bytes, for the addresses [start, end).
u64 tables_covering(u64 start, u64 end, u64 span)
{
    return (end - 1) / span - start / span + 1;
}

struct Layout {
    u64 base = 0;        ///< the virtual address of pfn 0
    u64 image_pages = 0; ///< from pfn 0 to the image's end
    u64 initrd_pages = 0, p2m_pages = 0;
    bool initrd_outside = false, p2m_outside = false;
    u64 initrd_pfn = 0, p2m_pfn = 0, start_info_pfn = 0, tables_pfn = 0, stack_pfn = 0;
    u64 table_pages = 0;
    u64 block_pages = 0; ///< of the mapped block
    u64 p2m_address = 0, p2m_table_pages = 0;
    u64 total_needed = 0;

    u64 address(u64 pfn) const { return base + (pfn << page_shift); }
};

Layout lay_out(const boot::ElfKernel& elf, const Dom0Request& request)
{
    Layout l;
    const boot::XenNotes& notes = elf.notes();
    l.base = elf.virtual_base();
    l.image_pages = pages_for(elf.physical_end() - notes.paddr_offset.or_else(0));
    l.initrd_pages = pages_for(request.initrd.size());
    l.p2m_pages = pages_for(request.pages * sizeof(u64));
    l.initrd_outside = notes.mod_start_pfn;
    l.p2m_outside = notes.init_p2m.given;

    u64 pfn = l.image_pages;
    if (!l.initrd_outside) {
        l.initrd_pfn = pfn;
        pfn += l.initrd_pages;
    }
    if (!l.p2m_outside) {
        l.p2m_pfn = pfn;
        l.p2m_address = l.address(pfn);
        pfn += l.p2m_pages;
    }
    l.start_info_pfn = pfn++;
    l.tables_pfn = pfn;
    // The tables map themselves: their number depends on where the block ends, and that on their number.
    for (l.table_pages = 4;; ++l.table_pages) {
        l.stack_pfn = l.tables_pfn + l.table_pages;
        constexpr u64 slack = 512 << 10, alignment = 4 << 20;
        const u64 end = (l.address(l.stack_pfn + 1) + slack + alignment - 1) & ~(alignment - 1);
        l.block_pages = (end - l.base) >> page_shift;
        const u64 needed = 1 + tables_covering(l.base, end, l3_span) + tables_covering(l.base, end, l2_span) +
                           tables_covering(l.base, end, l1_span);
        if (needed <= l.table_pages)
            break;
    }
    l.total_needed = l.block_pages;
    if (l.initrd_outside && l.initrd_pages) {
        l.initrd_pfn = l.total_needed;
        l.total_needed += l.initrd_pages;
    }
    if (l.p2m_outside) {
        l.p2m_address = notes.init_p2m.value;
        l.p2m_pfn = l.total_needed;
        const u64 end = l.p2m_address + (l.p2m_pages << page_shift);
        l.p2m_table_pages = tables_covering(l.p2m_address, end, l3_span) +
                            tables_covering(l.p2m_address, end, l2_span) + tables_covering(l.p2m_address, end, l1_span);
        l.total_needed += l.p2m_pages + l.p2m_table_pages;
    }
    return l;
}

bool check(const boot::ElfKernel& elf, const Layout& l, const Dom0Request& request)
{
    if (!elf.notes().any)
        return refuse("the kernel has no Xen notes: it was not built to run as a paravirtual guest");
    if (!elf.notes().may_be_dom0())
        return refuse("the kernel's notes say that it cannot be a control domain");
    const u64 end = l.address(l.block_pages);
    if (!abi::is_canonical(l.base) || end < l.base ||
        (end > abi::hypervisor_virt_start && l.base < abi::hypervisor_virt_end))
        return refuse("the kernel wants addresses that are the hypervisor's");
    if (l.total_needed > request.pages) {
        log(LogLevel::error, "cannot start dom0: it needs {} MiB for kernel, initrd and tables; dom0_mem gives {} MiB",
            l.total_needed >> 8, request.pages >> 8);
        return false;
    }
    return true;
}

/// The new domain and its frames by pfn.
struct Build {
    Domain& domain;
    const Layout& layout;
    u64* p2m; ///< mfn by pfn, in memory of ours until it is copied to the domain

    template <typename T = u8> T* page(u64 pfn) const { return machine::map<T>(Mfn(p2m[pfn])); }
    void copy(u64 pfn, std::span<const u8> from) const
    {
        for (u64 done = 0; done < from.size(); done += page_size)
            memcpy(page(pfn + (done >> page_shift)), from.data() + done,
                   from.size() - done < page_size ? from.size() - done : page_size);
    }
};

bool allocate_memory(const Build& build, u64 pages)
{
    mm::Owner& owner = build.domain.memory;
    unsigned order = 10;
    for (u64 pfn = 0; pfn < pages;) {
        while ((u64{1} << order) > pages - pfn)
            --order;
        Result<Mfn> run = mm::assign_new_frames(owner, order);
        if (!run.ok()) {
            if (order-- == 0)
                return refuse("there is too little memory: ask for less by dom0_mem");
            continue;
        }
        for (u64 i = 0; i < u64{1} << order; ++i) {
            build.p2m[pfn + i] = run.value().value + i;
            mm::m2p[run.value().value + i] = pfn + i;
        }
        pfn += u64{1} << order;
    }
    return true;
}

/// Takes table pages one after the other from a run of pfns, and maps addresses through them.
class TableWriter {
public:
    TableWriter(const Build& build, u64 root_pfn, u64 next_pfn) : build_(build), root_(root_pfn), next_(next_pfn) {}

    void map(u64 address, u64 pfn, u64 flags)
    {
        u64* table = build_.page<u64>(root_);
        for (unsigned level = 4; level > 1; --level) {
            u64& entry = table[abi::page_table_index(address, level)];
            if (!(entry & pte::present))
                entry = build_.p2m[next_++] << page_shift | table_flags;
            table = machine::map<u64>(MachineAddress(entry & pte::frame_mask));
        }
        table[abi::page_table_index(address, 1)] = build_.p2m[pfn] << page_shift | flags;
    }
    u64 next() const { return next_; }

private:
    const Build& build_;
    u64 root_, next_;
};

void write_tables(const Build& build)
{
    const Layout& l = build.layout;
    TableWriter block(build, l.tables_pfn, l.tables_pfn + 1);
    for (u64 pfn = 0; pfn < l.block_pages; ++pfn) {
        const bool is_table = pfn >= l.tables_pfn && pfn < l.tables_pfn + l.table_pages;
        block.map(l.address(pfn), pfn, is_table ? page_flags & ~pte::writable : page_flags);
    }
    if (!l.p2m_outside)
        return;
    TableWriter list(build, l.tables_pfn, l.p2m_pfn + l.p2m_pages);
    for (u64 i = 0; i < l.p2m_pages; ++i)
        list.map(l.p2m_address + (i << page_shift), l.p2m_pfn + i, page_flags);
}

void write_image(const Build& build, const boot::ElfKernel& elf)
{
    const u64 offset = elf.notes().paddr_offset.or_else(0);
    for (const boot::ElfSegment& segment : elf.segments()) {
        // Fresh frames are zero: only the file's bytes need to be put.
        u64 at = segment.physical_address - offset;
        std::span<const u8> rest = segment.file;
        while (!rest.empty()) {
            const u64 in_page = at & ~page_mask;
            const u64 length = rest.size() < page_size - in_page ? rest.size() : page_size - in_page;
            memcpy(build.page(at >> page_shift) + in_page, rest.data(), length);
            rest = rest.subspan(length);
            at += length;
        }
    }
}

void write_start_info(const Build& build, const Dom0Request& request)
{
    const Layout& l = build.layout;
    auto* info = build.page<abi::StartInfo>(l.start_info_pfn);
    memcpy(info->magic, "xen-3.0-x86_64", sizeof "xen-3.0-x86_64");
    info->nr_pages = request.pages;
    info->shared_info = address_of(build.domain.shared_info_mfn).value;
    info->flags = abi::sif_privileged | abi::sif_initdomain;
    info->pt_base = l.address(l.tables_pfn);
    info->nr_pt_frames = l.table_pages;
    info->mfn_list = l.p2m_address;
    info->first_p2m_pfn = l.p2m_pfn;
    info->nr_p2m_frames = l.p2m_outside ? l.p2m_pages + l.p2m_table_pages : 0;
    if (!l.p2m_outside)
        info->first_p2m_pfn = 0;
    if (!request.initrd.empty()) {
        info->mod_start = l.initrd_outside ? l.initrd_pfn : l.address(l.initrd_pfn);
        info->mod_len = request.initrd.size();
        if (l.initrd_outside)
            info->flags |= abi::sif_mod_start_pfn;
    }
    const size_t length = strlen(request.command_line);
    const size_t room = sizeof info->cmd_line - 1;
    memcpy(info->cmd_line, request.command_line, length < room ? length : room);
    if (request.has_vga_text) {
        auto* vga = reinterpret_cast<abi::Dom0VgaConsoleInfo*>(info + 1);
        vga->video_type = abi::VgaType::text_mode_3;
        vga->u.text_mode_3 = {16, request.cursor_x, request.cursor_y, 25, 80};
        info->console.dom0.info_off = sizeof *info;
        info->console.dom0.info_size = sizeof *vga;
    }
}

/// Pins the tables and gives the first vCPU its state.
Result<void> start_vcpu(const Build& build, const boot::ElfKernel& elf)
{
    const Layout& l = build.layout;
    const Mfn root(build.p2m[l.tables_pfn]);
    TRY(mm::pin(build.domain.memory, root, mm::PageType::l4));
    auto* context = mm::make<abi::VcpuGuestContext>();
    if (!context)
        return Error::NoMemory;
    context->flags = abi::vgcf_in_kernel | abi::vgcf_online;
    context->user_regs.rip = elf.entry();
    context->user_regs.rsp = l.address(l.stack_pfn + 1);
    context->user_regs.rsi = l.address(l.start_info_pfn);
    context->user_regs.rflags = 0x200;
    context->user_regs.cs = abi::flat_ring3_cs64;
    context->user_regs.ss = abi::flat_ring3_ss64;
    context->kernel_ss = context->user_regs.ss;
    context->kernel_sp = context->user_regs.rsp;
    context->ctrlreg[3] = address_of(root).value;
    const Result<void> result = set_vcpu_context(*build.domain.vcpus[0], *context);
    mm::destroy(context);
    if (result.ok())
        sched::set_down(build.domain.vcpus[0]->unit, false);
    return result;
}

/// Fills the hypercall page where the kernel has one.
bool write_hypercall_stubs(const Build& build, const boot::ElfKernel& elf)
{
    if (!elf.notes().hypercall_page.given)
        return true;
    const u64 offset = elf.notes().hypercall_page.value - build.layout.base;
    if (offset >> page_shift >= build.layout.block_pages)
        return refuse("the kernel's hypercall page lies outside its image");
    fill_hypercall_page(build.page(offset >> page_shift));
    return true;
}

Domain* build_from_elf(const boot::ElfKernel& elf, const Dom0Request& request)
{
    const Layout layout = lay_out(elf, request);
    if (!check(elf, layout, request))
        return nullptr;
    Scratch list(request.pages * sizeof(u64));
    DomainLimits limits;
    limits.vcpus = request.vcpus;
    limits.event_ports = ~0u;
    Result<Domain*> made = create_domain(DomId(0), Privilege::control, limits);
    if (!made.ok() || !list.get()) {
        refuse("there is too little memory");
        return nullptr;
    }
    Domain& domain = *made.value();
    domain.memory.max_pages = request.max_pages;
    for (u32 id = 0; id < request.vcpus; ++id)
        if (!create_vcpu(domain, VcpuId(id)).ok())
            return refuse("there is too little memory"), nullptr;

    const Build build{domain, layout, reinterpret_cast<u64*>(list.get())};
    if (!allocate_memory(build, request.pages))
        return nullptr;
    write_image(build, elf);
    if (!write_hypercall_stubs(build, elf))
        return nullptr;
    build.copy(layout.initrd_pfn, request.initrd);
    build.copy(layout.p2m_pfn, {list.get(), request.pages * sizeof(u64)});
    write_tables(build);
    write_start_info(build, request);
    const Result<void> started = start_vcpu(build, elf);
    if (!started.ok()) {
        log(LogLevel::error, "cannot start dom0: its first page tables are refused (error {})", started.error());
        return nullptr;
    }
    log(LogLevel::info,
        "dom0: {} MiB, {} vCPUs; kernel {:x}-{:x}, start_info {:x}, page tables {:x} ({}), p2m {:x}, end {:x}",
        request.pages >> 8, request.vcpus, layout.address(elf.physical_start() >> page_shift),
        layout.address(layout.image_pages), layout.address(layout.start_info_pfn), layout.address(layout.tables_pfn),
        layout.table_pages, layout.p2m_address, layout.address(layout.block_pages));
    return &domain;
}

/// Unpacks a bzImage's payload by the packing that it has.
boot::UnpackResult unpack(const boot::BzImagePayload& payload, std::span<u8> out, u8* workspace)
{
    if (payload.packing == boot::Packing::Gzip)
        return boot::unpack_gzip(payload.bytes, out, *reinterpret_cast<boot::GzipWorkspace*>(workspace));
    return boot::unpack_xz(payload.bytes, out, *reinterpret_cast<boot::XzWorkspace*>(workspace));
}

Domain* build_from_bzimage(const Dom0Request& request)
{
    boot::BzImagePayload payload;
    const boot::BzImageError found = boot::find_payload(request.kernel, payload);
    if (found != boot::BzImageError::None)
        return refuse(boot::describe(found)), nullptr;
    if (payload.packing != boot::Packing::Xz && payload.packing != boot::Packing::Gzip)
        return refuse("the kernel's payload is packed neither with xz nor with gzip: unpack it"), nullptr;
    constexpr u64 workspace_bytes = sizeof(boot::XzWorkspace) > sizeof(boot::GzipWorkspace)
                                        ? sizeof(boot::XzWorkspace)
                                        : sizeof(boot::GzipWorkspace);
    Scratch unpacked(payload.unpacked_size), workspace(workspace_bytes);
    if (!unpacked.get() || !workspace.get())
        return refuse("there is too little memory to unpack the kernel"), nullptr;
    const boot::UnpackResult result = unpack(payload, {unpacked.get(), payload.unpacked_size}, workspace.get());
    if (!result.ok()) {
        log(LogLevel::error, "the kernel cannot be unpacked: {}", boot::describe(result.error));
        return nullptr;
    }
    boot::ElfKernel elf;
    const boot::ElfError parsed = elf.parse({unpacked.get(), result.output_size});
    if (parsed != boot::ElfError::None)
        return refuse(boot::describe(parsed)), nullptr;
    return build_from_elf(elf, request);
}

}

Domain* build_dom0(const Dom0Request& request)
{
    if (boot::is_bzimage(request.kernel))
        return build_from_bzimage(request);
    boot::ElfKernel elf;
    const boot::ElfError parsed = elf.parse(request.kernel);
    if (parsed != boot::ElfError::None)
        return refuse(boot::describe(parsed)), nullptr;
    return build_from_elf(elf, request);
}

}
