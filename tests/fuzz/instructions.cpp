// A guest's instructions, one after the other: decoded, and those that write memory worked out. Zydis must agree on the
// length of what we take on, and every shorter piece of it must be told for a piece.
#include "hypervisor/arch/x86_64/emulate_write.hpp"
#include "tests/fuzz/target.hpp"

#include <Zydis/Zydis.h>
#include <gtest/gtest.h>

using namespace xylem;
using namespace xylem::x86;

static ZydisDecoder oracle_for(CodeSegment code)
{
    ZydisDecoder decoder;
    const bool is_long = code == CodeSegment::Long;
    ZydisDecoderInit(&decoder, is_long ? ZYDIS_MACHINE_MODE_LONG_64 : ZYDIS_MACHINE_MODE_LONG_COMPAT_32,
                     is_long ? ZYDIS_STACK_WIDTH_64 : ZYDIS_STACK_WIDTH_32);
    return decoder;
}

static unsigned step(const ZydisDecoder& oracle, std::span<const u8> bytes, CodeSegment code, GuestRegs& regs)
{
    Instruction instruction;
    if (decode(bytes, code, instruction) != DecodeStatus::Decoded)
        return 1;
    EXPECT_GE(instruction.length, 1);
    EXPECT_LE(instruction.length, max_instruction_bytes);
    EXPECT_LE(instruction.length, bytes.size());
    ZydisDecodedInstruction theirs;
    ZydisDecodedOperand operands[ZYDIS_MAX_OPERAND_COUNT];
    const auto known = ZydisDecoderDecodeFull(&oracle, bytes.data(), bytes.size(), &theirs, operands);
    EXPECT_TRUE(ZYAN_SUCCESS(known));
    EXPECT_EQ(theirs.length, instruction.length);
    for (std::size_t shorter = 0; shorter < instruction.length; ++shorter) {
        Instruction piece;
        EXPECT_EQ(decode(bytes.first(shorter), code, piece), DecodeStatus::Truncated);
    }
    if (writes_memory(instruction.operation)) {
        (void)destination_address(instruction, regs, {});
        const WriteEffect effect = evaluate_write(instruction, regs, regs.rax ^ bytes[0], regs.rdx);
        if (effect.valid)
            complete_write(instruction, regs, effect);
    }
    return instruction.length;
}

FUZZ_TARGET(instructions)
{
    static const ZydisDecoder oracles[] = {oracle_for(CodeSegment::Long), oracle_for(CodeSegment::Compat32)};
    if (input.empty())
        return;
    const unsigned compat = input[0] & 1;
    GuestRegs regs{};
    for (std::span<const u8> rest = input.subspan(1); !rest.empty() && !testing::Test::HasFailure();)
        rest = rest.subspan(step(oracles[compat], rest, compat ? CodeSegment::Compat32 : CodeSegment::Long, regs));
}
