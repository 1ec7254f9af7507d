// What a processor needs before it can run guests: its block, descriptor tables, system call entry, control registers.

#include "hypervisor/arch/x86_64/processor.hpp"

#include "hypervisor/abi/x86_64/pte.hpp"
#include "hypervisor/arch/x86_64/command_line.hpp"
#include "hypervisor/arch/x86_64/gate.hpp"
#include "hypervisor/arch/x86_64/machine.hpp"
#include "hypervisor/arch/x86_64/paging.hpp"
#include "hypervisor/arch/x86_64/refusal.hpp"
#include "hypervisor/arch/x86_64/smap_test.hpp"
#include "hypervisor/core/machine.hpp"
#include "hypervisor/mm/heap.hpp"
#include "hypervisor/mm/roots.hpp"

#include <string.h>

extern "C" {
extern const xylem::u64 trap_entry[256];
void syscall_entry();
void syscall32_entry();
void sysenter_entry();

struct SmapWindow {
    xylem::u64 place, instruction;
};
extern const SmapWindow smap_windows_start[], smap_windows_end[];
}

namespace xylem::arch {
namespace {

// The block of the boot stack (boot.S) has room for these.
static_assert(sizeof(Cpu) + sizeof(GuestRegs) <= 1024);

struct [[gnu::packed]] Tss {
    u32 reserved0;
    u64 rsp0, rsp1, rsp2;
    u64 reserved1;
    u64 ist[7];
    u64 reserved2;
    u16 reserved3;
    u16 io_bitmap; // beyond the limit: no port is open to ring 3
};
static_assert(sizeof(Tss) == 104);

/// Descriptors and TSS of one processor, in a page: the descriptors are what page 14 of a guest's table holds, and the
/// TSS's, which LTR needs once.
struct DescriptorPage {
    u64 gdt[32];
    alignas(64) Tss tss;
};
static_assert(sizeof(DescriptorPage) <= page_size);

constexpr unsigned ist_nmi = 1, ist_fatal = 2, ist_machine_check = 3;
constexpr u64 gdt_limit = SELECTOR_CODE / page_size * page_size + page_size - 1;
constexpr u64 reserved_page = SELECTOR_CODE / page_size * page_size;

Gate idt[256];
DescriptorPage* descriptors[max_cpus];
Mfn shared_gdt{};
u64 xcr0_mask = 0;
u64 cr4_value = 0;
bool smap = false;

constexpr u32 msr_efer = 0xc0000080, msr_star = 0xc0000081, msr_lstar = 0xc0000082, msr_cstar = 0xc0000083,
              msr_fmask = 0xc0000084, msr_sysenter_cs = 0x174, msr_sysenter_esp = 0x175, msr_sysenter_eip = 0x176,
              msr_pat = 0x277;
constexpr u64 efer_sce = 1, efer_nxe = 1 << 11;
constexpr u64 cr0_value = 0x80050033; // PG, AM, WP, NE, ET, MP, PE
// 0 WB, 1 WT, 2 UC-, 3 UC, 4 WC, 5 WP: what guests of this ABI take for granted.
constexpr u64 pat_value = 0x050100070406;
// TF, IF, DF, IOPL, NT, RF, AC are clear on the way in.
constexpr u64 syscall_clears = 0x57700;

u64 block_of(CpuId id)
{
    return LAYOUT_CPU_BLOCKS + id.value * u64{CPU_BLOCK_STRIDE};
}

void fill_gdt(u64* gdt)
{
    const auto entry = [&](u16 selector) -> u64& { return gdt[(selector - reserved_page) / 8]; };
    // All with the accessed bit set, so that the processor never writes here.
    entry(SELECTOR_CODE) = 0x00af9b000000ffff;
    entry(SELECTOR_DATA) = 0x00cf93000000ffff;
    entry(SELECTOR_GUEST_CODE32 & ~7) = 0x00cffb000000ffff;
    entry(SELECTOR_GUEST_DATA & ~7) = 0x00cff3000000ffff;
    entry(SELECTOR_GUEST_CODE64 & ~7) = 0x00affb000000ffff;
}

void describe_tss(u64* gdt, const Tss& tss)
{
    const u64 base = reinterpret_cast<u64>(&tss);
    u64* entry = &gdt[(SELECTOR_TSS - reserved_page) / 8];
    entry[0] = (sizeof(Tss) - 1) | (base & 0xffffff) << 16 | u64{0x89} << 40 | (base >> 24 & 0xff) << 56;
    entry[1] = base >> 32;
}

void make_descriptors(CpuId id)
{
    auto* page = mm::make<DescriptorPage>();
    XYLEM_ASSERT(page, "no memory for the descriptors of processor {}", id);
    const u64 block = block_of(id);
    fill_gdt(page->gdt);
    describe_tss(page->gdt, page->tss);
    page->tss.rsp0 = reinterpret_cast<u64>(&cpu_data(id));
    page->tss.ist[ist_nmi - 1] = block + page_size;
    page->tss.ist[ist_fatal - 1] = block + 2 * page_size;
    page->tss.ist[ist_machine_check - 1] = block + 3 * page_size;
    page->tss.io_bitmap = sizeof(Tss);
    descriptors[id.value] = page;
}

/// The stub where SYSCALL arrives: saves the guest's stack pointer to Cpu::scratch_rsp, takes &Cpu as ours, and goes on
/// at `entry`.
void write_syscall_stub(u8* stub, u64 address, const Cpu* target, void (*entry)())
{
    const auto distance = [&](u64 to, unsigned end) {
        const i32 value = static_cast<i32>(to - (address + end));
        memcpy(stub + end - 4, &value, 4);
    };
    constexpr unsigned pointer_at = 24;
    const u8 code[] = {0x48, 0x89, 0x25, 0, 0, 0, 0,     // mov %rsp, scratch_rsp(%rip)
                       0x48, 0x8d, 0x25, 0, 0, 0, 0,     // lea cpu(%rip), %rsp
                       0xff, 0x25, 0,    0, 0, 0, 0xcc}; // jmp *pointer(%rip)
    memcpy(stub, code, sizeof code);
    distance(reinterpret_cast<u64>(&target->scratch_rsp), 7);
    distance(reinterpret_cast<u64>(target), 14);
    distance(address + pointer_at, 20);
    const u64 to = reinterpret_cast<u64>(entry);
    memcpy(stub + pointer_at, &to, sizeof to);
}

constexpr unsigned stub_spacing = 64;

/// Exceptions that may come at a moment when RSP is not ours, or our stack is the trouble. #DB is such a one because
/// MOV SS can hold it back until the SYSCALL stub's first instruction; it shares a stack with #DF, which nothing
/// returns from.
unsigned stack_for(unsigned vector)
{
    switch (vector) {
    case vector_nmi:
        return ist_nmi;
    case vector_debug:
    case vector_double_fault:
        return ist_fatal;
    case vector_machine_check:
        return ist_machine_check;
    }
    return 0;
}

void fill_idt()
{
    for (unsigned vector = 0; vector < 256; ++vector) {
        const bool open_to_guests = vector == 3 || vector == 4 || vector == vector_int80;
        idt[vector] = interrupt_gate(trap_entry[vector], stack_for(vector),
                                     open_to_guests ? RaisedBy::guest_too : RaisedBy::processor);
    }
}

void load_descriptor_tables(CpuId id)
{
    load_boot_gdt();
    asm volatile("push %0\n"
                 "lea 1f(%%rip), %%rax\n"
                 "push %%rax\n"
                 "lretq\n"
                 "1: mov %w1, %%ss\n" ::"i"(SELECTOR_CODE),
                 "r"(SELECTOR_DATA)
                 : "rax", "memory");
    asm volatile("mov %w0, %%ds\n mov %w0, %%es\n mov %w0, %%fs\n mov %w0, %%gs\n" ::"r"(0));
    describe_tss(descriptors[id.value]->gdt, descriptors[id.value]->tss);
    asm volatile("ltr %w0" ::"r"(SELECTOR_TSS));
    asm volatile("lldt %w0" ::"r"(0));
    const TablePointer pointer{sizeof idt - 1, reinterpret_cast<u64>(idt)};
    asm volatile("lidt %0" ::"m"(pointer));
}

/// Intel's processors and their kin have SYSENTER in long mode. AMD's have not: it is to fail there, even on a machine
/// (QEMU's) that would let it in.
bool has_sysenter()
{
    constexpr u32 intel = 0x756e6547, centaur = 0x746e6543, shanghai = 0x68532020; // of the name in leaf 0: EBX
    const u32 vendor = cpuid(0).b;
    return vendor == intel || vendor == centaur || vendor == shanghai;
}

void set_system_call_registers(CpuId id)
{
    const u64 stub = block_of(id) + CPU_BLOCK_STUB;
    write_msr(msr_star, u64{SELECTOR_GUEST_CODE32} << 48 | u64{SELECTOR_CODE} << 32);
    write_msr(msr_lstar, stub);
    write_msr(msr_cstar, stub + stub_spacing);
    write_msr(msr_fmask, syscall_clears);
    write_msr(msr_sysenter_cs, has_sysenter() ? SELECTOR_CODE : 0);
    write_msr(msr_sysenter_esp, reinterpret_cast<u64>(&cpu_data(id)));
    write_msr(msr_sysenter_eip, reinterpret_cast<u64>(sysenter_entry));
    write_msr(msr_efer, read_msr(msr_efer) | efer_sce | efer_nxe);
}

void set_control_registers()
{
    asm volatile("mov %0, %%cr0" ::"r"(cr0_value));
    write_cr4(cr4_value);
    write_msr(msr_pat, pat_value);
    if (xcr0_mask)
        asm volatile("xsetbv" ::"c"(0), "a"(static_cast<u32>(xcr0_mask)), "d"(static_cast<u32>(xcr0_mask >> 32)));
}

}

void load_boot_gdt()
{
    // The table has one page only, where a guest's has its fifteenth: the base lies as much lower.
    const TablePointer pointer{static_cast<u16>(gdt_limit),
                               reinterpret_cast<u64>(descriptors[cpu().index]->gdt) - reserved_page};
    asm volatile("lgdt %0" ::"m"(pointer));
}

Mfn shared_gdt_frame()
{
    return shared_gdt;
}
u64 xsave_mask()
{
    return xcr0_mask;
}
u64 host_cr4()
{
    return cr4_value;
}

void choose_features()
{
    const CpuidResult basic = cpuid(1);
    const CpuidResult extended = cpuid(0).a >= 7 ? cpuid(7) : CpuidResult{};
    cr4_value = cr4::pae | cr4::mce | cr4::osfxsr | cr4::osxmmexcpt;
    if (basic.c & 1 << 26) {
        constexpr u64 x87_sse_avx_avx512 = 0xe7;
        const CpuidResult components = cpuid(0xd);
        xcr0_mask = (u64{components.d} << 32 | components.a) & x87_sse_avx_avx512;
        cr4_value |= cr4::osxsave;
    }
    if (options.smep && extended.b & 1 << 7)
        cr4_value |= cr4::smep;
    smap = options.smap && extended.b & 1 << 20;
    shared_gdt = mm::allocate_frame().take();
    fill_gdt(machine::map<u64>(shared_gdt));
    fill_idt();
}

void choose_smap()
{
    if (!smap)
        return;
    if (smap_breaks_user_iret()) {
        smap = false;
        return log(LogLevel::warning, "SMAP is left off: this processor applies it to a user program's own IRET");
    }
    cr4_value |= cr4::smap;
    open_smap_windows();
    write_cr4(cr4_value);
}

void open_smap_windows()
{
    // The image's text is mapped read-only; without write protection ring 0 may write it all the same.
    constexpr u64 write_protect = 1 << 16;
    asm volatile("mov %0, %%cr0" ::"r"(cr0_value & ~write_protect) : "memory");
    for (const SmapWindow* window = smap_windows_start; window < smap_windows_end; ++window)
        memcpy(reinterpret_cast<void*>(window->place), &window->instruction, 3);
    asm volatile("mov %0, %%cr0" ::"r"(cr0_value) : "memory");
}

void create_cpu_block(CpuId id, u32 apic_id)
{
    namespace pte = abi::pte;
    constexpr unsigned pages = CPU_BLOCK_SIZE / page_size, stub_page = CPU_BLOCK_STUB / page_size;
    Mfn stub{};
    for (unsigned page = 0; page < pages; ++page) {
        Result<Mfn> frame = mm::allocate_frame();
        XYLEM_ASSERT(frame.ok(), "no memory for the block of processor {}", id);
        if (page == stub_page)
            stub = frame.value();
        map_page(block_of(id) + page * page_size, frame.value(),
                 page == stub_page ? 0 : pte::writable | pte::no_execute);
    }
    Cpu* c = new (&cpu_data(id)) Cpu;
    c->index = id.value;
    c->apic_id = apic_id;
    const u64 address = block_of(id) + CPU_BLOCK_STUB;
    u8* code = machine::map(stub);
    write_syscall_stub(code, address, c, syscall_entry);
    write_syscall_stub(code + stub_spacing, address + stub_spacing, c, syscall32_entry);
    make_descriptors(id);
}

void initialise_processor(CpuId id)
{
    load_descriptor_tables(id);
    set_control_registers();
    set_system_call_registers(id);
    machine::load_root(template_root());
}

void switch_to_block_stack(CpuId id, void (*function)())
{
    // Below struct Cpu lies the place of a guest's registers; the stack begins under it, aligned as for a call.
    const u64 top = (reinterpret_cast<u64>(&cpu_data(id)) - sizeof(GuestRegs)) & ~u64{15};
    asm volatile("mov %0, %%rsp\n"
                 "xor %%ebp, %%ebp\n"
                 "call *%1\n"
                 "ud2\n" ::"r"(top),
                 "r"(function)
                 : "memory");
    __builtin_unreachable();
}

}
