// The arithmetic of memory-writing instructions. (Intel SDM volume 2; flags: volume 1, 3.4.3.1)

#include "hypervisor/arch/x86_64/emulate_write.hpp"

namespace xylem::x86 {
namespace {

constexpr u64 carry = 1u << 0, parity = 1u << 2, adjust = 1u << 4, zero = 1u << 6, sign = 1u << 7, direction = 1u << 10,
              overflow = 1u << 11;
constexpr u64 arithmetic_flags = carry | parity | adjust | zero | sign | overflow;

constexpr u64 GuestRegs::*general_registers[16] = {&GuestRegs::rax, &GuestRegs::rcx, &GuestRegs::rdx, &GuestRegs::rbx,
                                                   &GuestRegs::rsp, &GuestRegs::rbp, &GuestRegs::rsi, &GuestRegs::rdi,
                                                   &GuestRegs::r8,  &GuestRegs::r9,  &GuestRegs::r10, &GuestRegs::r11,
                                                   &GuestRegs::r12, &GuestRegs::r13, &GuestRegs::r14, &GuestRegs::r15};

constexpr u64 mask_of(unsigned size)
{
    return size >= 8 ? ~u64{0} : (u64{1} << (8 * size)) - 1;
}

constexpr i64 sign_extend(u64 value, unsigned size)
{
    unsigned unused_bits = 64 - 8 * size;
    return static_cast<i64>(value << unused_bits) >> unused_bits;
}

/// Whether the low byte has an odd number of ones.
constexpr bool odd_parity(u64 value)
{
    value ^= value >> 4;
    return 0x6996u >> (value & 15) & 1;
}

/// Arithmetic on operands of one size; operands and results have no bits beyond it.
struct Alu {
    unsigned size;
    u64 flags; // in: those before; out: those after

    u64 top(u64 value) const { return value >> (8 * size - 1) & 1; }
    u64 cut(u64 value) const { return value & mask_of(size); }

    void set(u64 result, bool carries, bool overflows, bool adjusts)
    {
        flags &= ~arithmetic_flags;
        flags |= (carries ? carry : 0) | (overflows ? overflow : 0) | (adjusts ? adjust : 0) |
                 (result == 0 ? zero : 0) | (top(result) ? sign : 0) | (odd_parity(result) ? 0 : parity);
    }

    u64 add(u64 a, u64 b, u64 carry_in = 0)
    {
        u64 r = cut(a + b + carry_in);
        set(r, top((a & b) | ((a | b) & ~r)), top((a ^ r) & (b ^ r)), (a ^ b ^ r) & 0x10);
        return r;
    }
    u64 subtract(u64 a, u64 b, u64 borrow_in = 0)
    {
        u64 r = cut(a - b - borrow_in);
        set(r, top((~a & b) | ((~a | b) & r)), top((a ^ b) & (a ^ r)), (a ^ b ^ r) & 0x10);
        return r;
    }
    u64 logic(u64 r)
    {
        set(r, false, false, false);
        return r;
    }
    /// INC and DEC leave the carry.
    u64 keeping_carry(u64 r, u64 before)
    {
        flags = (flags & ~carry) | (before & carry);
        return r;
    }
};

u64 segment_base(const Instruction& instruction, Segment segment, SegmentBases bases)
{
    u64 base = segment == Segment::Fs ? bases.fs : segment == Segment::Gs ? bases.gs : 0;
    return instruction.address_size == 8 ? base : base & 0xffffffff;
}

bool is_bit_operation(Operation operation)
{
    return operation == Operation::Bts || operation == Operation::Btr || operation == Operation::Btc;
}

u64 source_operand(const Instruction& instruction, const GuestRegs& regs)
{
    return instruction.source == Source::Register
               ? read_register(regs, instruction.reg, instruction.operand_size, instruction.high_byte)
               : instruction.immediate & mask_of(instruction.operand_size);
}

void exchange_pair(const Instruction& instruction, const GuestRegs& regs, u64 old_value, WriteEffect& effect)
{
    if (instruction.operand_size != 8)
        return;
    u64 expected = regs.rdx << 32 | (regs.rax & 0xffffffff);
    effect.valid = true;
    effect.stores = old_value == expected;
    effect.value = regs.rcx << 32 | (regs.rbx & 0xffffffff);
    effect.flags = (regs.rflags & ~zero) | (effect.stores ? zero : 0);
    effect.reg_pair = !effect.stores;
    effect.reg_value = old_value;
}

void compare_exchange(const Instruction& instruction, const GuestRegs& regs, u64 old_value, Alu& alu,
                      WriteEffect& effect)
{
    u64 expected = read_register(regs, reg_rax, instruction.operand_size);
    alu.subtract(expected, old_value);
    effect.stores = expected == old_value;
    effect.value = source_operand(instruction, regs);
    if (!effect.stores) {
        effect.reg = reg_rax;
        effect.reg_value = old_value;
    }
}

void bit_operation(const Instruction& instruction, u64 old_value, u64 source, Alu& alu, WriteEffect& effect)
{
    u64 bit = u64{1} << (source & (8u * instruction.operand_size - 1));
    alu.flags = (alu.flags & ~carry) | (old_value & bit ? carry : 0);
    effect.value = instruction.operation == Operation::Bts   ? old_value | bit
                   : instruction.operation == Operation::Btr ? old_value & ~bit
                                                             : old_value ^ bit;
}

/// The old value goes to the register that gave the other operand.
void hand_back(const Instruction& instruction, u64 old_value, WriteEffect& effect)
{
    effect.reg = instruction.reg;
    effect.reg_high_byte = instruction.high_byte;
    effect.reg_value = old_value;
}

u64 repeat_count(const Instruction& instruction, const GuestRegs& regs)
{
    return regs.rcx & mask_of(instruction.address_size);
}

bool is_string(Operation operation)
{
    return operation == Operation::Stos || operation == Operation::Movs;
}

/// Adds to a register as addressing does: in address_size bits.
void advance(GuestRegs& regs, RegisterNumber number, const Instruction& instruction, u64 by)
{
    u64 value = read_register(regs, number, instruction.address_size) + by;
    write_register(regs, number, instruction.address_size, value);
}

}

u64 read_register(const GuestRegs& regs, RegisterNumber number, unsigned size, bool high_byte)
{
    u64 value = regs.*general_registers[number & 15];
    return (high_byte ? value >> 8 : value) & mask_of(size);
}

void write_register(GuestRegs& regs, RegisterNumber number, unsigned size, u64 value, bool high_byte)
{
    u64& whole = regs.*general_registers[number & 15];
    value &= mask_of(size);
    if (size >= 4)
        whole = value;
    else if (high_byte)
        whole = (whole & ~u64{0xff00}) | value << 8;
    else
        whole = (whole & ~mask_of(size)) | value;
}

u64 destination_address(const Instruction& instruction, const GuestRegs& regs, SegmentBases bases)
{
    const MemoryOperand& memory = instruction.memory;
    u64 offset = static_cast<u64>(memory.displacement);
    if (memory.rip_relative)
        offset += regs.rip + instruction.length;
    if (memory.base != no_register)
        offset += regs.*general_registers[memory.base & 15];
    if (memory.index != no_register)
        offset += regs.*general_registers[memory.index & 15] * memory.scale;
    if (instruction.source == Source::Register && is_bit_operation(instruction.operation)) {
        // The bit number counts, with its sign, from the operand's first bit: it chooses the word, too.
        i64 bits = 8 * i64{instruction.operand_size};
        i64 number = sign_extend(source_operand(instruction, regs), instruction.operand_size);
        i64 word = (number - (number & (bits - 1))) / bits;
        offset += static_cast<u64>(word * instruction.operand_size);
    }
    return segment_base(instruction, memory.segment, bases) + (offset & mask_of(instruction.address_size));
}

u64 source_address(const Instruction& instruction, const GuestRegs& regs, SegmentBases bases)
{
    return segment_base(instruction, instruction.source_segment, bases) +
           read_register(regs, reg_rsi, instruction.address_size);
}

bool reads_destination(const Instruction& instruction)
{
    return instruction.operation != Operation::Mov && !is_string(instruction.operation);
}

WriteEffect evaluate_write(const Instruction& instruction, const GuestRegs& regs, u64 old_value, u64 source_value)
{
    WriteEffect effect;
    if (instruction.operation == Operation::CmpxchgPair) {
        exchange_pair(instruction, regs, old_value, effect);
        return effect;
    }
    Alu alu{instruction.operand_size, regs.rflags};
    const u64 old = alu.cut(old_value);
    const u64 source = instruction.source == Source::None ? 0 : source_operand(instruction, regs);
    effect.valid = effect.stores = true;
    switch (instruction.operation) {
    case Operation::Mov:
        effect.value = source;
        break;
    case Operation::Xchg:
        effect.value = source;
        hand_back(instruction, old, effect);
        break;
    case Operation::Cmpxchg:
        compare_exchange(instruction, regs, old, alu, effect);
        break;
    case Operation::Xadd:
        effect.value = alu.add(old, source);
        hand_back(instruction, old, effect);
        break;
    case Operation::Bts:
    case Operation::Btr:
    case Operation::Btc:
        bit_operation(instruction, old, source, alu, effect);
        break;
    case Operation::Add:
        effect.value = alu.add(old, source);
        break;
    case Operation::Adc:
        effect.value = alu.add(old, source, regs.rflags & carry);
        break;
    case Operation::Sub:
        effect.value = alu.subtract(old, source);
        break;
    case Operation::Sbb:
        effect.value = alu.subtract(old, source, regs.rflags & carry);
        break;
    case Operation::And:
        effect.value = alu.logic(old & source);
        break;
    case Operation::Or:
        effect.value = alu.logic(old | source);
        break;
    case Operation::Xor:
        effect.value = alu.logic(old ^ source);
        break;
    case Operation::Inc:
        effect.value = alu.keeping_carry(alu.add(old, 1), regs.rflags);
        break;
    case Operation::Dec:
        effect.value = alu.keeping_carry(alu.subtract(old, 1), regs.rflags);
        break;
    case Operation::Not:
        effect.value = alu.cut(~old);
        break;
    case Operation::Neg:
        effect.value = alu.subtract(0, old);
        break;
    case Operation::Stos:
    case Operation::Movs:
        effect.value = instruction.operation == Operation::Stos ? source : alu.cut(source_value);
        effect.iterated = instruction.repeat == Repeat::None || repeat_count(instruction, regs) != 0;
        effect.stores = effect.iterated;
        break;
    default:
        effect.valid = effect.stores = false;
        break;
    }
    effect.flags = alu.flags;
    return effect;
}

void complete_write(const Instruction& instruction, GuestRegs& regs, const WriteEffect& effect)
{
    regs.rflags = effect.flags;
    if (effect.reg != no_register)
        write_register(regs, effect.reg, instruction.operand_size, effect.reg_value, effect.reg_high_byte);
    if (effect.reg_pair) {
        regs.rax = effect.reg_value & 0xffffffff;
        regs.rdx = effect.reg_value >> 32;
    }
    bool done = true;
    if (is_string(instruction.operation) && effect.iterated) {
        u64 step = regs.rflags & direction ? 0 - u64{instruction.operand_size} : instruction.operand_size;
        advance(regs, reg_rdi, instruction, step);
        if (instruction.operation == Operation::Movs)
            advance(regs, reg_rsi, instruction, step);
        if (instruction.repeat != Repeat::None) {
            advance(regs, reg_rcx, instruction, ~u64{0});
            done = repeat_count(instruction, regs) == 0;
        }
    }
    if (done)
        regs.rip += instruction.length;
}

}
