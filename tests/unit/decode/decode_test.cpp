// The decoder against Zydis: it takes exactly our subset, and says of it what Zydis says.

#include "hypervisor/arch/x86_64/decode.hpp"

#include <Zydis/Zydis.h>
#include <gtest/gtest.h>

#include <iomanip>
#include <map>
#include <optional>
#include <random>
#include <sstream>
#include <vector>

using namespace xylem;
using namespace xylem::x86;

namespace {

using Bytes = std::vector<u8>;

std::string hex(const Bytes& bytes)
{
    std::ostringstream text;
    for (u8 byte : bytes)
        text << std::hex << std::setw(2) << std::setfill('0') << unsigned{byte} << ' ';
    return text.str();
}

// clang-format off
const std::map<ZydisMnemonic, Operation> privileged_operations = {
    {ZYDIS_MNEMONIC_IN, Operation::In},         {ZYDIS_MNEMONIC_OUT, Operation::Out},
    {ZYDIS_MNEMONIC_INSB, Operation::Ins},      {ZYDIS_MNEMONIC_INSW, Operation::Ins},
    {ZYDIS_MNEMONIC_INSD, Operation::Ins},      {ZYDIS_MNEMONIC_OUTSB, Operation::Outs},
    {ZYDIS_MNEMONIC_OUTSW, Operation::Outs},    {ZYDIS_MNEMONIC_OUTSD, Operation::Outs},
    {ZYDIS_MNEMONIC_CLTS, Operation::Clts},
    {ZYDIS_MNEMONIC_RDMSR, Operation::Rdmsr},
    {ZYDIS_MNEMONIC_WRMSR, Operation::Wrmsr},   {ZYDIS_MNEMONIC_RDTSC, Operation::Rdtsc},
    {ZYDIS_MNEMONIC_RDTSCP, Operation::Rdtscp}, {ZYDIS_MNEMONIC_CPUID, Operation::Cpuid},
    {ZYDIS_MNEMONIC_XSETBV, Operation::Xsetbv}, {ZYDIS_MNEMONIC_CLI, Operation::Cli},
    {ZYDIS_MNEMONIC_STI, Operation::Sti},       {ZYDIS_MNEMONIC_INT, Operation::Int},
};

const std::map<ZydisMnemonic, Operation> write_operations = {
    {ZYDIS_MNEMONIC_MOV, Operation::Mov},         {ZYDIS_MNEMONIC_MOVNTI, Operation::Mov},
    {ZYDIS_MNEMONIC_XCHG, Operation::Xchg},       {ZYDIS_MNEMONIC_CMPXCHG, Operation::Cmpxchg},
    {ZYDIS_MNEMONIC_CMPXCHG8B, Operation::CmpxchgPair}, {ZYDIS_MNEMONIC_CMPXCHG16B, Operation::CmpxchgPair},
    {ZYDIS_MNEMONIC_XADD, Operation::Xadd},       {ZYDIS_MNEMONIC_BTS, Operation::Bts},
    {ZYDIS_MNEMONIC_BTR, Operation::Btr},         {ZYDIS_MNEMONIC_BTC, Operation::Btc},
    {ZYDIS_MNEMONIC_ADD, Operation::Add},         {ZYDIS_MNEMONIC_OR, Operation::Or},
    {ZYDIS_MNEMONIC_ADC, Operation::Adc},         {ZYDIS_MNEMONIC_SBB, Operation::Sbb},
    {ZYDIS_MNEMONIC_AND, Operation::And},         {ZYDIS_MNEMONIC_SUB, Operation::Sub},
    {ZYDIS_MNEMONIC_XOR, Operation::Xor},         {ZYDIS_MNEMONIC_INC, Operation::Inc},
    {ZYDIS_MNEMONIC_DEC, Operation::Dec},         {ZYDIS_MNEMONIC_NOT, Operation::Not},
    {ZYDIS_MNEMONIC_NEG, Operation::Neg},         {ZYDIS_MNEMONIC_STOSB, Operation::Stos},
    {ZYDIS_MNEMONIC_STOSW, Operation::Stos},      {ZYDIS_MNEMONIC_STOSD, Operation::Stos},
    {ZYDIS_MNEMONIC_STOSQ, Operation::Stos},      {ZYDIS_MNEMONIC_MOVSB, Operation::Movs},
    {ZYDIS_MNEMONIC_MOVSW, Operation::Movs},      {ZYDIS_MNEMONIC_MOVSD, Operation::Movs},
    {ZYDIS_MNEMONIC_MOVSQ, Operation::Movs},
};
// clang-format on

/// What Zydis makes of some bytes, where that lies in our subset.
struct Oracle {
    ZydisDecodedInstruction instruction;
    ZydisDecodedOperand operands[ZYDIS_MAX_OPERAND_COUNT];
    Operation operation;
};

class Reference {
public:
    explicit Reference(CodeSegment code)
    {
        bool wide = code == CodeSegment::Long;
        ZydisDecoderInit(&decoder_, wide ? ZYDIS_MACHINE_MODE_LONG_64 : ZYDIS_MACHINE_MODE_LONG_COMPAT_32,
                         wide ? ZYDIS_STACK_WIDTH_64 : ZYDIS_STACK_WIDTH_32);
    }

    ZyanStatus decode(const Bytes& bytes, Oracle& out) const
    {
        return ZydisDecoderDecodeFull(&decoder_, bytes.data(), bytes.size(), &out.instruction, out.operands);
    }

private:
    ZydisDecoder decoder_;
};

bool is_general(ZydisRegister reg)
{
    ZydisRegisterClass type = ZydisRegisterGetClass(reg);
    return type == ZYDIS_REGCLASS_GPR8 || type == ZYDIS_REGCLASS_GPR16 || type == ZYDIS_REGCLASS_GPR32 ||
           type == ZYDIS_REGCLASS_GPR64;
}

u8 last_repeat_prefix(const ZydisDecodedInstruction& i)
{
    u8 last = 0;
    for (unsigned n = 0; n < i.raw.prefix_count; ++n)
        if (u8 value = i.raw.prefixes[n].value; value == 0xf2 || value == 0xf3)
            last = value;
    return last;
}

/// Our subset, said in Zydis's terms.
std::optional<Operation> in_subset(const Oracle& oracle)
{
    const ZydisDecodedInstruction& i = oracle.instruction;
    const ZydisDecodedOperand& first = oracle.operands[0];
    const ZydisDecodedOperand& second = oracle.operands[1];
    if (i.encoding != ZYDIS_INSTRUCTION_ENCODING_LEGACY)
        return {};
    if (i.mnemonic == ZYDIS_MNEMONIC_WBINVD) // this Zydis does not know WBNOINVD
        return last_repeat_prefix(i) == 0xf3 ? Operation::Wbnoinvd : Operation::Wbinvd;
    if (auto found = privileged_operations.find(i.mnemonic); found != privileged_operations.end())
        return found->second;
    if (i.mnemonic == ZYDIS_MNEMONIC_MOV) {
        auto class_of = [](const ZydisDecodedOperand& o) {
            return o.type == ZYDIS_OPERAND_TYPE_REGISTER ? ZydisRegisterGetClass(o.reg.value) : ZYDIS_REGCLASS_INVALID;
        };
        if (class_of(first) == ZYDIS_REGCLASS_CONTROL)
            return Operation::MovToCr;
        if (class_of(second) == ZYDIS_REGCLASS_CONTROL)
            return Operation::MovFromCr;
        if (class_of(first) == ZYDIS_REGCLASS_DEBUG)
            return Operation::MovToDr;
        if (class_of(second) == ZYDIS_REGCLASS_DEBUG)
            return Operation::MovFromDr;
    }
    auto found = write_operations.find(i.mnemonic);
    if (found == write_operations.end() || first.type != ZYDIS_OPERAND_TYPE_MEMORY)
        return {};
    bool string = found->second == Operation::Stos || found->second == Operation::Movs;
    if (string ? first.visibility == ZYDIS_OPERAND_VISIBILITY_EXPLICIT : false)
        return {}; // the SSE instruction MOVSD
    bool uses_modrm = (i.attributes & ZYDIS_ATTRIB_HAS_MODRM) != 0;
    if (uses_modrm && i.address_width == 16)
        return {}; // 16-bit addressing
    if (second.type == ZYDIS_OPERAND_TYPE_REGISTER && second.visibility == ZYDIS_OPERAND_VISIBILITY_EXPLICIT &&
        !is_general(second.reg.value))
        return {}; // MOV from a segment register
    return found->second;
}

RegisterNumber number_of(ZydisRegister reg)
{
    if (reg == ZYDIS_REGISTER_NONE)
        return no_register;
    return static_cast<RegisterNumber>(
        ZydisRegisterGetId(ZydisRegisterGetLargestEnclosing(ZYDIS_MACHINE_MODE_LONG_64, reg)));
}

bool is_high_byte(ZydisRegister reg)
{
    return reg == ZYDIS_REGISTER_AH || reg == ZYDIS_REGISTER_CH || reg == ZYDIS_REGISTER_DH || reg == ZYDIS_REGISTER_BH;
}

Segment segment_of(ZydisRegister reg)
{
    switch (reg) {
    case ZYDIS_REGISTER_ES:
        return Segment::Es;
    case ZYDIS_REGISTER_CS:
        return Segment::Cs;
    case ZYDIS_REGISTER_SS:
        return Segment::Ss;
    case ZYDIS_REGISTER_FS:
        return Segment::Fs;
    case ZYDIS_REGISTER_GS:
        return Segment::Gs;
    default:
        return Segment::Ds;
    }
}

void expect_same_memory(const Instruction& ours, const ZydisDecodedOperand& theirs)
{
    const auto& m = theirs.mem;
    bool rip = m.base == ZYDIS_REGISTER_RIP || m.base == ZYDIS_REGISTER_EIP;
    EXPECT_EQ(ours.memory.rip_relative, rip);
    EXPECT_EQ(ours.memory.base, rip ? no_register : number_of(m.base));
    EXPECT_EQ(ours.memory.index, number_of(m.index));
    if (m.index != ZYDIS_REGISTER_NONE) {
        EXPECT_EQ(ours.memory.scale, m.scale);
    }
    unsigned beyond_address = 64 - 8 * ours.address_size;
    EXPECT_EQ(ours.memory.displacement << beyond_address, m.disp.value << beyond_address);
    EXPECT_EQ(ours.memory.segment, segment_of(m.segment));
}

void expect_same_source(const Instruction& ours, const ZydisDecodedOperand& theirs)
{
    if (theirs.type == ZYDIS_OPERAND_TYPE_IMMEDIATE) {
        EXPECT_EQ(ours.source, Source::Immediate);
        unsigned unused_bits = 64 - 8 * ours.operand_size;
        EXPECT_EQ(ours.immediate << unused_bits, theirs.imm.value.u << unused_bits);
    } else {
        ASSERT_EQ(theirs.type, ZYDIS_OPERAND_TYPE_REGISTER);
        EXPECT_EQ(ours.source, Source::Register);
        EXPECT_EQ(ours.high_byte, is_high_byte(theirs.reg.value));
        if (is_high_byte(theirs.reg.value)) {
            EXPECT_EQ(ours.reg, theirs.reg.value - ZYDIS_REGISTER_AH);
        } else {
            EXPECT_EQ(ours.reg, number_of(theirs.reg.value));
        }
    }
}

void expect_same_operands(const Instruction& ours, const Oracle& oracle)
{
    const ZydisDecodedInstruction& i = oracle.instruction;
    const auto* o = oracle.operands;
    EXPECT_EQ(ours.address_size * 8, i.address_width);
    switch (ours.operation) {
    case Operation::In:
        EXPECT_EQ(ours.operand_size * 8, o[0].size);
        if (o[1].type == ZYDIS_OPERAND_TYPE_IMMEDIATE) {
            EXPECT_EQ(ours.immediate, o[1].imm.value.u);
        }
        EXPECT_EQ(ours.source == Source::Immediate, o[1].type == ZYDIS_OPERAND_TYPE_IMMEDIATE);
        break;
    case Operation::Out:
        EXPECT_EQ(ours.operand_size * 8, o[1].size);
        if (o[0].type == ZYDIS_OPERAND_TYPE_IMMEDIATE) {
            EXPECT_EQ(ours.immediate, o[0].imm.value.u);
        }
        EXPECT_EQ(ours.source == Source::Immediate, o[0].type == ZYDIS_OPERAND_TYPE_IMMEDIATE);
        break;
    case Operation::Ins:
    case Operation::Outs: {
        const ZydisDecodedOperand& memory = ours.operation == Operation::Ins ? o[0] : o[1];
        EXPECT_EQ(ours.operand_size * 8, memory.size);
        expect_same_memory(ours, memory);
        if (ours.operation == Operation::Outs) {
            EXPECT_EQ(ours.source_segment, segment_of(memory.mem.segment));
        }
        break;
    }
    case Operation::MovFromCr:
    case Operation::MovFromDr:
        EXPECT_EQ(ours.reg, number_of(o[0].reg.value));
        EXPECT_EQ(ours.system_register, ZydisRegisterGetId(o[1].reg.value));
        EXPECT_EQ(ours.operand_size * 8, o[0].size);
        break;
    case Operation::MovToCr:
    case Operation::MovToDr:
        EXPECT_EQ(ours.system_register, ZydisRegisterGetId(o[0].reg.value));
        EXPECT_EQ(ours.reg, number_of(o[1].reg.value));
        EXPECT_EQ(ours.operand_size * 8, o[1].size);
        break;
    case Operation::Int:
        EXPECT_EQ(ours.immediate, o[0].imm.value.u);
        break;
    case Operation::Stos:
    case Operation::Movs:
        EXPECT_EQ(ours.operand_size * 8, o[0].size);
        expect_same_memory(ours, o[0]);
        if (ours.operation == Operation::Movs) {
            EXPECT_EQ(ours.source_segment, segment_of(o[1].mem.segment));
        }
        break;
    case Operation::Bts:
    case Operation::Btr:
    case Operation::Btc:
        EXPECT_EQ(ours.operand_size * 8, o[0].size);
        expect_same_memory(ours, o[0]);
        if (o[1].type == ZYDIS_OPERAND_TYPE_IMMEDIATE) {
            EXPECT_EQ(ours.source, Source::Immediate);
            EXPECT_EQ(ours.immediate, o[1].imm.value.u % o[0].size);
        } else {
            expect_same_source(ours, o[1]);
        }
        break;
    default:
        if (!writes_memory(ours.operation))
            break;
        EXPECT_EQ(ours.operand_size * 8, o[0].size);
        expect_same_memory(ours, o[0]);
        if (i.operand_count_visible > 1) {
            expect_same_source(ours, o[1]);
        } else {
            EXPECT_EQ(ours.source, Source::None);
        }
    }
}

struct Tally {
    unsigned decoded = 0, refused = 0;
};

/// Zydis 4.0.0 takes R13D for the base of an operand that has none (SIB base 5, mod 0, REX.B, prefix 67); processors
/// and objdump do not. Decode.NoBaseWhateverRexSays stands for these.
bool zydis_is_wrong(const ZydisDecodedInstruction& i)
{
    return i.machine_mode == ZYDIS_MACHINE_MODE_LONG_64 && i.address_width == 32 &&
           (i.attributes & ZYDIS_ATTRIB_HAS_SIB) && i.raw.modrm.mod == 0 && i.raw.sib.base == 5 && i.raw.rex.B;
}

/// One byte string through both decoders.
void compare(const Bytes& bytes, CodeSegment code, const Reference& reference, Tally& tally)
{
    Instruction ours;
    DecodeStatus status = decode(bytes, code, ours);
    Oracle oracle;
    ZyanStatus theirs = reference.decode(bytes, oracle);
    std::optional<Operation> wanted;
    if (ZYAN_SUCCESS(theirs) && zydis_is_wrong(oracle.instruction))
        return;
    if (ZYAN_SUCCESS(theirs))
        wanted = in_subset(oracle);
    if (!wanted) {
        EXPECT_NE(status, DecodeStatus::Decoded) << "Zydis has it outside the subset";
        ++tally.refused;
        return;
    }
    ASSERT_EQ(status, DecodeStatus::Decoded) << ZydisMnemonicGetString(oracle.instruction.mnemonic);
    EXPECT_EQ(ours.operation, *wanted);
    EXPECT_EQ(ours.length, oracle.instruction.length);
    EXPECT_EQ(ours.lock, (oracle.instruction.attributes & ZYDIS_ATTRIB_HAS_LOCK) != 0);
    expect_same_operands(ours, oracle);
    ++tally.decoded;
}

class DecodeAgainstZydis : public testing::TestWithParam<CodeSegment> {
protected:
    /// Appends SIB, displacement and immediate bytes, so that no string is too short.
    void check(Bytes bytes)
    {
        while (bytes.size() < 24)
            bytes.push_back(static_cast<u8>(random_()));
        compare(bytes, GetParam(), reference_, tally_);
        if (HasFailure())
            FAIL() << hex(bytes);
    }

    std::mt19937_64 random_{20221207};
    Reference reference_{GetParam()};
    Tally tally_;
};

// Every opcode of the one-byte and 0F maps with every ModRM, behind each prefix and each REX.
TEST_P(DecodeAgainstZydis, EveryOpcodeAndModRm)
{
    std::vector<Bytes> prefixes = {{}, {0x66}, {0x67}, {0xf0}, {0xf2}, {0xf3}, {0x2e}, {0x36}, {0x65}, {0xf0, 0x66}};
    if (GetParam() == CodeSegment::Long)
        for (Bytes rex : {Bytes{0x40}, {0x41}, {0x42}, {0x44}, {0x48}, {0x4f}, {0x66, 0x48}, {0xf0, 0x49}})
            prefixes.push_back(rex);
    for (const Bytes& prefix : prefixes)
        for (bool two_byte : {false, true})
            for (unsigned opcode = 0; opcode < 256; ++opcode)
                for (unsigned modrm = 0; modrm < 256; ++modrm) {
                    Bytes bytes = prefix;
                    if (two_byte)
                        bytes.push_back(0x0f);
                    bytes.push_back(static_cast<u8>(opcode));
                    bytes.push_back(static_cast<u8>(modrm));
                    ASSERT_NO_FATAL_FAILURE(check(bytes));
                    ASSERT_FALSE(HasFailure());
                }
    EXPECT_GT(tally_.decoded, 50'000u);
}

// Up to six prefixes in any order, REX among them in wrong places too, and then an opcode that we know or any other.
TEST_P(DecodeAgainstZydis, RandomPrefixes)
{
    const Bytes prefixes = {0x66, 0x67, 0xf0, 0xf2, 0xf3, 0x26, 0x2e, 0x36,
                            0x3e, 0x64, 0x65, 0x40, 0x41, 0x48, 0x4c, 0x4f};
    const std::vector<Bytes> opcodes = {{0x00},
                                        {0x01},
                                        {0x09},
                                        {0x11},
                                        {0x18},
                                        {0x20},
                                        {0x29},
                                        {0x31},
                                        {0x6c},
                                        {0x6d},
                                        {0x6e},
                                        {0x6f},
                                        {0x80},
                                        {0x81},
                                        {0x83},
                                        {0x86},
                                        {0x87},
                                        {0x88},
                                        {0x89},
                                        {0xa2},
                                        {0xa3},
                                        {0xa4},
                                        {0xa5},
                                        {0xaa},
                                        {0xab},
                                        {0xc6},
                                        {0xc7},
                                        {0xcd},
                                        {0xe4},
                                        {0xe5},
                                        {0xe6},
                                        {0xe7},
                                        {0xec},
                                        {0xed},
                                        {0xee},
                                        {0xef},
                                        {0xf6},
                                        {0xf7},
                                        {0xfe},
                                        {0xff},
                                        {0xfa},
                                        {0xfb},
                                        {0x0f, 0x06},
                                        {0x0f, 0x09},
                                        {0x0f, 0x20},
                                        {0x0f, 0x21},
                                        {0x0f, 0x22},
                                        {0x0f, 0x23},
                                        {0x0f, 0x30},
                                        {0x0f, 0x31},
                                        {0x0f, 0x32},
                                        {0x0f, 0xa2},
                                        {0x0f, 0xab},
                                        {0x0f, 0xb3},
                                        {0x0f, 0xba},
                                        {0x0f, 0xbb},
                                        {0x0f, 0xb0},
                                        {0x0f, 0xb1},
                                        {0x0f, 0xc0},
                                        {0x0f, 0xc1},
                                        {0x0f, 0xc3},
                                        {0x0f, 0xc7},
                                        {0x0f, 0x01, 0xd1},
                                        {0x0f, 0x01, 0xf9}};
    for (unsigned round = 0; round < 600'000; ++round) {
        Bytes bytes;
        for (u64 count = random_() % 7; count > 0; --count)
            bytes.push_back(prefixes[random_() % prefixes.size()]);
        if (random_() % 8 != 0) {
            const Bytes& opcode = opcodes[random_() % opcodes.size()];
            bytes.insert(bytes.end(), opcode.begin(), opcode.end());
        }
        ASSERT_NO_FATAL_FAILURE(check(bytes));
        ASSERT_FALSE(HasFailure());
    }
    EXPECT_GT(tally_.decoded, 50'000u);
    EXPECT_GT(tally_.refused, 50'000u);
}

TEST_P(DecodeAgainstZydis, RandomBytes)
{
    for (unsigned round = 0; round < 1'000'000; ++round) {
        ASSERT_NO_FATAL_FAILURE(check({}));
        ASSERT_FALSE(HasFailure());
    }
}

INSTANTIATE_TEST_SUITE_P(Modes, DecodeAgainstZydis, testing::Values(CodeSegment::Long, CodeSegment::Compat32),
                         [](const auto& mode) { return mode.param == CodeSegment::Long ? "Long" : "Compat32"; });

Instruction decoded(const Bytes& bytes)
{
    Instruction instruction;
    EXPECT_EQ(decode(bytes, CodeSegment::Long, instruction), DecodeStatus::Decoded) << hex(bytes);
    EXPECT_EQ(instruction.length, bytes.size());
    return instruction;
}

DecodeStatus status_of(const Bytes& bytes, CodeSegment code = CodeSegment::Long)
{
    Instruction instruction;
    return decode(bytes, code, instruction);
}

// The guest's bytes may end at a page that cannot be read: that is a page fault there, not a wrong instruction.
TEST(Decode, EveryProperPrefixOfAnInstructionIsTruncated)
{
    const Bytes instruction = {0xf0, 0x64, 0x48, 0x81, 0x8c, 0xc8, 1,
                               2,    3,    4,    5,    6,    7,    8}; // lock or $..., %fs:..(%rax,%rcx,8)
    for (size_t length = 0; length < instruction.size(); ++length)
        EXPECT_EQ(status_of({instruction.begin(), instruction.begin() + static_cast<long>(length)}),
                  DecodeStatus::Truncated);
    EXPECT_EQ(decoded(instruction).operation, Operation::Or);
}

TEST(Decode, MoreThanFifteenBytesAreTooLong)
{
    Bytes bytes(20, 0x66);
    EXPECT_EQ(status_of(bytes), DecodeStatus::TooLong);
    bytes = Bytes(14, 0x66);
    bytes.push_back(0xfa);
    EXPECT_EQ(decoded(bytes).operation, Operation::Cli);
    bytes.insert(bytes.begin(), 0x66);
    EXPECT_EQ(status_of(bytes), DecodeStatus::TooLong);
}

TEST(Decode, RepeatPrefixesAreTold)
{
    EXPECT_EQ(decoded({0xf3, 0x6c}).repeat, Repeat::Rep);
    EXPECT_EQ(decoded({0xf2, 0x66, 0x6f}).repeat, Repeat::Repne);
    EXPECT_EQ(decoded({0xf3, 0xf2, 0x6f}).repeat, Repeat::Repne);
    EXPECT_EQ(decoded({0xf3, 0x48, 0xab}).repeat, Repeat::Rep);
    EXPECT_EQ(decoded({0x6d}).repeat, Repeat::None);
}

TEST(Decode, LockIsTakenOnlyWhereTheProcessorTakesIt)
{
    EXPECT_TRUE(decoded({0xf0, 0x48, 0x0f, 0xb1, 0x0f}).lock);                   // lock cmpxchg %rcx,(%rdi)
    EXPECT_TRUE(decoded({0xf0, 0x80, 0x27, 0xfd}).lock);                         // lock andb $0xfd,(%rdi)
    EXPECT_EQ(status_of({0xf0, 0x48, 0x89, 0x0f}), DecodeStatus::Refused);       // lock mov
    EXPECT_EQ(status_of({0xf0, 0x48, 0x0f, 0xb1, 0xcf}), DecodeStatus::Refused); // lock cmpxchg %rcx,%rdi
    EXPECT_EQ(status_of({0xf0, 0x0f, 0x22, 0xc0}), DecodeStatus::Refused);       // lock mov %eax,%cr0
}

TEST(Decode, NoBaseWhateverRexSays)
{
    for (u8 rex : {0x4e, 0x4f}) { // or %r10,-0x232c61ae(,%r10d,8)
        Instruction instruction = decoded({0x67, rex, 0x09, 0x14, 0xd5, 0x52, 0x9e, 0xd3, 0xdc});
        EXPECT_EQ(instruction.memory.base, no_register);
        EXPECT_EQ(instruction.memory.index, 10);
        EXPECT_EQ(instruction.memory.displacement, -0x232c61ae);
        EXPECT_FALSE(instruction.memory.rip_relative);
    }
}

TEST(Decode, SixteenBitAddressesAreRefused)
{
    EXPECT_EQ(status_of({0x67, 0x89, 0x07}, CodeSegment::Compat32), DecodeStatus::Refused);
    EXPECT_EQ(status_of({0x67, 0xab}, CodeSegment::Compat32), DecodeStatus::Decoded);
}

}
