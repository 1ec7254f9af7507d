// ELF64 and Xen's notes. (System V ABI, chapter 4; xen/include/public/elfnote.h)

#include "hypervisor/boot/elf.hpp"

#include "hypervisor/abi/elfnote.hpp"

namespace xylem::boot {
namespace {

// The file header: offsets of what is read.
constexpr size_t type_at = 16, machine_at = 18, entry_at = 24, program_headers_at = 32, section_headers_at = 40,
                 program_header_size_at = 54, program_header_count_at = 56, section_header_size_at = 58,
                 section_header_count_at = 60, file_header_bytes = 64;
constexpr u8 magic[4] = {0x7f, 'E', 'L', 'F'};
constexpr u8 class_64 = 2, little_endian_data = 1;
constexpr u64 type_executable = 2, machine_x86_64 = 62;

constexpr size_t program_header_bytes = 56, section_header_bytes = 64;
constexpr u64 segment_load = 1, segment_note = 4, flag_executable = 1, flag_writable = 2;
constexpr u64 section_note = 7;
// Real kernels have below ten of either; the limits keep a hostile file from costing time.
constexpr u64 max_program_headers = 128, max_section_headers = 4096;

u64 number(std::span<const u8> bytes, size_t at, unsigned count)
{
    u64 value = 0;
    for (unsigned i = 0; i < count; ++i)
        value |= u64{bytes[at + i]} << (8 * i);
    return value;
}

bool lies_in(std::span<const u8> file, u64 offset, u64 size)
{
    return offset <= file.size() && size <= file.size() - offset;
}

/// A table of `count` entries of `size` bytes at `offset`; empty if it does not lie in the file.
std::span<const u8> table(std::span<const u8> file, u64 offset, u64 count, u64 size)
{
    return lies_in(file, offset, count * size) ? file.subspan(offset, count * size) : std::span<const u8>{};
}

std::string_view text(std::span<const u8> bytes)
{
    const char* begin = reinterpret_cast<const char*>(bytes.data());
    size_t length = 0;
    while (length < bytes.size() && begin[length] != '\0')
        ++length;
    return {begin, length};
}

struct FeatureName {
    std::string_view name;
    abi::Feature feature;
};

constexpr FeatureName feature_names[] = {
    {"writable_page_tables", abi::Feature::writable_page_tables},
    {"writable_descriptor_tables", abi::Feature::writable_descriptor_tables},
    {"auto_translated_physmap", abi::Feature::auto_translated_physmap},
    {"supervisor_mode_kernel", abi::Feature::supervisor_mode_kernel},
    {"pae_pgdir_above_4gb", abi::Feature::pae_pgdir_above_4gb},
    {"hvm_callback_vector", abi::Feature::hvm_callback_vector},
    {"dom0", abi::Feature::dom0},
};

/// "a|!b|c": names of features, '!' before those that the kernel insists on. Unknown names are passed over.
void take_feature_names(std::string_view list, XenNotes& notes)
{
    while (!list.empty()) {
        size_t length = 0;
        while (length < list.size() && list[length] != '|')
            ++length;
        std::string_view name = list.substr(0, length);
        list.remove_prefix(length < list.size() ? length + 1 : length);
        bool required = !name.empty() && name.front() == '!';
        if (required)
            name.remove_prefix(1);
        for (const FeatureName& known : feature_names) {
            if (name != known.name)
                continue;
            notes.supported_features |= abi::feature_bit(known.feature);
            if (required)
                notes.required_features |= abi::feature_bit(known.feature);
        }
    }
}

}

const char* describe(ElfError error)
{
    switch (error) {
    case ElfError::None:
        return "no error";
    case ElfError::NotElf:
        return "the kernel is neither an ELF file nor a bzImage";
    case ElfError::NotX86_64:
        return "the kernel is not an x86-64 executable";
    case ElfError::BadProgramHeaders:
        return "the kernel's program headers are damaged";
    case ElfError::TooManySegments:
        return "the kernel has more than 32 segments to load";
    case ElfError::SegmentOutsideFile:
        return "a segment of the kernel lies outside its file; copy the file again";
    case ElfError::SegmentsOverlap:
        return "two segments of the kernel have the same place in memory";
    case ElfError::NoSegments:
        return "the kernel has nothing to load";
    case ElfError::BadNotes:
        return "the kernel's ELF notes are damaged";
    }
    return "unknown error";
}

ElfError ElfKernel::parse(std::span<const u8> file)
{
    *this = ElfKernel{};
    file_ = file;
    if (file.size() < file_header_bytes || __builtin_memcmp(file.data(), magic, sizeof(magic)) != 0)
        return ElfError::NotElf;
    if (file[4] != class_64 || file[5] != little_endian_data || number(file, type_at, 2) != type_executable ||
        number(file, machine_at, 2) != machine_x86_64)
        return ElfError::NotX86_64;
    header_entry_ = number(file, entry_at, 8);

    const u64 count = number(file, program_header_count_at, 2);
    if (count > max_program_headers || number(file, program_header_size_at, 2) != program_header_bytes)
        return ElfError::BadProgramHeaders;
    std::span<const u8> headers = table(file, number(file, program_headers_at, 8), count, program_header_bytes);
    if (headers.empty())
        return ElfError::BadProgramHeaders;
    for (u64 i = 0; i < count; ++i)
        if (ElfError error = add_segment(headers.subspan(i * program_header_bytes, program_header_bytes));
            error != ElfError::None)
            return error;
    if (count_ == 0)
        return ElfError::NoSegments;
    if (!notes_.any)
        if (ElfError error = parse_note_sections(); error != ElfError::None)
            return error;
    return sort_segments();
}

/// One program header: to be loaded, a run of notes, or of no interest.
ElfError ElfKernel::add_segment(std::span<const u8> header)
{
    const u64 type = number(header, 0, 4), flags = number(header, 4, 4), offset = number(header, 8, 8),
              physical = number(header, 24, 8), file_size = number(header, 32, 8), memory_size = number(header, 40, 8);
    if (type != segment_load && type != segment_note)
        return ElfError::None;
    if (!lies_in(file_, offset, file_size))
        return ElfError::SegmentOutsideFile;
    std::span<const u8> bytes = file_.subspan(offset, file_size);
    if (type == segment_note)
        return parse_notes(bytes);
    if (memory_size == 0 && file_size == 0)
        return ElfError::None;
    if (memory_size < file_size || physical + memory_size < physical)
        return ElfError::SegmentOutsideFile;
    if (count_ == max_segments)
        return ElfError::TooManySegments;
    segments_[count_++] = {physical, memory_size, bytes, (flags & flag_writable) != 0, (flags & flag_executable) != 0};
    return ElfError::None;
}

/// Ascending by address; insertion sort, since there are few and they mostly come sorted.
ElfError ElfKernel::sort_segments()
{
    for (size_t i = 1; i < count_; ++i)
        for (size_t j = i; j > 0 && segments_[j].physical_address < segments_[j - 1].physical_address; --j) {
            ElfSegment lower = segments_[j];
            segments_[j] = segments_[j - 1];
            segments_[j - 1] = lower;
        }
    for (size_t i = 1; i < count_; ++i)
        if (segments_[i].physical_address < segments_[i - 1].physical_end())
            return ElfError::SegmentsOverlap;
    return ElfError::None;
}

/// Small kernels have their notes in a section that no program header names.
ElfError ElfKernel::parse_note_sections()
{
    const u64 count = number(file_, section_header_count_at, 2);
    if (count == 0 || count > max_section_headers || number(file_, section_header_size_at, 2) != section_header_bytes)
        return ElfError::None;
    std::span<const u8> headers = table(file_, number(file_, section_headers_at, 8), count, section_header_bytes);
    for (u64 i = 0; i < count && !headers.empty(); ++i) {
        std::span<const u8> header = headers.subspan(i * section_header_bytes, section_header_bytes);
        if (number(header, 4, 4) != section_note)
            continue;
        const u64 offset = number(header, 24, 8), size = number(header, 32, 8);
        if (!lies_in(file_, offset, size))
            return ElfError::BadNotes;
        if (ElfError error = parse_notes(file_.subspan(offset, size)); error != ElfError::None)
            return error;
    }
    return ElfError::None;
}

/// A run of notes: name size, description size, type; name and description, each padded to 4 bytes.
ElfError ElfKernel::parse_notes(std::span<const u8> notes)
{
    constexpr size_t header_bytes = 12;
    auto padded = [](u64 size) { return (size + 3) & ~u64{3}; };
    while (notes.size() >= header_bytes) {
        const u64 name_size = number(notes, 0, 4), description_size = number(notes, 4, 4), type = number(notes, 8, 4);
        notes = notes.subspan(header_bytes);
        if (padded(name_size) > notes.size() || description_size > notes.size() - padded(name_size))
            return ElfError::BadNotes;
        std::string_view owner = text(notes.first(name_size));
        std::span<const u8> description = notes.subspan(padded(name_size), description_size);
        if (owner == abi::elfnote_name)
            if (ElfError error = take_note(static_cast<u32>(type), description); error != ElfError::None)
                return error;
        u64 whole = padded(name_size) + padded(description_size);
        notes = notes.subspan(whole < notes.size() ? whole : notes.size());
    }
    return ElfError::None;
}

/// One note of owner "Xen". Types that mean nothing here are passed over.
ElfError ElfKernel::take_note(u32 type, std::span<const u8> description)
{
    bool right_size = true;
    auto numeric = [&](NoteValue& value) {
        right_size = description.size() == 4 || description.size() == 8;
        if (right_size)
            value = {true, number(description, 0, static_cast<unsigned>(description.size()))};
    };
    notes_.any = true;
    switch (static_cast<abi::ElfNote>(type)) {
    case abi::ElfNote::entry:
        numeric(notes_.entry);
        break;
    case abi::ElfNote::hypercall_page:
        numeric(notes_.hypercall_page);
        break;
    case abi::ElfNote::virt_base:
        numeric(notes_.virt_base);
        break;
    case abi::ElfNote::paddr_offset:
        numeric(notes_.paddr_offset);
        break;
    case abi::ElfNote::hv_start_low:
        numeric(notes_.hv_start_low);
        break;
    case abi::ElfNote::init_p2m:
        numeric(notes_.init_p2m);
        break;
    case abi::ElfNote::suspend_cancel:
        numeric(notes_.suspend_cancel);
        break;
    case abi::ElfNote::phys32_entry:
        numeric(notes_.phys32_entry);
        break;
    case abi::ElfNote::mod_start_pfn: {
        NoteValue value;
        numeric(value);
        notes_.mod_start_pfn = value.value != 0;
        break;
    }
    case abi::ElfNote::supported_features: {
        NoteValue value;
        numeric(value);
        notes_.names_supported_features = true;
        notes_.supported_features |= static_cast<u32>(value.value);
        break;
    }
    case abi::ElfNote::l1_mfn_valid:
        right_size = description.size() == 16;
        if (right_size) {
            notes_.l1_mfn_valid_mask = {true, number(description, 0, 8)};
            notes_.l1_mfn_valid_value = {true, number(description, 8, 8)};
        }
        break;
    case abi::ElfNote::features:
        take_feature_names(text(description), notes_);
        break;
    case abi::ElfNote::pae_mode:
        notes_.pae = text(description).starts_with("yes");
        break;
    case abi::ElfNote::guest_os:
        notes_.guest_os = text(description);
        break;
    case abi::ElfNote::guest_version:
        notes_.guest_version = text(description);
        break;
    case abi::ElfNote::xen_version:
        notes_.xen_version = text(description);
        break;
    case abi::ElfNote::loader:
        notes_.loader = text(description);
        break;
    default:
        break;
    }
    return right_size ? ElfError::None : ElfError::BadNotes;
}

void ElfKernel::read(u64 address, std::span<u8> out) const
{
    auto zero = [&](u64 up_to) {
        u64 bytes = up_to - address < out.size() ? up_to - address : out.size();
        __builtin_memset(out.data(), 0, bytes);
        out = out.subspan(bytes);
        address += bytes;
    };
    for (const ElfSegment& segment : segments()) {
        if (out.empty() || segment.physical_end() <= address)
            continue;
        if (address < segment.physical_address)
            zero(segment.physical_address);
        u64 into = address - segment.physical_address;
        if (!out.empty() && into < segment.file.size()) {
            u64 rest = segment.file.size() - into;
            u64 bytes = rest < out.size() ? rest : out.size();
            __builtin_memcpy(out.data(), &segment.file[into], bytes);
            out = out.subspan(bytes);
            address += bytes;
        }
        zero(segment.physical_end());
    }
    if (!out.empty())
        __builtin_memset(out.data(), 0, out.size());
}

}
