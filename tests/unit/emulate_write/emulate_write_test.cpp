// The effect of memory-writing instructions against the processor itself: each is run natively on real memory and
// registers, and worked out by us, and memory, registers and flags must come out alike.

#include "hypervisor/arch/x86_64/emulate_write.hpp"

#include <gtest/gtest.h>
#include <sys/mman.h>

#include <cstring>
#include <iomanip>
#include <random>
#include <sstream>
#include <vector>

using xylem::GuestRegs;
using xylem::i64;
using xylem::u16;
using xylem::u32;
using xylem::u64;
using xylem::u8;
using namespace xylem::x86;

// The trampoline: loads all general registers (but rsp) and the flags from xylem_native_regs, in the order of
// instruction numbers, calls xylem_native_code, and stores them back.
extern "C" {
extern u64 xylem_native_regs[17]; // [4] is unused, [16] are the flags
extern void* xylem_native_code;
void xylem_native_run();
}

asm(R"(
    .data
    .balign 8
    .globl xylem_native_regs, xylem_native_code
xylem_native_regs: .fill 17, 8, 0
xylem_native_code: .quad 0
xylem_native_stack: .quad 0
    .text
    .globl xylem_native_run
    .type xylem_native_run, @function
xylem_native_run:
    push %rbx
    push %rbp
    push %r12
    push %r13
    push %r14
    push %r15
    push 16*8+xylem_native_regs(%rip)
    mov 0*8+xylem_native_regs(%rip), %rax
    mov 1*8+xylem_native_regs(%rip), %rcx
    mov 2*8+xylem_native_regs(%rip), %rdx
    mov 3*8+xylem_native_regs(%rip), %rbx
    mov 5*8+xylem_native_regs(%rip), %rbp
    mov 6*8+xylem_native_regs(%rip), %rsi
    mov 7*8+xylem_native_regs(%rip), %rdi
    mov 8*8+xylem_native_regs(%rip), %r8
    mov 9*8+xylem_native_regs(%rip), %r9
    mov 10*8+xylem_native_regs(%rip), %r10
    mov 11*8+xylem_native_regs(%rip), %r11
    mov 12*8+xylem_native_regs(%rip), %r12
    mov 13*8+xylem_native_regs(%rip), %r13
    mov 14*8+xylem_native_regs(%rip), %r14
    mov 15*8+xylem_native_regs(%rip), %r15
    popf
    call *xylem_native_code(%rip)
    mov %rax, 0*8+xylem_native_regs(%rip)
    mov %rcx, 1*8+xylem_native_regs(%rip)
    mov %rdx, 2*8+xylem_native_regs(%rip)
    mov %rbx, 3*8+xylem_native_regs(%rip)
    mov %rbp, 5*8+xylem_native_regs(%rip)
    mov %rsi, 6*8+xylem_native_regs(%rip)
    mov %rdi, 7*8+xylem_native_regs(%rip)
    mov %r8, 8*8+xylem_native_regs(%rip)
    mov %r9, 9*8+xylem_native_regs(%rip)
    mov %r10, 10*8+xylem_native_regs(%rip)
    mov %r11, 11*8+xylem_native_regs(%rip)
    mov %r12, 12*8+xylem_native_regs(%rip)
    mov %r13, 13*8+xylem_native_regs(%rip)
    mov %r14, 14*8+xylem_native_regs(%rip)
    mov %r15, 15*8+xylem_native_regs(%rip)
    pushf
    pop 16*8+xylem_native_regs(%rip)
    cld
    pop %r15
    pop %r14
    pop %r13
    pop %r12
    pop %rbp
    pop %rbx
    ret
    .size xylem_native_run, . - xylem_native_run
)");

namespace {

using Bytes = std::vector<u8>;

constexpr u64 carry = 1, parity = 4, adjust = 0x10, zero = 0x40, sign = 0x80, direction = 0x400, overflow = 0x800;
constexpr u64 status_flags = carry | parity | adjust | zero | sign | overflow;
constexpr size_t buffer_bytes = 64 * 1024;

u64 GuestRegs::*const by_number[16] = {&GuestRegs::rax, &GuestRegs::rcx, &GuestRegs::rdx, &GuestRegs::rbx,
                                       &GuestRegs::rsp, &GuestRegs::rbp, &GuestRegs::rsi, &GuestRegs::rdi,
                                       &GuestRegs::r8,  &GuestRegs::r9,  &GuestRegs::r10, &GuestRegs::r11,
                                       &GuestRegs::r12, &GuestRegs::r13, &GuestRegs::r14, &GuestRegs::r15};

std::string hex(const Bytes& bytes)
{
    std::ostringstream text;
    for (u8 byte : bytes)
        text << std::hex << std::setw(2) << std::setfill('0') << unsigned{byte} << ' ';
    return text.str();
}

/// Code and data in the lowest 2 GiB, so that 32-bit addresses reach them, too.
class EmulateWrite : public testing::Test {
protected:
    void SetUp() override
    {
        void* at = mmap(nullptr, 4096 + 2 * buffer_bytes, PROT_READ | PROT_WRITE | PROT_EXEC,
                        MAP_PRIVATE | MAP_ANONYMOUS | MAP_32BIT, -1, 0);
        ASSERT_NE(at, MAP_FAILED);
        code_ = static_cast<u8*>(at);
        buffer_ = code_ + 4096;
        source_ = buffer_ + buffer_bytes;
    }
    void TearDown() override { munmap(code_, 4096 + 2 * buffer_bytes); }

    u64 random() { return random_(); }
    /// Numbers near the edges come often.
    u64 operand()
    {
        const u64 edges[] = {0,
                             1,
                             2,
                             0x7f,
                             0x80,
                             0xff,
                             0x7fff,
                             0x8000,
                             0xffff,
                             0x7fffffff,
                             0x80000000,
                             0xffffffff,
                             0x7fffffffffffffff,
                             0x8000000000000000,
                             ~u64{0}};
        return random() % 3 == 0 ? edges[random() % std::size(edges)] : random() >> random() % 64;
    }
    u64 address() const { return reinterpret_cast<u64>(buffer_) + buffer_bytes / 2; }

    /// Registers with random contents; the caller lets those of the address point into the buffer.
    GuestRegs random_regs()
    {
        GuestRegs regs{};
        for (auto member : by_number)
            regs.*member = operand();
        regs.rip = reinterpret_cast<u64>(code_);
        regs.rflags = 0x202 | (random() & status_flags);
        return regs;
    }

    /// Runs `bytes` both ways. `undefined` are flags that the manual leaves open.
    void run(const Bytes& bytes, const GuestRegs& start, u64 undefined = 0)
    {
        Instruction instruction;
        ASSERT_EQ(decode(bytes, CodeSegment::Long, instruction), DecodeStatus::Decoded) << hex(bytes);
        ASSERT_EQ(instruction.length, bytes.size());
        GuestRegs ours = start, theirs = start;
        Bytes expected = emulate(instruction, ours);
        ASSERT_FALSE(HasFatalFailure());
        execute(bytes, theirs);
        theirs.rip += bytes.size();

        for (unsigned n = 0; n < 16; ++n)
            ASSERT_EQ(ours.*by_number[n], theirs.*by_number[n]) << "register " << n << " of " << hex(bytes);
        ASSERT_EQ(ours.rflags & ~undefined, theirs.rflags & ~undefined) << hex(bytes);
        ASSERT_EQ(ours.rip, theirs.rip) << hex(bytes);
        ASSERT_EQ(std::memcmp(expected.data(), buffer_, buffer_bytes), 0) << "memory after " << hex(bytes);
    }

private:
    /// @return the buffer as it should be; `regs` as they should be
    Bytes emulate(const Instruction& instruction, GuestRegs& regs)
    {
        Bytes memory(buffer_, buffer_ + buffer_bytes);
        // A repeated instruction is emulated once per write.
        for (u64 rip = regs.rip; regs.rip == rip;) {
            u64 at = destination_address(instruction, regs, {}) - reinterpret_cast<u64>(buffer_);
            u64 from = source_address(instruction, regs, {}) - reinterpret_cast<u64>(source_);
            bool inside = at <= buffer_bytes - 8;
            u64 old = 0, source = 0;
            if (inside && reads_destination(instruction))
                std::memcpy(&old, &memory[at], instruction.operand_size);
            if (instruction.operation == Operation::Movs && from <= buffer_bytes - 8)
                std::memcpy(&source, source_ + from, instruction.operand_size);
            WriteEffect effect = evaluate_write(instruction, regs, old, source);
            EXPECT_TRUE(effect.valid);
            if (effect.stores) {
                EXPECT_TRUE(inside) << std::hex << at;
                if (!inside)
                    return memory;
                std::memcpy(&memory[at], &effect.value, instruction.operand_size);
            }
            complete_write(instruction, regs, effect);
        }
        return memory;
    }

    void execute(const Bytes& bytes, GuestRegs& regs)
    {
        std::memcpy(code_, bytes.data(), bytes.size());
        code_[bytes.size()] = 0xc3;
        for (unsigned n = 0; n < 16; ++n)
            xylem_native_regs[n] = regs.*by_number[n];
        xylem_native_regs[16] = regs.rflags;
        xylem_native_code = code_;
        xylem_native_run();
        for (unsigned n = 0; n < 16; ++n)
            if (n != reg_rsp)
                regs.*by_number[n] = xylem_native_regs[n];
        regs.rflags = xylem_native_regs[16];
    }

protected:
    u8* code_ = nullptr;
    u8* buffer_ = nullptr;
    u8* source_ = nullptr;
    std::mt19937_64 random_{42};
};

/// Prefixes that make one opcode an instruction of 2, 4 or 8 bytes.
Bytes sized(unsigned size, Bytes opcode, u8 rex = 0)
{
    Bytes result;
    if (size == 2)
        result.push_back(0x66);
    if (size == 8)
        rex |= 0x48;
    if (rex)
        result.push_back(rex | 0x40);
    result.insert(result.end(), opcode.begin(), opcode.end());
    return result;
}

struct Form {
    const char* name;
    Bytes byte_opcode, opcode; // for 1 byte, and for 2, 4, 8
    u64 undefined;
};

// op r/m, r: every register as source, high bytes too.
TEST_F(EmulateWrite, RegisterToMemory)
{
    const Form forms[] = {
        {"mov", {0x88}, {0x89}, 0},
        {"xchg", {0x86}, {0x87}, 0},
        {"add", {0x00}, {0x01}, 0},
        {"adc", {0x10}, {0x11}, 0},
        {"sub", {0x28}, {0x29}, 0},
        {"sbb", {0x18}, {0x19}, 0},
        {"and", {0x20}, {0x21}, adjust},
        {"or", {0x08}, {0x09}, adjust},
        {"xor", {0x30}, {0x31}, adjust},
        {"cmpxchg", {0x0f, 0xb0}, {0x0f, 0xb1}, 0},
        {"xadd", {0x0f, 0xc0}, {0x0f, 0xc1}, 0},
    };
    for (const Form& form : forms)
        for (unsigned size : {1u, 2u, 4u, 8u})
            for (unsigned round = 0; round < 1500; ++round) {
                SCOPED_TRACE(form.name);
                u8 reg = static_cast<u8>(random() % 16);
                bool rex = size == 1 && random() % 2;
                if (reg == reg_rsp && (size != 1 || rex)) // rsp has no random value
                    reg = reg_rdx;
                if (size == 1 && !rex)
                    reg &= 7;
                Bytes opcode = size == 1 ? form.byte_opcode : form.opcode;
                opcode.push_back(static_cast<u8>((reg & 7) << 3 | reg_rdi));
                Bytes bytes = sized(size, opcode, static_cast<u8>((rex || reg > 7 ? 0x40 : 0) | (reg > 7 ? 4 : 0)));
                if (form.name != std::string("mov") && random() % 2)
                    bytes.insert(bytes.begin(), 0xf0);
                GuestRegs regs = random_regs();
                regs.rdi = address();
                u64 value = operand();
                if (round % 3 == 0)
                    value = regs.rax; // CMPXCHG finds it equal
                std::memcpy(buffer_ + buffer_bytes / 2, &value, 8);
                ASSERT_NO_FATAL_FAILURE(run(bytes, regs, form.undefined));
                ASSERT_FALSE(HasFailure());
            }
}

TEST_F(EmulateWrite, ImmediateToMemory)
{
    for (unsigned operation = 0; operation < 8; ++operation) // the seven of group 1, and MOV
        for (unsigned size : {1u, 2u, 4u, 8u})
            for (unsigned round = 0; round < 500; ++round) {
                bool mov = operation == 7;
                bool short_form = !mov && size > 1 && random() % 2;
                Bytes opcode = {static_cast<u8>(mov          ? (size == 1 ? 0xc6 : 0xc7)
                                                : size == 1  ? 0x80
                                                : short_form ? 0x83
                                                             : 0x81),
                                static_cast<u8>((mov ? 0 : operation) << 3 | reg_rdi)};
                u64 immediate = operand();
                for (unsigned i = 0; i < (short_form ? 1 : std::min(size, 4u)); ++i)
                    opcode.push_back(static_cast<u8>(immediate >> (8 * i)));
                GuestRegs regs = random_regs();
                regs.rdi = address();
                u64 value = operand();
                std::memcpy(buffer_ + buffer_bytes / 2, &value, 8);
                bool logic = operation == 1 || operation == 4 || operation == 6;
                ASSERT_NO_FATAL_FAILURE(run(sized(size, opcode), regs, logic ? adjust : 0));
                ASSERT_FALSE(HasFailure());
            }
}

TEST_F(EmulateWrite, OneOperand)
{
    struct Unary {
        u8 opcode, reg;
    };
    for (Unary unary : {Unary{0xfe, 0}, {0xfe, 1}, {0xf6, 2}, {0xf6, 3}}) // INC DEC NOT NEG
        for (unsigned size : {1u, 2u, 4u, 8u})
            for (unsigned round = 0; round < 500; ++round) {
                u8 opcode = static_cast<u8>(unary.opcode | (size != 1));
                Bytes bytes = sized(size, {opcode, static_cast<u8>(unary.reg << 3 | reg_rdi)});
                if (round % 2)
                    bytes.insert(bytes.begin(), 0xf0);
                GuestRegs regs = random_regs();
                regs.rdi = address();
                u64 value = operand();
                std::memcpy(buffer_ + buffer_bytes / 2, &value, 8);
                ASSERT_NO_FATAL_FAILURE(run(bytes, regs));
                ASSERT_FALSE(HasFailure());
            }
}

// A bit number in a register reaches before and behind the operand that is named.
TEST_F(EmulateWrite, BitOperations)
{
    const u64 undefined = overflow | sign | adjust | parity;
    for (unsigned operation = 5; operation < 8; ++operation)
        for (unsigned size : {2u, 4u, 8u})
            for (unsigned round = 0; round < 1500; ++round) {
                GuestRegs regs = random_regs();
                regs.rdi = address();
                const u8 register_forms[] = {0xab, 0xb3, 0xbb};
                Bytes opcode;
                if (round % 3 == 0) {
                    opcode = {0x0f, 0xba, static_cast<u8>(operation << 3 | reg_rdi), static_cast<u8>(random())};
                } else {
                    opcode = {0x0f, register_forms[operation - 5], static_cast<u8>(reg_rcx << 3 | reg_rdi)};
                    i64 reach = size == 2 ? 0x7ff0 : 8 * (buffer_bytes / 2 - 64);
                    i64 bit = static_cast<i64>(random() % static_cast<u64>(2 * reach)) - reach;
                    // Bits beyond the operand's size must not count.
                    u64 kept = size == 8 ? ~u64{0} : (u64{1} << (8 * size)) - 1;
                    regs.rcx = (static_cast<u64>(bit) & kept) | (random() & ~kept);
                }
                Bytes bytes = sized(size, opcode);
                if (round % 2)
                    bytes.insert(bytes.begin(), 0xf0);
                ASSERT_NO_FATAL_FAILURE(run(bytes, regs, undefined));
                ASSERT_FALSE(HasFailure());
            }
}

TEST_F(EmulateWrite, CompareExchangeOfEightBytes)
{
    for (unsigned round = 0; round < 1000; ++round) {
        GuestRegs regs = random_regs();
        regs.rdi = address();
        u64 value = round % 2 ? regs.rdx << 32 | (regs.rax & 0xffffffff) : operand();
        std::memcpy(buffer_ + buffer_bytes / 2, &value, 8);
        Bytes bytes = {0x0f, 0xc7, 0x0f};
        if (round % 4 < 2)
            bytes.insert(bytes.begin(), 0xf0);
        ASSERT_NO_FATAL_FAILURE(run(bytes, regs));
        ASSERT_FALSE(HasFailure());
    }
}

TEST_F(EmulateWrite, CompareExchangeOfSixteenBytesIsNotOurs)
{
    Instruction instruction;
    const u8 bytes[] = {0x48, 0x0f, 0xc7, 0x0f};
    ASSERT_EQ(decode(bytes, CodeSegment::Long, instruction), DecodeStatus::Decoded);
    EXPECT_FALSE(evaluate_write(instruction, random_regs(), 0).valid);
}

// Single and repeated, up and down, with 64- and 32-bit addresses and counts.
TEST_F(EmulateWrite, Strings)
{
    for (u64 i = 0; i < buffer_bytes; ++i)
        source_[i] = static_cast<u8>(random());
    for (bool movs : {false, true})
        for (unsigned size : {1u, 2u, 4u, 8u})
            for (unsigned round = 0; round < 300; ++round) {
                Bytes bytes = sized(size, {static_cast<u8>((movs ? 0xa4 : 0xaa) | (size != 1))});
                bool repeated = round % 2, narrow = round % 3 == 0;
                if (repeated)
                    bytes.insert(bytes.begin(), round % 4 == 1 ? 0xf3 : 0xf2);
                if (narrow)
                    bytes.insert(bytes.begin(), 0x67);
                GuestRegs regs = random_regs();
                regs.rdi = address();
                regs.rsi = reinterpret_cast<u64>(source_) + buffer_bytes / 2 + random() % 64;
                if (repeated)
                    regs.rcx = narrow ? 1 + random() % 20 : random() % 20;
                if (narrow) // what lies beyond 32 bits must not count
                    for (auto member : {&GuestRegs::rdi, &GuestRegs::rsi, &GuestRegs::rcx})
                        regs.*member |= random() << 32;
                if (random() % 2)
                    regs.rflags |= direction;
                ASSERT_NO_FATAL_FAILURE(run(bytes, regs));
                ASSERT_FALSE(HasFailure());
            }
}

// Base, index, scale and displacement of every shape, with 64- and 32-bit addresses.
TEST_F(EmulateWrite, Addresses)
{
    for (unsigned round = 0; round < 20'000; ++round) {
        u8 base = static_cast<u8>(random() % 16), index = static_cast<u8>(random() % 16), scale = random() % 4;
        if (base == reg_rsp || index == base || index == reg_rsp)
            continue;
        bool narrow = random() % 2;
        unsigned mod = 1 + random() % 2;
        i64 displacement = mod == 1 ? static_cast<signed char>(random()) : static_cast<i64>(static_cast<int>(random()));
        GuestRegs regs = random_regs();
        regs.*by_number[base] = address() - (regs.*by_number[index] << scale) - static_cast<u64>(displacement);
        if (narrow) // what lies beyond 32 bits must not count
            regs.*by_number[base] ^= random() << 32;
        Bytes bytes;
        if (narrow)
            bytes.push_back(0x67);
        // orq $0x5a, displacement(base,index,scale)
        bytes.insert(bytes.end(), {static_cast<u8>(0x48 | (index > 7 ? 2 : 0) | (base > 7 ? 1 : 0)), 0x83,
                                   static_cast<u8>(mod << 6 | 1 << 3 | 4),
                                   static_cast<u8>(scale << 6 | (index & 7) << 3 | (base & 7))});
        for (unsigned i = 0; i < (mod == 1 ? 1 : 4); ++i)
            bytes.push_back(static_cast<u8>(displacement >> (8 * i)));
        bytes.push_back(0x5a);
        ASSERT_NO_FATAL_FAILURE(run(bytes, regs, adjust));
        ASSERT_FALSE(HasFailure());
    }
    // Relative to the instruction's end, behind which an immediate lies.
    i64 distance = static_cast<i64>(address()) - reinterpret_cast<i64>(code_) - 8;
    Bytes bytes = {0x48, 0x83, 0x0d};
    for (unsigned i = 0; i < 4; ++i)
        bytes.push_back(static_cast<u8>(distance >> (8 * i)));
    bytes.push_back(0x11);
    ASSERT_NO_FATAL_FAILURE(run(bytes, random_regs(), adjust));
}

TEST_F(EmulateWrite, SegmentBasesAreAdded)
{
    auto address_of = [&](const Bytes& bytes, GuestRegs regs) {
        Instruction instruction;
        EXPECT_EQ(decode(bytes, CodeSegment::Long, instruction), DecodeStatus::Decoded);
        return destination_address(instruction, regs, {.fs = 0x1000'0000'0000, .gs = 0xffff'8880'0000'0000});
    };
    GuestRegs regs{};
    regs.rdi = 0x1234;
    EXPECT_EQ(address_of({0x48, 0x89, 0x07}, regs), 0x1234u);
    EXPECT_EQ(address_of({0x64, 0x48, 0x89, 0x07}, regs), 0x1000'0000'1234u);
    EXPECT_EQ(address_of({0x65, 0x48, 0x89, 0x07}, regs), 0xffff'8880'0000'1234u);
    EXPECT_EQ(address_of({0x3e, 0x48, 0x89, 0x07}, regs), 0x1234u);
    EXPECT_EQ(address_of({0x65, 0x48, 0xab}, regs), 0x1234u); // STOS writes by ES alone
}

}
