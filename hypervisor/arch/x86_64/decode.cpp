// The decoder. Prefixes, then one opcode byte of three maps, then ModRM, SIB, displacement and immediate as the opcode
// asks. (Intel SDM volume 2, chapter 2 and appendix A; AMD APM volume 3)

#include "hypervisor/arch/x86_64/decode.hpp"

namespace xylem::x86 {
namespace {

/// Takes bytes one after another; once they run out it remembers that, and gives zeros.
class Fetcher {
public:
    explicit Fetcher(std::span<const u8> bytes)
        : bytes_(bytes.first(bytes.size() < max_instruction_bytes ? bytes.size() : max_instruction_bytes))
    {
    }

    u8 byte() { return static_cast<u8>(little_endian(1)); }
    u64 little_endian(unsigned count)
    {
        if (count > bytes_.size() - at_) {
            at_ = bytes_.size();
            exhausted_ = true;
            return 0;
        }
        u64 value = 0;
        for (unsigned i = 0; i < count; ++i)
            value |= u64{bytes_[at_ + i]} << (8 * i);
        at_ += count;
        return value;
    }
    i64 signed_little_endian(unsigned count)
    {
        unsigned unused_bits = 64 - 8 * count;
        return static_cast<i64>(little_endian(count) << unused_bits) >> unused_bits;
    }

    bool exhausted() const { return exhausted_; }
    u8 position() const { return static_cast<u8>(at_); }

private:
    std::span<const u8> bytes_;
    size_t at_ = 0;
    bool exhausted_ = false;
};

enum class LockRule : u8 { Forbidden, Allowed };

struct ModRm {
    u8 mod, reg, rm;
};

class Decoder {
public:
    Decoder(std::span<const u8> bytes, CodeSegment code, Instruction& out)
        : fetch_(bytes), long_mode_(code == CodeSegment::Long), out_(out)
    {
        out = Instruction{};
    }

    /// @return whether the instruction is one of ours; meaningful only while no byte was missing
    bool run();
    const Fetcher& fetch() const { return fetch_; }

private:
    u8 prefixes();
    bool one_byte(u8 opcode);
    bool two_byte();
    bool group_0f01();

    bool plain(Operation operation);
    bool port(Operation operation, Source source, bool byte_form);
    bool string_port(Operation operation, bool byte_form);
    bool system_move(Operation operation);
    bool memory_register(Operation operation, bool byte_form, LockRule lock);
    bool memory_immediate(Operation operation, bool byte_form, unsigned immediate_bytes, LockRule lock);
    bool arithmetic_group(u8 opcode);
    bool unary_group(u8 opcode);
    bool bit_group();
    bool compare_exchange_pair();
    bool absolute_move(bool byte_form);
    bool string_write(Operation operation, bool byte_form);
    bool non_temporal_move();

    ModRm modrm();
    bool memory_operand(ModRm m);
    void set_operand_size(bool byte_form);
    void set_byte_or_word_register(u8 number);
    unsigned port_size(bool byte_form) const { return byte_form ? 1 : operand_16_ && !rex_w_ ? 2 : 4; }
    unsigned immediate_size(unsigned operand_size) const { return operand_size < 4 ? operand_size : 4; }
    bool mandatory_prefix() const { return operand_16_ || out_.repeat != Repeat::None; }

    Fetcher fetch_;
    const bool long_mode_;
    Instruction& out_;
    bool operand_16_ = false; // prefix 66
    bool rex_ = false, rex_w_ = false;
    u8 rex_r_ = 0, rex_x_ = 0, rex_b_ = 0; // 0 or 8
    bool segment_given_ = false;
};

/// Consumes all prefixes. @return the first opcode byte
u8 Decoder::prefixes()
{
    out_.address_size = long_mode_ ? 8 : 4;
    for (;;) {
        u8 byte = fetch_.byte();
        if (fetch_.exhausted())
            return 0;
        switch (byte) {
        case 0x26:
        case 0x2e:
        case 0x36:
        case 0x3e:
            // In 64-bit mode these four are null prefixes, and do not undo an earlier FS or GS.
            if (!long_mode_) {
                out_.memory.segment = static_cast<Segment>(byte >> 3 & 3);
                segment_given_ = true;
            }
            break;
        case 0x64:
        case 0x65:
            out_.memory.segment = byte == 0x64 ? Segment::Fs : Segment::Gs;
            segment_given_ = true;
            break;
        case 0x66:
            operand_16_ = true;
            break;
        case 0x67:
            out_.address_size = long_mode_ ? 4 : 2;
            break;
        case 0xf0:
            out_.lock = true;
            break;
        case 0xf2:
            out_.repeat = Repeat::Repne;
            break;
        case 0xf3:
            out_.repeat = Repeat::Rep;
            break;
        default:
            if (long_mode_ && (byte & 0xf0) == 0x40) {
                // REX counts only right before the opcode: a legacy prefix behind it wipes it out.
                rex_ = true;
                rex_w_ = byte & 8;
                rex_r_ = static_cast<u8>((byte & 4) << 1);
                rex_x_ = static_cast<u8>((byte & 2) << 2);
                rex_b_ = static_cast<u8>((byte & 1) << 3);
                continue;
            }
            return byte;
        }
        rex_ = rex_w_ = false;
        rex_r_ = rex_x_ = rex_b_ = 0;
    }
}

bool Decoder::run()
{
    u8 opcode = prefixes();
    return opcode == 0x0f ? two_byte() : one_byte(opcode);
}

// Two tables, a row to the line.
// clang-format off
bool Decoder::one_byte(u8 opcode)
{
    switch (opcode) {
    case 0x00: case 0x01: return memory_register(Operation::Add, opcode == 0x00, LockRule::Allowed);
    case 0x08: case 0x09: return memory_register(Operation::Or, opcode == 0x08, LockRule::Allowed);
    case 0x10: case 0x11: return memory_register(Operation::Adc, opcode == 0x10, LockRule::Allowed);
    case 0x18: case 0x19: return memory_register(Operation::Sbb, opcode == 0x18, LockRule::Allowed);
    case 0x20: case 0x21: return memory_register(Operation::And, opcode == 0x20, LockRule::Allowed);
    case 0x28: case 0x29: return memory_register(Operation::Sub, opcode == 0x28, LockRule::Allowed);
    case 0x30: case 0x31: return memory_register(Operation::Xor, opcode == 0x30, LockRule::Allowed);
    case 0x6c: case 0x6d: return string_port(Operation::Ins, opcode == 0x6c);
    case 0x6e: case 0x6f: return string_port(Operation::Outs, opcode == 0x6e);
    case 0x80: case 0x81: case 0x83: return arithmetic_group(opcode);
    case 0x82: return !long_mode_ && arithmetic_group(0x80); // an alias of old
    case 0x86: case 0x87: return memory_register(Operation::Xchg, opcode == 0x86, LockRule::Allowed);
    case 0x88: case 0x89: return memory_register(Operation::Mov, opcode == 0x88, LockRule::Forbidden);
    case 0xa2: case 0xa3: return absolute_move(opcode == 0xa2);
    case 0xa4: case 0xa5: return string_write(Operation::Movs, opcode == 0xa4);
    case 0xaa: case 0xab: return string_write(Operation::Stos, opcode == 0xaa);
    case 0xc6: case 0xc7: return memory_immediate(Operation::Mov, opcode == 0xc6, 4, LockRule::Forbidden);
    case 0xcd:
        out_.source = Source::Immediate;
        out_.immediate = fetch_.byte();
        return plain(Operation::Int);
    case 0xe4: case 0xe5: return port(Operation::In, Source::Immediate, opcode == 0xe4);
    case 0xe6: case 0xe7: return port(Operation::Out, Source::Immediate, opcode == 0xe6);
    case 0xec: case 0xed: return port(Operation::In, Source::Register, opcode == 0xec);
    case 0xee: case 0xef: return port(Operation::Out, Source::Register, opcode == 0xee);
    case 0xf6: case 0xf7: case 0xfe: case 0xff: return unary_group(opcode);
    case 0xfa: return plain(Operation::Cli);
    case 0xfb: return plain(Operation::Sti);
    default: return false;
    }
}

bool Decoder::two_byte()
{
    switch (u8 opcode = fetch_.byte()) {
    case 0x01: return group_0f01();
    case 0x06: return plain(Operation::Clts);
    case 0x09: return plain(out_.repeat == Repeat::Rep ? Operation::Wbnoinvd : Operation::Wbinvd);
    case 0x20: return system_move(Operation::MovFromCr);
    case 0x21: return system_move(Operation::MovFromDr);
    case 0x22: return system_move(Operation::MovToCr);
    case 0x23: return system_move(Operation::MovToDr);
    case 0x30: return plain(Operation::Wrmsr);
    case 0x31: return plain(Operation::Rdtsc);
    case 0x32: return plain(Operation::Rdmsr);
    case 0xa2: return plain(Operation::Cpuid);
    case 0xab: return memory_register(Operation::Bts, false, LockRule::Allowed);
    case 0xb3: return memory_register(Operation::Btr, false, LockRule::Allowed);
    case 0xbb: return memory_register(Operation::Btc, false, LockRule::Allowed);
    case 0xba: return bit_group();
    case 0xb0: case 0xb1: return memory_register(Operation::Cmpxchg, opcode == 0xb0, LockRule::Allowed);
    case 0xc0: case 0xc1: return memory_register(Operation::Xadd, opcode == 0xc0, LockRule::Allowed);
    case 0xc3: return non_temporal_move();
    case 0xc7: return compare_exchange_pair();
    default: return false;
    }
}
// clang-format on

/// 0F 01 holds many instructions told apart by the whole ModRM byte.
bool Decoder::group_0f01()
{
    switch (fetch_.byte()) {
    case 0xd1:
        return !mandatory_prefix() && plain(Operation::Xsetbv);
    case 0xf9:
        return plain(Operation::Rdtscp);
    default:
        return false;
    }
}

/// An instruction without ModRM. LOCK before it is #UD.
bool Decoder::plain(Operation operation)
{
    out_.operation = operation;
    return !out_.lock;
}

bool Decoder::port(Operation operation, Source source, bool byte_form)
{
    out_.operand_size = static_cast<u8>(port_size(byte_form));
    out_.source = source;
    if (source == Source::Immediate)
        out_.immediate = fetch_.byte();
    else
        out_.reg = reg_rdx;
    return plain(operation);
}

bool Decoder::string_port(Operation operation, bool byte_form)
{
    out_.operand_size = static_cast<u8>(port_size(byte_form));
    out_.source = Source::Register;
    out_.reg = reg_rdx;
    if (operation == Operation::Ins) {
        out_.memory.base = reg_rdi;
        out_.memory.segment = Segment::Es; // cannot be overridden
    } else {
        out_.memory.base = reg_rsi;
        out_.source_segment = out_.memory.segment;
    }
    return plain(operation);
}

/// MOV to and from control and debug registers: always the register form, whatever ModRM.mod says.
bool Decoder::system_move(Operation operation)
{
    ModRm m = modrm();
    bool control = operation == Operation::MovFromCr || operation == Operation::MovToCr;
    out_.operand_size = long_mode_ ? 8 : 4;
    out_.reg = m.rm | rex_b_;
    out_.system_register = m.reg | rex_r_;
    constexpr unsigned control_registers = 1u << 0 | 1u << 2 | 1u << 3 | 1u << 4 | 1u << 8;
    bool exists = control ? control_registers >> out_.system_register & 1 : out_.system_register < 8;
    return exists && plain(operation);
}

bool Decoder::memory_register(Operation operation, bool byte_form, LockRule lock)
{
    out_.operation = operation;
    set_operand_size(byte_form);
    ModRm m = modrm();
    out_.source = Source::Register;
    set_byte_or_word_register(m.reg);
    return memory_operand(m) && (lock == LockRule::Allowed || !out_.lock);
}

/// Opcodes C6 and C7, of which only /0 is a MOV.
bool Decoder::memory_immediate(Operation operation, bool byte_form, unsigned immediate_bytes, LockRule lock)
{
    out_.operation = operation;
    set_operand_size(byte_form);
    ModRm m = modrm();
    if (m.reg != 0 || !memory_operand(m))
        return false;
    unsigned size = out_.operand_size < immediate_bytes ? out_.operand_size : immediate_bytes;
    out_.source = Source::Immediate;
    out_.immediate = static_cast<u64>(fetch_.signed_little_endian(size));
    return lock == LockRule::Allowed || !out_.lock;
}

bool Decoder::arithmetic_group(u8 opcode)
{
    constexpr Operation operations[] = {Operation::Add, Operation::Or,  Operation::Adc, Operation::Sbb,
                                        Operation::And, Operation::Sub, Operation::Xor};
    set_operand_size(opcode == 0x80);
    ModRm m = modrm();
    if (m.reg == 7 || !memory_operand(m)) // CMP writes nothing
        return false;
    out_.operation = operations[m.reg];
    out_.source = Source::Immediate;
    unsigned size = opcode == 0x81 ? immediate_size(out_.operand_size) : 1;
    out_.immediate = static_cast<u64>(fetch_.signed_little_endian(size));
    return true;
}

/// F6 and F7: NOT and NEG; FE and FF: INC and DEC. The rest of both writes no memory that we know of.
bool Decoder::unary_group(u8 opcode)
{
    bool step = opcode >= 0xfe;
    set_operand_size((opcode & 1) == 0);
    ModRm m = modrm();
    if (step ? m.reg > 1 : m.reg != 2 && m.reg != 3)
        return false;
    out_.operation =
        step ? (m.reg == 0 ? Operation::Inc : Operation::Dec) : (m.reg == 2 ? Operation::Not : Operation::Neg);
    return memory_operand(m);
}

bool Decoder::bit_group()
{
    set_operand_size(false);
    ModRm m = modrm();
    if (m.reg < 5 || !memory_operand(m)) // /4 is BT, which only reads
        return false;
    out_.operation = m.reg == 5 ? Operation::Bts : m.reg == 6 ? Operation::Btr : Operation::Btc;
    out_.source = Source::Immediate;
    out_.immediate = fetch_.byte() & (8u * out_.operand_size - 1);
    return true;
}

bool Decoder::compare_exchange_pair()
{
    ModRm m = modrm();
    if (m.reg != 1 || !memory_operand(m))
        return false;
    out_.operation = Operation::CmpxchgPair;
    out_.operand_size = rex_w_ ? 16 : 8;
    return true;
}

/// A2, A3: the accumulator to an address given in full.
bool Decoder::absolute_move(bool byte_form)
{
    set_operand_size(byte_form);
    out_.source = Source::Register;
    out_.reg = reg_rax;
    out_.memory.displacement = static_cast<i64>(fetch_.little_endian(out_.address_size));
    return plain(Operation::Mov);
}

bool Decoder::string_write(Operation operation, bool byte_form)
{
    set_operand_size(byte_form);
    out_.source = Source::Register;
    out_.reg = operation == Operation::Stos ? reg_rax : reg_rsi;
    out_.source_segment = out_.memory.segment;
    out_.memory.base = reg_rdi;
    out_.memory.segment = Segment::Es; // cannot be overridden
    return plain(operation);
}

/// MOVNTI: a store whose hint we ignore.
bool Decoder::non_temporal_move()
{
    if (mandatory_prefix())
        return false;
    return memory_register(Operation::Mov, false, LockRule::Forbidden);
}

ModRm Decoder::modrm()
{
    u8 byte = fetch_.byte();
    return {static_cast<u8>(byte >> 6), static_cast<u8>(byte >> 3 & 7), static_cast<u8>(byte & 7)};
}

void Decoder::set_operand_size(bool byte_form)
{
    out_.operand_size = byte_form ? 1 : rex_w_ ? 8 : operand_16_ ? 2 : 4;
}

void Decoder::set_byte_or_word_register(u8 number)
{
    out_.high_byte = out_.operand_size == 1 && !rex_ && number >= 4;
    out_.reg = out_.high_byte ? static_cast<u8>(number - 4) : static_cast<u8>(number | rex_r_);
}

/// Reads SIB and displacement. @return false for a register operand, and for 16-bit addressing, which is refused
bool Decoder::memory_operand(ModRm m)
{
    MemoryOperand& memory = out_.memory;
    if (m.mod == 3 || out_.address_size == 2)
        return false;
    unsigned displacement_bytes = m.mod == 1 ? 1 : m.mod == 2 ? 4 : 0;
    u8 base = m.rm;
    bool scaled = m.rm == 4;
    if (scaled) {
        u8 sib = fetch_.byte();
        base = sib & 7;
        u8 index = static_cast<u8>((sib >> 3 & 7) | rex_x_);
        if (index != reg_rsp) {
            memory.index = index;
            memory.scale = static_cast<u8>(1u << (sib >> 6));
        }
    }
    if (base == reg_rbp && m.mod == 0) {
        // No base: an absolute 32-bit displacement, or, in 64-bit mode and without SIB, one from the next instruction.
        displacement_bytes = 4;
        memory.rip_relative = long_mode_ && !scaled;
    } else {
        memory.base = base | rex_b_;
        if (!segment_given_ && (memory.base == reg_rsp || memory.base == reg_rbp))
            memory.segment = Segment::Ss;
    }
    if (displacement_bytes != 0)
        memory.displacement = fetch_.signed_little_endian(displacement_bytes);
    return true;
}

}

DecodeStatus decode(std::span<const u8> bytes, CodeSegment code, Instruction& out)
{
    Decoder decoder(bytes, code, out);
    bool ours = decoder.run();
    if (decoder.fetch().exhausted())
        return bytes.size() >= max_instruction_bytes ? DecodeStatus::TooLong : DecodeStatus::Truncated;
    out.length = decoder.fetch().position();
    return ours ? DecodeStatus::Decoded : DecodeStatus::Refused;
}

}
