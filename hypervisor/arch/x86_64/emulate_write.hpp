// What a memory-writing instruction does: where it writes, what, and what it leaves in registers and flags.
//
// Nothing is written here. The caller reads the destination's old value, has the effect worked out, stores the new
// value in one atomic exchange for the old, and then completes the instruction. When the exchange finds another value
// than was read, the caller just returns to the guest: the instruction stands as it was, and the processor runs it
// again.
#pragma once

#include "hypervisor/arch/x86_64/decode.hpp"
#include "hypervisor/domain/vcpu.hpp"

namespace xylem::x86 {

/// The bases of the two segments that have one; the others are taken as flat.
struct SegmentBases {
    u64 fs = 0, gs = 0;
};

/// The linear address of the written operand. A bit instruction with its bit number in a register may reach far from
/// the address it names.
u64 destination_address(const Instruction& instruction, const GuestRegs& regs, SegmentBases bases);

/// The linear address that MOVS reads.
u64 source_address(const Instruction& instruction, const GuestRegs& regs, SegmentBases bases);

/// What is left to do once the operands are known.
struct WriteEffect {
    bool valid = false;   // false: an instruction of which this knows nothing (CMPXCHG16B, or no memory write at all)
    bool stores = false;  // memory changes to `value`, in operand_size bytes
    bool iterated = true; // false: REP with a count of zero, nothing is done
    u64 value = 0;
    u64 flags = 0;                    // the guest's RFLAGS afterwards
    RegisterNumber reg = no_register; // a register that receives the operand's old value
    bool reg_high_byte = false;
    u64 reg_value = 0;
    bool reg_pair = false; // reg_value goes to edx:eax instead
};

/// @param old_value     the destination, `operand_size` bytes, zero-extended
/// @param source_value  what MOVS read; of no effect on others
WriteEffect evaluate_write(const Instruction& instruction, const GuestRegs& regs, u64 old_value, u64 source_value = 0);

/// Whether old_value has any influence: false for plain stores, whose destination need not be read.
bool reads_destination(const Instruction& instruction);

/// Registers, flags and RIP as the instruction leaves them; a repeated one that has not done yet keeps its RIP.
void complete_write(const Instruction& instruction, GuestRegs& regs, const WriteEffect& effect);

/// A general register's value of `size` bytes.
u64 read_register(const GuestRegs& regs, RegisterNumber number, unsigned size, bool high_byte = false);
/// Writes it as the processor does: 4 bytes clear the upper half, 1 and 2 bytes leave the rest.
void write_register(GuestRegs& regs, RegisterNumber number, unsigned size, u64 value, bool high_byte = false);

}
