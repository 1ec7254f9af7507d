// Characters into the text buffer, scrolling by copying.

#include "hypervisor/arch/x86_64/vga.hpp"

#include "hypervisor/arch/x86_64/io.hpp"

namespace xylem::arch {
namespace {

constexpr unsigned rows = 25, columns = 80;
constexpr u16 blank = 0x0720;
constexpr u16 light_grey = 0x0700;

void set_cursor(unsigned position)
{
    out8(0x3d4, 14);
    out8(0x3d5, static_cast<u8>(position >> 8));
    out8(0x3d4, 15);
    out8(0x3d5, static_cast<u8>(position));
}

}

void VgaText::initialise(volatile u16* memory)
{
    if (memory_)
        return;
    memory_ = memory;
    row_ = column_ = 0;
    for (unsigned i = 0; i < rows * columns; ++i)
        memory_[i] = blank;
}

u8 VgaText::release()
{
    memory_ = nullptr;
    return static_cast<u8>(row_);
}

void VgaText::put(char c)
{
    if (!memory_ || c == '\r')
        return;
    if (c == '\n' || column_ == columns)
        new_line();
    if (c != '\n')
        memory_[row_ * columns + column_++] = light_grey | static_cast<u8>(c);
    if (c == '\n')
        set_cursor(row_ * columns + column_);
}

void VgaText::new_line()
{
    column_ = 0;
    if (++row_ < rows)
        return;
    row_ = rows - 1;
    for (unsigned i = 0; i < (rows - 1) * columns; ++i)
        memory_[i] = memory_[i + columns];
    for (unsigned i = 0; i < columns; ++i)
        memory_[(rows - 1) * columns + i] = blank;
}

}
