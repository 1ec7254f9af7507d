// The table of function names that the build appends (tools/symbols.py), and the walk of frame pointers.

#include "hypervisor/arch/x86_64/symbols.hpp"

#include "hypervisor/arch/x86_64/layout.hpp"
#include "hypervisor/core/log.hpp"

extern "C" {
extern const xylem::u64 symbol_count;
extern const xylem::u32 symbol_offsets[], symbol_names[];
extern const char symbol_text[];
extern const char text_start[], text_end[];
}

namespace xylem::arch {

Symbol find_symbol(u64 address)
{
    if (symbol_count == 0 || address < reinterpret_cast<u64>(text_start) || address >= reinterpret_cast<u64>(text_end))
        return {nullptr, 0};
    const u64 offset = address - LAYOUT_IMAGE;
    u64 low = 0, high = symbol_count;
    while (high - low > 1) {
        const u64 middle = (low + high) / 2;
        (symbol_offsets[middle] <= offset ? low : high) = middle;
    }
    return {symbol_text + symbol_names[low], offset - symbol_offsets[low]};
}

static void log_frame(u64 rip)
{
    const Symbol symbol = find_symbol(rip);
    if (symbol.name)
        log(LogLevel::error, "  {:x} {}+{:x}", rip, symbol.name, symbol.offset);
    else
        log(LogLevel::error, "  {:x}", rip);
}

void log_backtrace(u64 rip, u64 rbp)
{
    log(LogLevel::error, "Call trace:");
    log_frame(rip);
    // Frames go up within one stack: a pointer that leaves it is no frame.
    const u64 top = (rbp | (CPU_BLOCK_SIZE - 1)) - 16;
    for (unsigned depth = 0; depth < 32 && rbp % 8 == 0 && rbp >= LAYOUT_M2P && rbp < top; ++depth) {
        const u64* frame = reinterpret_cast<const u64*>(rbp);
        if (frame[1] < reinterpret_cast<u64>(text_start) || frame[1] >= reinterpret_cast<u64>(text_end))
            return;
        log_frame(frame[1]);
        if (frame[0] <= rbp)
            return;
        rbp = frame[0];
    }
}

}
