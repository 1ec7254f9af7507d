// What a guest's kernel executes as if it were in ring 0, done for it: privileged instructions (they arrive as #GP),
// the forced-emulation CPUID (#UD), writes to read-only page tables (#PF). (docs/pv-abi.md 2.8, 2.10, 1.8, 1.13)
//
// The bytes of the instruction are copied once and decoded from the copy. What is not recognised, or not allowed, is
// the guest's own fault and is delivered to it unchanged.

#include "hypervisor/abi/cpuid.hpp"
#include "hypervisor/abi/x86_64/layout.hpp"
#include "hypervisor/arch/x86_64/decode.hpp"
#include "hypervisor/arch/x86_64/emulate_write.hpp"
#include "hypervisor/arch/x86_64/entry.hpp"
#include "hypervisor/arch/x86_64/guest_io.hpp"
#include "hypervisor/arch/x86_64/guest_msr.hpp"
#include "hypervisor/arch/x86_64/machine.hpp"
#include "hypervisor/arch/x86_64/processor.hpp"
#include "hypervisor/core/guest_ptr.hpp"
#include "hypervisor/domain/policies.hpp"
#include "hypervisor/domain/vcpu_context.hpp"
#include "hypervisor/domain/vcpu_machine.hpp"
#include "hypervisor/hypercall/paging_common.hpp"
#include "hypervisor/mm/entry_rules.hpp"
#include "hypervisor/mm/page_type.hpp"
#include "hypervisor/mm/update.hpp"
#include "hypervisor/sched/sched.hpp"

#include <string.h>

namespace xylem::arch {

void set_guest_xcr0(Vcpu& vcpu, u64 value);

namespace {

using x86::Instruction;
using x86::Operation;

constexpr u64 cr0_visible = 0x80050033, cr0_ts = 8;
constexpr u64 rflags_direction = 0x400;

x86::CodeSegment code_segment(const GuestRegs& regs)
{
    // LAR's bit 21 is the L bit of the segment that the guest runs in.
    u32 access = 0;
    asm volatile("lar %1, %0" : "+r"(access) : "r"(static_cast<u32>(regs.cs & 0xffff)) : "cc");
    return access & (1u << 21) ? x86::CodeSegment::Long : x86::CodeSegment::Compat32;
}

bool decode_at_rip(const GuestRegs& regs, Instruction& instruction)
{
    u8 bytes[max_fetch];
    const unsigned length = fetch_instruction(regs, bytes);
    return length && x86::decode({bytes, length}, code_segment(regs), instruction) == x86::DecodeStatus::Decoded;
}

x86::SegmentBases segment_bases()
{
    return {read_msr(msr_fs_base), read_msr(msr_gs_base)};
}

void put_cpuid(GuestRegs& regs, const Vcpu& vcpu, bool forced)
{
    const xylem::CpuidResult result = vcpu_cpuid(vcpu, forced, static_cast<u32>(regs.rax), static_cast<u32>(regs.rcx));
    regs.rax = result.a;
    regs.rbx = result.b;
    regs.rcx = result.c;
    regs.rdx = result.d;
}

u16 port_of(const GuestRegs& regs, const Instruction& i)
{
    const bool named = i.source == x86::Source::Immediate;
    return static_cast<u16>(named ? i.immediate : regs.rdx);
}

/// IN and OUT with an immediate port or DX.
bool port_access(Vcpu& vcpu, GuestRegs& regs, const Instruction& i)
{
    const u16 port = port_of(regs, i);
    if (!io_allowed(vcpu, port, i.operand_size))
        return false;
    if (i.operation == Operation::In)
        x86::write_register(regs, x86::reg_rax, i.operand_size, guest_in(vcpu, port, i.operand_size));
    else
        guest_out(vcpu, port, i.operand_size, static_cast<u32>(regs.rax));
    return true;
}

u64 truncate(u64 value, unsigned bytes)
{
    return bytes == 4 ? static_cast<u32>(value) : value;
}

/// One iteration of INS or OUTS. @return false: the guest's memory faulted, or the port is not allowed
bool string_step(Vcpu& vcpu, GuestRegs& regs, const Instruction& i)
{
    const u16 port = static_cast<u16>(regs.rdx);
    const bool input = i.operation == Operation::Ins;
    u64& pointer = input ? regs.rdi : regs.rsi;
    u64 address = truncate(pointer, i.address_size);
    if (!input && i.source_segment == x86::Segment::Fs)
        address += read_msr(msr_fs_base);
    if (!input && i.source_segment == x86::Segment::Gs)
        address += read_msr(msr_gs_base);
    if (!io_allowed(vcpu, port, i.operand_size) || !guest_range_ok(address, i.operand_size))
        return false;
    u32 value = 0;
    if (input) {
        value = guest_in(vcpu, port, i.operand_size);
        if (machine::copy_to_guest(address, &value, i.operand_size) != 0)
            return false;
    } else {
        if (machine::copy_from_guest(&value, address, i.operand_size) != 0)
            return false;
        guest_out(vcpu, port, i.operand_size, value);
    }
    const u64 step = regs.rflags & rflags_direction ? -u64{i.operand_size} : u64{i.operand_size};
    pointer = truncate(pointer + step, i.address_size);
    return true;
}

/// The guest's breakpoints on I/O ports that the instruction, which has run, was one for.
u64 port_breakpoints(const Vcpu& vcpu, const GuestRegs& regs, const Instruction& i)
{
    switch (i.operation) {
    case Operation::In:
    case Operation::Out:
    case Operation::Ins:
    case Operation::Outs:
        return port_breakpoints_hit(vcpu, port_of(regs, i), i.operand_size);
    default:
        return 0;
    }
}

/// INS and OUTS, with or without REP: some iterations at a time; the rest runs when the guest executes it again.
enum class StringResult : u8 { refused, done, again };
StringResult string_access(Vcpu& vcpu, GuestRegs& regs, const Instruction& i)
{
    const unsigned batch = port_breakpoints(vcpu, regs, i) ? 1 : 64; // a breakpoint traps after each
    if (i.repeat == x86::Repeat::None)
        return string_step(vcpu, regs, i) ? StringResult::done : StringResult::refused;
    for (unsigned n = 0; n < batch; ++n) {
        if (truncate(regs.rcx, i.address_size) == 0)
            return StringResult::done;
        if (!string_step(vcpu, regs, i))
            return StringResult::refused;
        regs.rcx = truncate(regs.rcx - 1, i.address_size);
    }
    return truncate(regs.rcx, i.address_size) == 0 ? StringResult::done : StringResult::again;
}

bool read_control_register(Vcpu& vcpu, GuestRegs& regs, const Instruction& i)
{
    u64 value;
    switch (i.system_register) {
    case 0:
        value = (cr0_visible & ~cr0_ts) | (vcpu.ts_virtual ? cr0_ts : 0);
        break;
    case 2:
        value = vcpu.cr2;
        break;
    case 3:
        value = vcpu.kernel_root;
        break;
    case 4:
        value = (host_cr4() & (cr4::pae | cr4::mce | cr4::osfxsr | cr4::osxmmexcpt)) | vcpu.cr4;
        break;
    default:
        return false;
    }
    x86::write_register(regs, i.reg, 8, value);
    return true;
}

/// As NEW_BASEPTR. @return Preempted  the guest is to execute the instruction again
Result<void> write_root(Vcpu& vcpu, u64 value)
{
    TRY(mm::finish_pending(vcpu.domain->memory));
    return hypercall::new_kernel_root(vcpu, mfn_of(MachineAddress(value)));
}

bool write_control_register(Vcpu& vcpu, const GuestRegs& regs, const Instruction& i, bool& advance)
{
    const u64 value = x86::read_register(regs, i.reg, 8);
    switch (i.system_register) {
    case 0:
        if ((value ^ cr0_visible) & ~cr0_ts)
            return false;
        machine::set_task_switched(vcpu, value & cr0_ts);
        return true;
    case 2:
        vcpu.cr2 = vcpu.info->arch.cr2 = value;
        return true;
    case 3:
        if (const Result<void> written = write_root(vcpu, value); !written.ok()) {
            advance = false;
            return written == Error::Preempted;
        }
        return true;
    case 4:
        vcpu.cr4 = value & guest_cr4_bits(*vcpu.domain);
        set_guest_cr4(vcpu);
        return true;
    default:
        return false;
    }
}

/// A debug register that is not there is an invalid opcode, as on a processor.
bool no_debug_register(Vcpu& vcpu, GuestRegs& regs, Error error, bool& advance)
{
    if (error != Error::NoDevice)
        return false;
    deliver(vcpu, regs, vector_invalid_opcode);
    advance = false;
    return true;
}

bool read_debug_register(Vcpu& vcpu, GuestRegs& regs, const Instruction& i, bool& advance)
{
    const Result<u64> value = get_debug_register(vcpu, i.system_register);
    if (!value.ok())
        return no_debug_register(vcpu, regs, value.error(), advance);
    x86::write_register(regs, i.reg, 8, value.value());
    return true;
}

bool write_debug_register(Vcpu& vcpu, GuestRegs& regs, const Instruction& i, bool& advance)
{
    const Result<void> written = set_debug_register(vcpu, i.system_register, x86::read_register(regs, i.reg, 8));
    if (!written.ok())
        return no_debug_register(vcpu, regs, written.error(), advance);
    machine::load_debug_registers(vcpu);
    return true;
}

bool xsetbv(Vcpu& vcpu, const GuestRegs& regs)
{
    const u64 value = regs.rdx << 32 | static_cast<u32>(regs.rax);
    if (static_cast<u32>(regs.rcx) != 0 || !is_consistent_xcr0(value) || (value & ~guest_xcr0_mask(*vcpu.domain)))
        return false;
    set_guest_xcr0(vcpu, value);
    return true;
}

void put_tsc(GuestRegs& regs)
{
    const u64 tsc = machine::tsc();
    regs.rax = static_cast<u32>(tsc);
    regs.rdx = tsc >> 32;
}

/// Instructions of the guest kernel's alone.
bool kernel_instruction(Vcpu& vcpu, GuestRegs& regs, const Instruction& i, bool& advance)
{
    switch (i.operation) {
    case Operation::Clts:
        machine::set_task_switched(vcpu, false);
        return true;
    case Operation::Wbinvd:
    case Operation::Wbnoinvd:
        if (vcpu.domain->memory.cache_control)
            asm volatile("wbinvd" ::: "memory");
        return true;
    case Operation::MovFromCr:
        return read_control_register(vcpu, regs, i);
    case Operation::MovToCr:
        return write_control_register(vcpu, regs, i, advance);
    case Operation::MovFromDr:
        return read_debug_register(vcpu, regs, i, advance);
    case Operation::MovToDr:
        return write_debug_register(vcpu, regs, i, advance);
    case Operation::Rdmsr:
        return read_guest_msr(vcpu, regs);
    case Operation::Wrmsr:
        return write_guest_msr(vcpu, regs);
    case Operation::Xsetbv:
        return xsetbv(vcpu, regs);
    default:
        return false;
    }
}

bool user_tsc_allowed(const Vcpu& vcpu)
{
    return vcpu.kernel_mode || !(vcpu.cr4 & cr4::tsd);
}

/// @return false: the guest gets its #GP. `advance`: whether RIP moves past the instruction.
bool execute(Vcpu& vcpu, GuestRegs& regs, const Instruction& i, bool& advance)
{
    advance = true;
    switch (i.operation) {
    case Operation::In:
    case Operation::Out:
        return port_access(vcpu, regs, i);
    case Operation::Ins:
    case Operation::Outs: {
        const StringResult result = string_access(vcpu, regs, i);
        advance = result == StringResult::done;
        return result != StringResult::refused;
    }
    case Operation::Cli:
    case Operation::Sti:
        return iopl_permits(vcpu); // skipped: the mask is elsewhere
    case Operation::Rdtsc:
    case Operation::Rdtscp:
        if (!user_tsc_allowed(vcpu))
            return false;
        put_tsc(regs);
        if (i.operation == Operation::Rdtscp)
            regs.rcx = vcpu.msrs.tsc_aux;
        return true;
    case Operation::Cpuid:
        put_cpuid(regs, vcpu, false);
        return true;
    default:
        return vcpu.kernel_mode && kernel_instruction(vcpu, regs, i, advance);
    }
}

/// Stores `effect` where `address` points, if the 8-byte entry there is still `entry`.
Result<void> store(Vcpu& vcpu, Mfn table, u64 address, u64 entry, u64 value, unsigned bytes)
{
    u64 merged = value;
    if (bytes < 8) {
        const unsigned shift = (address & 7) * 8;
        const u64 mask = ((u64{1} << (bytes * 8)) - 1) << shift;
        merged = (entry & ~mask) | (value << shift & mask);
    }
    return mm::emulate_pte_write(vcpu.domain->memory, table, static_cast<unsigned>(address & ~page_mask & ~u64{7}),
                                 entry, merged);
}

u64 extract(u64 entry, u64 address, unsigned bytes)
{
    const u64 shifted = entry >> ((address & 7) * 8);
    return bytes == 8 ? shifted : shifted & ((u64{1} << (bytes * 8)) - 1);
}

}

static void trap_debug(Vcpu& vcpu, GuestRegs& regs, u64 causes)
{
    if (causes == 0)
        return;
    vcpu.debug_registers[6] |= causes;
    deliver(vcpu, regs, vector_debug);
}

/// The guest's next instruction is the one after the emulated one; but a guest that single-steps gets its trap first.
static void end_instruction(Vcpu& vcpu, GuestRegs& regs, u64 breakpoints = 0)
{
    constexpr u64 flag_trap = 0x100, flag_resume = 0x10000, dr6_single_step = 0x4000;
    regs.rflags &= ~flag_resume;
    trap_debug(vcpu, regs, breakpoints | (regs.rflags & flag_trap ? dr6_single_step : 0));
}

bool emulate_privileged(Vcpu& vcpu, GuestRegs& regs)
{
    Instruction instruction;
    bool advance;
    if (!decode_at_rip(regs, instruction) || !execute(vcpu, regs, instruction, advance))
        return false;
    const u64 breakpoints = port_breakpoints(vcpu, regs, instruction);
    if (advance) {
        regs.rip += instruction.length;
        end_instruction(vcpu, regs, breakpoints);
    } else {
        trap_debug(vcpu, regs, breakpoints);
    }
    return true;
}

bool emulate_forced_cpuid(Vcpu& vcpu, GuestRegs& regs)
{
    u8 bytes[7];
    constexpr u8 cpuid_opcode[2] = {0x0f, 0xa2};
    if (!guest_range_ok(regs.rip, sizeof bytes) || machine::copy_from_guest(bytes, regs.rip, sizeof bytes) != 0)
        return false;
    if (memcmp(bytes, abi::emulate_prefix, 5) != 0 || memcmp(bytes + 5, cpuid_opcode, 2) != 0)
        return false;
    put_cpuid(regs, vcpu, true);
    regs.rip += sizeof bytes;
    end_instruction(vcpu, regs);
    return true;
}

bool emulate_page_table_write(Vcpu& vcpu, GuestRegs& regs, u64 address)
{
    if (!vcpu.domain->vm_assist_enabled(abi::VmassistType::writable_pagetables))
        return false;
    Result<Mfn> table =
        mm::page_table_behind(vcpu.domain->memory, MachineAddress(vcpu.kernel_root), VirtualAddress(address));
    if (!table.ok())
        return false;
    Instruction instruction;
    if (!decode_at_rip(regs, instruction) || !x86::writes_memory(instruction.operation))
        return false;
    const unsigned bytes = instruction.operand_size;
    const u64 target = x86::destination_address(instruction, regs, segment_bases());
    const bool in_page = (target & page_mask) == (address & page_mask) && (target & (bytes - 1)) == 0;
    if (bytes > 8 || !in_page)
        return false;
    u64 source = 0;
    if (instruction.operation == Operation::Movs) {
        const u64 from = x86::source_address(instruction, regs, segment_bases());
        if (!guest_range_ok(from, bytes) || machine::copy_from_guest(&source, from, bytes) != 0)
            return false;
    }
    const u64 entry = atomic_load(machine::map<u64>(table.value()) + ((target & ~page_mask) >> 3));
    const x86::WriteEffect effect = x86::evaluate_write(instruction, regs, extract(entry, target, bytes), source);
    if (!effect.valid)
        return false;
    if (effect.stores) {
        const Result<void> stored = store(vcpu, table.value(), target, entry, effect.value, bytes);
        if (stored == Error::Again)
            return true; // someone else changed the entry: the guest's processor runs the instruction again
        if (!stored.ok())
            return false;
    }
    x86::complete_write(instruction, regs, effect);
    end_instruction(vcpu, regs);
    return true;
}

bool discard_io_write(Vcpu& vcpu, GuestRegs& regs, u64 address)
{
    const u64 entry = mm::read_l1_entry(MachineAddress(vcpu.kernel_root), VirtualAddress(address));
    const Mfn mfn = mm::target_of(entry);
    if (!mm::is_present(entry) || mm::is_ram(mfn) || !mm::read_only_io_memory().contains(mfn.value))
        return false;
    Instruction instruction;
    if (!decode_at_rip(regs, instruction) || instruction.operation != Operation::Mov ||
        x86::destination_address(instruction, regs, segment_bases()) != address ||
        address % instruction.operand_size != 0)
        return false;
    regs.rip += instruction.length;
    end_instruction(vcpu, regs);
    return true;
}

}
