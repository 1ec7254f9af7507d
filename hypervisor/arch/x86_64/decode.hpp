// Decoder for the x86-64 instructions that the hypervisor carries out in a guest's place.
//
// Two families: privileged instructions that a guest in ring 3 cannot execute (#GP), and ordinary instructions that
// write memory, for writes to read-only page tables (#PF). All else is refused, and the caller hands the guest its
// fault. The bytes come from the guest and must be a copy: the decoder reads each of them as often as it likes.
#pragma once

#include "hypervisor/base/types.hpp"

#include <span>

namespace xylem::x86 {

/// The longest instruction that a processor takes.
inline constexpr unsigned max_instruction_bytes = 15;

enum class CodeSegment : u8 {
    Long,     // CS.L = 1: 64-bit mode
    Compat32, // CS.L = 0, CS.D = 1
};

enum class Operation : u8 {
    // Privileged, or sensitive: what arrives by #GP.
    In,
    Out,
    Ins,
    Outs,
    Clts,
    Wbinvd,
    Wbnoinvd,
    MovFromCr,
    MovToCr,
    MovFromDr,
    MovToDr,
    Rdmsr,
    Wrmsr,
    Rdtsc,
    Rdtscp,
    Cpuid,
    Xsetbv,
    Cli,
    Sti,
    Int,
    // Writes to memory: what arrives by #PF. From here on `memory` is the destination.
    Mov,
    Xchg,
    Cmpxchg,
    CmpxchgPair, // CMPXCHG8B, CMPXCHG16B
    Xadd,
    Bts,
    Btr,
    Btc,
    Add,
    Or,
    Adc,
    Sbb,
    And,
    Sub,
    Xor,
    Inc,
    Dec,
    Not,
    Neg,
    Stos,
    Movs,
};

constexpr bool writes_memory(Operation operation)
{
    return operation >= Operation::Mov;
}

/// A general register by its number in an instruction: 0 rax, 1 rcx, 2 rdx, 3 rbx, 4 rsp, 5 rbp, 6 rsi, 7 rdi, 8..15.
using RegisterNumber = u8;
inline constexpr RegisterNumber reg_rax = 0, reg_rcx = 1, reg_rdx = 2, reg_rbx = 3, reg_rsp = 4, reg_rbp = 5,
                                reg_rsi = 6, reg_rdi = 7, no_register = 0xff;

/// The segment whose base is added: in 64-bit mode only FS and GS have one.
enum class Segment : u8 { Es, Cs, Ss, Ds, Fs, Gs };

enum class Repeat : u8 {
    None,
    Repne, // F2
    Rep,   // F3
};

/// The parts of an effective address. Their sum is cut to the instruction's address size, then the segment's base is
/// added.
struct MemoryOperand {
    RegisterNumber base = no_register;
    RegisterNumber index = no_register;
    u8 scale = 1;
    bool rip_relative = false; // relative to the next instruction
    Segment segment = Segment::Ds;
    i64 displacement = 0;
};

/// Where a memory write's second operand, or an OUT's port, comes from.
enum class Source : u8 { None, Register, Immediate };

struct Instruction {
    Operation operation{};
    u8 length = 0;
    u8 operand_size = 0; // bytes: 1, 2, 4, 8, or 16 for CMPXCHG16B
    u8 address_size = 0; // bytes: 2, 4 or 8
    bool lock = false;
    Repeat repeat = Repeat::None;
    Source source = Source::None;
    RegisterNumber reg = no_register; // the source register; the general register of a CR or DR move
    bool high_byte = false;           // `reg` names AH, CH, DH or BH (numbers 0..3 here)
    u8 system_register = 0;           // number of the CR or DR
    MemoryOperand memory;
    Segment source_segment = Segment::Ds; // of MOVS and OUTS, which read by rsi
    u64 immediate = 0; // sign-extended; the port of IN and OUT; the vector of INT; the bit number of BTS and its kin
};

enum class DecodeStatus : u8 {
    Decoded,
    Truncated, // the instruction continues behind the bytes given
    TooLong,   // more than 15 bytes: a processor raises #GP
    Refused,   // valid or not, it is none of ours
};

/// Decodes the instruction that `bytes` begins with. `out` is meaningful for Decoded alone.
DecodeStatus decode(std::span<const u8> bytes, CodeSegment code, Instruction& out);

}
