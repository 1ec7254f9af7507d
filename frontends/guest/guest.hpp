// The mini kernel that small guests run in: it boots as a dom0 or as a domU, has a console, exceptions, page tables by
// hypercall, and a clean end. A program is one main.cpp with `void xylem_main()`: see frontends/programs/ for some, and
// tests/guest/ for many. What else there is has headers of its own, in the order in which one needs them:
//
//   memory.hpp   pages, heap          events.hpp   event channels     tasks.hpp   tasks, waiting
//   time.hpp     clocks               grants.hpp   grants             vcpus.hpp   several vCPUs
//   drivers.hpp  the store, and what frontends/{block,net,...} need   control.hpp shutdown as the toolstack orders it
#pragma once

#include "frontends/guest/hypercall.hpp"
#include "hypervisor/abi/mmu.hpp"
#include "hypervisor/abi/sched.hpp"
#include "hypervisor/abi/shared_info.hpp"
#include "hypervisor/abi/start_info.hpp"
#include "hypervisor/abi/trap.hpp"
#include "hypervisor/abi/x86_64/layout.hpp"
#include "hypervisor/abi/x86_64/pte.hpp"
#include "hypervisor/base/format.hpp"
#include "hypervisor/base/types.hpp"

#include <stddef.h>

/// The program. When it returns, the guest powers off.
void xylem_main();

namespace xylem::guest {

// ---- Start ---------------------------------------------------------------------------------------------------------

abi::StartInfo& start_info();
abi::SharedInfo& shared_info(); ///< mapped at start
/// The word after `name` on the command line ("disk=" finds 51712 in "disk=51712"). @return false  there is none, or it
/// does not fit
bool find_argument(const char* name, char* out, size_t capacity);
bool is_dom0();
/// Whether the hypervisor is Xylem (else it is Xen): for what is known to differ, and written down.
bool on_xylem();

// ---- Console -------------------------------------------------------------------------------------------------------

/// Writes to the console: as dom0 by console_io, else through the ring of start_info.
void write_console(const char* text, size_t length);
/// Takes what was typed. @return bytes, 0 if there are none; what comes later ends a wait (tasks.hpp) of a domU
size_t read_console(char* buffer, size_t capacity);
template <typename... Args> void print(const char* format, const Args&... args)
{
    char text[256];
    const size_t length = format_to(text, sizeof text, format, args...);
    write_console(text, length);
}

// ---- End -----------------------------------------------------------------------------------------------------------

[[noreturn]] void shut_down(abi::ShutdownReason reason);

// ---- Exceptions ----------------------------------------------------------------------------------------------------

/// What stands on the stack when guest_trap() is called.
struct TrapFrame {
    u64 r15, r14, r13, r12, rbp, rbx, r11, r10, r9, r8, rax, rcx, rdx, rsi, rdi;
    u64 vector, error_code, rip, cs, rflags, rsp, ss;
    bool from_user() const { return (cs & 3) == 3; }
};

inline constexpr u64 vector_event = 0x100, vector_syscall = 0x101, vector_failsafe = 0x102;

/// @return whether the frame may be resumed; otherwise the guest reports the exception and ends
using TrapHandler = bool (*)(TrapFrame& frame);
/// Replaces the handler of a vector (below 256, or one of the three above). Null: none.
void set_trap_handler(u64 vector, TrapHandler handler);

/// What became of an instruction that may fault.
struct Fault {
    bool faulted = false;
    u64 vector = 0, error_code = 0, address = 0; ///< address: of a page fault
};
/// Reads or writes 8 bytes, and tells of the fault instead of dying of it.
Fault try_read(const volatile void* address, u64& value);
Fault try_write(volatile void* address, u64 value);
/// The fault that the instruction between the labels of a TRY_INSTRUCTION had.
Fault take_fault();

/// Runs one instruction (a string of assembly, with operands) and tells of its fault.
#define TRY_INSTRUCTION(text, ...)                                                                                     \
    ({                                                                                                                 \
        asm volatile("1: " text "\n"                                                                                   \
                     "2:\n"                                                                                            \
                     ".pushsection .guest_fixups, \"a\"\n"                                                             \
                     ".quad 1b, 2b\n"                                                                                  \
                     ".popsection\n" __VA_ARGS__);                                                                     \
        ::xylem::guest::take_fault();                                                                                  \
    })

// ---- Memory --------------------------------------------------------------------------------------------------------

inline constexpr u64 virtual_base = 0xffffffff80000000;

template <typename T = void> T* address_of_pfn(u64 pfn)
{
    return reinterpret_cast<T*>(virtual_base + (pfn << page_shift));
}
inline u64 pfn_of(const void* address)
{
    return (reinterpret_cast<u64>(address) - virtual_base) >> page_shift;
}
/// The p2m list as the builder made it, and the M2P.
u64 mfn_of_pfn(u64 pfn);
u64 pfn_of_mfn(u64 mfn);
inline u64 mfn_of_address(const void* address)
{
    return mfn_of_pfn(pfn_of(address));
}

/// A zeroed page that nothing else uses, from behind the image; never given back.
void* allocate_page();
/// The page-table entry (level 1 to 4) for an address, as the guest can read it; null if a level above is missing.
u64* entry_of(const void* address, unsigned level = 1);
/// The machine address of that entry, for mmu_update.
u64 machine_address_of_entry(const void* address, unsigned level = 1);

inline constexpr u64 kernel_page = abi::pte::present | abi::pte::writable | abi::pte::accessed | abi::pte::dirty;
inline constexpr u64 read_only_page = abi::pte::present | abi::pte::accessed;
inline constexpr u64 user_page = kernel_page | abi::pte::user;

int64_t update_va_mapping(const void* address, u64 entry, u64 flags = abi::uvmf_tlb_flush | abi::uvmf_all);
/// One mmu_update. `machine_address` includes the command in its low bits.
int64_t mmu_update(u64 machine_address, u64 value, u64 foreigndom = abi::domid_self);
int64_t mmuext(abi::MmuextCmd cmd, u64 arg1 = 0, u64 arg2 = 0, u64 foreigndom = abi::domid_self);
int64_t make_read_only(const void* page);
int64_t make_writable(const void* page);

}
