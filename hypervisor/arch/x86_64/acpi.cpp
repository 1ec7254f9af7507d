// Walks RSDP -> XSDT or RSDT -> tables. Field offsets are those of the ACPI specification, 6.4, chapter 5.2.

#include "hypervisor/arch/x86_64/acpi.hpp"

#include <string.h>

namespace xylem::arch {
namespace {

constexpr u64 header_bytes = 36;
constexpr u64 most_table_bytes = u64{1} << 20;

/// A table's bytes; what lies outside reads as zero.
class Table {
public:
    Table(const u8* bytes, u64 length) : bytes_(bytes), length_(length) {}
    u64 length() const { return length_; }
    template <typename T> T at(u64 offset) const
    {
        T value{};
        if (offset <= length_ && length_ - offset >= sizeof(T))
            memcpy(&value, bytes_ + offset, sizeof(T));
        return value;
    }
    bool is(const char* signature) const { return length_ >= header_bytes && memcmp(bytes_, signature, 4) == 0; }

private:
    const u8* bytes_;
    u64 length_;
};

bool sums_to_zero(const u8* bytes, u64 count)
{
    u8 sum = 0;
    for (u64 i = 0; i < count; ++i)
        sum = static_cast<u8>(sum + bytes[i]);
    return sum == 0;
}

/// @return an empty table if it cannot be read or its checksum is wrong.
Table map_table(u64 address, MapTable map)
{
    const u8* header = address ? map(MachineAddress(address), header_bytes) : nullptr;
    if (!header)
        return {nullptr, 0};
    const u32 length = Table(header, header_bytes).at<u32>(4);
    if (length < header_bytes || length > most_table_bytes)
        return {nullptr, 0};
    const u8* whole = map(MachineAddress(address), length);
    if (!whole || !sums_to_zero(whole, length))
        return {nullptr, 0};
    return {whole, length};
}

template <typename T, size_t N> T* next_of(T (&array)[N], unsigned& count)
{
    return count < N ? &array[count++] : nullptr;
}

void read_madt_entry(const Table& madt, u64 entry, u8 type, AcpiInfo& info)
{
    constexpr u32 usable = 1;
    switch (type) {
    case 0: // local APIC
        if (AcpiProcessor* p = next_of(info.processors, info.processor_count))
            *p = {madt.at<u8>(entry + 3), madt.at<u8>(entry + 2), (madt.at<u32>(entry + 4) & usable) != 0};
        return;
    case 1: // I/O APIC
        if (AcpiIoApic* a = next_of(info.io_apics, info.io_apic_count))
            *a = {madt.at<u8>(entry + 2), madt.at<u32>(entry + 4), madt.at<u32>(entry + 8)};
        return;
    case 2: // interrupt source override
        if (AcpiOverride* o = next_of(info.overrides, info.override_count))
            *o = {madt.at<u8>(entry + 3), madt.at<u32>(entry + 4), madt.at<u16>(entry + 8)};
        return;
    case 9: // local x2APIC
        if (AcpiProcessor* p = next_of(info.processors, info.processor_count))
            *p = {madt.at<u32>(entry + 4), madt.at<u32>(entry + 12), (madt.at<u32>(entry + 8) & usable) != 0};
        return;
    }
}

void read_madt(const Table& madt, AcpiInfo& info)
{
    for (u64 entry = 44; entry + 2 <= madt.length();) {
        const u8 length = madt.at<u8>(entry + 1);
        if (length < 2 || entry + length > madt.length())
            return;
        read_madt_entry(madt, entry, madt.at<u8>(entry), info);
        entry += length;
    }
}

/// A port of the FADT: the extended form if it is there and is a port, else the old one.
u16 fadt_port(const Table& fadt, u64 old_offset, u64 extended_offset)
{
    constexpr u8 port_space = 1;
    if (fadt.at<u8>(extended_offset) == port_space && fadt.at<u64>(extended_offset + 4))
        return static_cast<u16>(fadt.at<u64>(extended_offset + 4));
    return static_cast<u16>(fadt.at<u32>(old_offset));
}

void read_fadt(const Table& fadt, AcpiInfo& info)
{
    const u32 flags = fadt.at<u32>(112);
    info.has_fadt = true;
    info.sci = fadt.at<u16>(46);
    info.pm1a_control = fadt_port(fadt, 64, 172);
    info.pm1b_control = fadt_port(fadt, 68, 184);
    info.pm_timer_port = fadt_port(fadt, 76, 208);
    info.pm_timer_is_32_bits = flags >> 8 & 1;
    info.century_register = fadt.at<u8>(108);
    info.has_reset = flags >> 10 & 1;
    info.reset = {fadt.at<u8>(116), fadt.at<u64>(120)};
    info.reset_value = fadt.at<u8>(128);
}

void read_mcfg(const Table& mcfg, AcpiInfo& info)
{
    for (u64 entry = 44; entry + 16 <= mcfg.length(); entry += 16)
        if (AcpiConfigSpace* space = next_of(info.config_spaces, info.config_space_count))
            *space = {mcfg.at<u64>(entry), mcfg.at<u16>(entry + 8), mcfg.at<u8>(entry + 10), mcfg.at<u8>(entry + 11)};
}

void read_table(const Table& table, AcpiInfo& info)
{
    if (table.is("APIC"))
        read_madt(table, info);
    else if (table.is("FACP"))
        read_fadt(table, info);
    else if (table.is("HPET") && table.at<u8>(40) == 0)
        info.hpet_address = table.at<u64>(44);
    else if (table.is("MCFG"))
        read_mcfg(table, info);
}

}

bool parse_acpi(std::span<const u8> rsdp, MapTable map, AcpiInfo& into)
{
    if (rsdp.size() < 20 || memcmp(rsdp.data(), "RSD PTR ", 8) != 0 || !sums_to_zero(rsdp.data(), 20))
        return false;
    const Table pointer(rsdp.data(), rsdp.size());
    const u64 xsdt = pointer.at<u8>(15) >= 2 ? pointer.at<u64>(24) : 0;
    const Table root = map_table(xsdt ? xsdt : pointer.at<u32>(16), map);
    if (!root.is(xsdt ? "XSDT" : "RSDT"))
        return false;
    const u64 step = xsdt ? 8 : 4;
    for (u64 at = header_bytes; at + step <= root.length(); at += step)
        read_table(map_table(xsdt ? root.at<u64>(at) : root.at<u32>(at), map), into);
    return true;
}

}
