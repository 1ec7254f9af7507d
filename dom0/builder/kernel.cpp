// See kernel.hpp.
#include "dom0/builder/kernel.hpp"

#include "dom0/builder/decompress.hpp"
#include "dom0/builder/error.hpp"
#include "hypervisor/abi/elfnote.hpp"

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <elf.h>
#include <fcntl.h>
#include <fmt/format.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

namespace xylem::dom0::builder {

namespace {

using Bytes = std::span<const std::byte>;

constexpr std::size_t largest_unpacked = std::size_t{1} << 30;

/// The `size` bytes of `file` at `offset`.
Bytes slice(Bytes file, u64 offset, u64 size, const char* what)
{
    if (offset > file.size() || size > file.size() - offset)
        throw BuildError(fmt::format("it is truncated: {} ends at byte {} of {}", what,
                                     size > ~u64{0} - offset ? ~u64{0} : offset + size, file.size()));
    return file.subspan(offset, size);
}

template <typename T> T read_at(Bytes file, u64 offset, const char* what)
{
    T value;
    std::memcpy(&value, slice(file, offset, sizeof value, what).data(), sizeof value);
    return value;
}

bool starts_with(Bytes file, std::string_view magic, std::size_t at = 0)
{
    return file.size() >= at + magic.size() && std::memcmp(file.data() + at, magic.data(), magic.size()) == 0;
}

// Linux's boot protocol (Documentation/x86/boot.rst): where a bzImage says what its payload is.
constexpr u64 setup_sectors_at = 0x1F1;
constexpr u64 header_magic_at = 0x202;
constexpr u64 protocol_at = 0x206;
constexpr u64 payload_offset_at = 0x248;
constexpr u64 payload_length_at = 0x24C;
constexpr u16 protocol_with_payload = 0x0208;

bool is_bzimage(Bytes file)
{
    return starts_with(file, "HdrS", header_magic_at);
}

/// A payload ends in its unpacked size, 4 bytes, whatever it is packed with.
std::vector<std::byte> unpack_payload(Bytes payload)
{
    const auto compression = compression_of(payload);
    if (!compression)
        throw BuildError("its payload is packed with something other than gzip, xz, zstd or lz4");
    if (payload.size() < 8)
        throw BuildError("its payload is too short");
    const auto size = read_at<u32>(payload, payload.size() - 4, "the payload's size");
    if (size > largest_unpacked)
        throw BuildError(fmt::format("its payload claims to unpack to {} bytes, more than {}", size, largest_unpacked));
    return decompress(*compression,
                      payload.first(*compression == Compression::gzip ? payload.size() : payload.size() - 4), size);
}

std::vector<std::byte> unpack_bzimage(Bytes file)
{
    const auto protocol = read_at<u16>(file, protocol_at, "the setup header");
    if (protocol < protocol_with_payload)
        throw BuildError(fmt::format("it is a bzImage of boot protocol {}.{:02}; 2.08 or later is needed",
                                     protocol >> 8, protocol & 0xFF));
    u64 sectors = read_at<u8>(file, setup_sectors_at, "the setup header");
    if (sectors == 0)
        sectors = 4; // as the protocol says for very old images
    const u64 start = (sectors + 1) * 512 + read_at<u32>(file, payload_offset_at, "the setup header");
    const u64 length = read_at<u32>(file, payload_length_at, "the setup header");
    return unpack_payload(slice(file, start, length, "the payload"));
}

std::string note_text(Bytes descriptor)
{
    const char* text = reinterpret_cast<const char*>(descriptor.data());
    return std::string(text, strnlen(text, descriptor.size()));
}

u64 note_number(Bytes descriptor)
{
    switch (descriptor.size()) {
    case 4:
        return read_at<u32>(descriptor, 0, "a note");
    case 8:
        return read_at<u64>(descriptor, 0, "a note");
    default:
        throw BuildError(
            fmt::format("it has a Xen note of {} bytes where a number of 4 or 8 is due", descriptor.size()));
    }
}

/// The notes as found; parse_kernel gives the missing ones their defaults.
struct FoundNotes {
    std::optional<u64> entry;
    std::optional<u64> virt_base;
    std::optional<u64> paddr_offset;
    KernelNotes rest;
    std::string loader = "generic";
    std::string version;
    bool any = false;
};

void take_note(FoundNotes& found, abi::ElfNote type, Bytes descriptor)
{
    found.any = true;
    switch (type) {
    case abi::ElfNote::entry:
        found.entry = note_number(descriptor);
        break;
    case abi::ElfNote::virt_base:
        found.virt_base = note_number(descriptor);
        break;
    case abi::ElfNote::paddr_offset:
        found.paddr_offset = note_number(descriptor);
        break;
    case abi::ElfNote::hypercall_page:
        found.rest.hypercall_page = note_number(descriptor);
        break;
    case abi::ElfNote::init_p2m:
        found.rest.init_p2m = note_number(descriptor);
        break;
    case abi::ElfNote::mod_start_pfn:
        found.rest.mod_start_pfn = note_number(descriptor) != 0;
        break;
    case abi::ElfNote::guest_os:
        found.rest.guest_os = note_text(descriptor);
        break;
    case abi::ElfNote::loader:
        found.loader = note_text(descriptor);
        break;
    case abi::ElfNote::xen_version:
        found.version = note_text(descriptor);
        break;
    default:
        break; // nothing that a domain builder acts on
    }
}

void take_notes(FoundNotes& found, Bytes notes)
{
    constexpr auto aligned = [](u64 size) { return (size + 3) & ~u64{3}; };
    while (notes.size() >= sizeof(Elf64_Nhdr)) {
        const auto header = read_at<Elf64_Nhdr>(notes, 0, "a note");
        const u64 name_at = sizeof header;
        const u64 descriptor_at = name_at + aligned(header.n_namesz);
        const Bytes name = slice(notes, name_at, header.n_namesz, "a note's name");
        const Bytes descriptor = slice(notes, descriptor_at, header.n_descsz, "a note");
        if (header.n_namesz == sizeof abi::elfnote_name &&
            std::memcmp(name.data(), abi::elfnote_name, sizeof abi::elfnote_name) == 0)
            take_note(found, static_cast<abi::ElfNote>(header.n_type), descriptor);
        notes = notes.subspan(std::min<u64>(notes.size(), descriptor_at + aligned(header.n_descsz)));
    }
}

Elf64_Ehdr checked_header(Bytes file)
{
    const auto header = read_at<Elf64_Ehdr>(file, 0, "the ELF header");
    if (header.e_ident[EI_CLASS] != ELFCLASS64 || header.e_ident[EI_DATA] != ELFDATA2LSB ||
        header.e_machine != EM_X86_64)
        throw BuildError("it is an ELF file, but not for 64-bit x86");
    if (header.e_phentsize != sizeof(Elf64_Phdr) || header.e_phnum == 0)
        throw BuildError("it is an ELF file without program headers, no kernel");
    return header;
}

void take_segment(Kernel& kernel, const Content& file, const Elf64_Phdr& header)
{
    constexpr u64 far_end = u64{1} << 40;
    if (header.p_filesz > header.p_memsz || header.p_memsz > far_end || header.p_paddr > ~far_end)
        throw BuildError("it has a segment of impossible size");
    slice(file.bytes(), header.p_offset, header.p_filesz, "a segment"); // for its check
    kernel.segments.push_back({header.p_paddr, file.slice(header.p_offset, header.p_filesz), header.p_memsz});
}

void check_wishes(const FoundNotes& found)
{
    if (!found.any)
        throw BuildError("it has no Xen notes: it is no kernel for a PV guest");
    if (found.paddr_offset && !found.virt_base)
        throw BuildError("it has the note PADDR_OFFSET without VIRT_BASE");
    if (!found.version.empty() && found.version != "xen-3.0")
        throw BuildError(fmt::format("it is for the interface '{}'; 'xen-3.0' is what there is", found.version));
    if (found.loader != "generic")
        throw BuildError(fmt::format("it asks for the loader '{}'; 'generic' is what there is", found.loader));
}

/// Segments speak of p_paddr; from here on pseudo-physical address 0 is what lies at virt_base.
void rebase_segments(Kernel& kernel)
{
    for (Segment& segment : kernel.segments) {
        if (segment.address < kernel.notes.paddr_offset)
            throw BuildError("it has a segment below its PADDR_OFFSET");
        segment.address -= kernel.notes.paddr_offset;
        kernel.end = std::max(kernel.end, segment.address + segment.size);
    }
}

void parse_elf(Kernel& kernel, const Content& content)
{
    const Bytes file = content.bytes();
    const Elf64_Ehdr elf = checked_header(file);
    FoundNotes found;
    for (unsigned i = 0; i < elf.e_phnum; ++i) {
        const auto header = read_at<Elf64_Phdr>(file, elf.e_phoff + i * sizeof(Elf64_Phdr), "the program headers");
        if (header.p_type == PT_LOAD && header.p_memsz != 0)
            take_segment(kernel, content, header);
        else if (header.p_type == PT_NOTE)
            take_notes(found, slice(file, header.p_offset, header.p_filesz, "the notes"));
    }
    if (kernel.segments.empty())
        throw BuildError("it is an ELF file with nothing to load");
    check_wishes(found);
    kernel.notes = found.rest;
    kernel.notes.entry = found.entry.value_or(elf.e_entry);
    kernel.notes.virt_base = found.virt_base.value_or(0);
    kernel.notes.paddr_offset = found.paddr_offset.value_or(0);
    rebase_segments(kernel);
}

}

Content Content::slice(u64 offset, u64 size) const
{
    Content part(bytes_.subspan(offset, size), fd_);
    part.offset_ = offset_ + offset;
    return part;
}

void Content::read(u64 offset, std::span<std::byte> out) const
{
    if (fd_ < 0) {
        std::copy_n(bytes_.begin() + static_cast<std::ptrdiff_t>(offset), out.size(), out.begin());
        return;
    }
    while (!out.empty()) {
        const ssize_t got = pread(fd_, out.data(), out.size(), static_cast<off_t>(offset_ + offset));
        if (got < 0 && errno != EINTR)
            throw_errno("cannot read a file");
        if (got == 0)
            throw BuildError("it has become shorter while it was read");
        if (got > 0) {
            out = out.subspan(static_cast<std::size_t>(got));
            offset += static_cast<u64>(got);
        }
    }
}

bool is_packed(const Content& file)
{
    // A gzip file ends in its unpacked size, as a payload does.
    return is_bzimage(file.bytes()) || compression_of(file.bytes()) == Compression::gzip;
}

Kernel parse_kernel(const Content& file)
{
    Kernel kernel;
    const Bytes bytes = file.bytes();
    if (is_packed(file))
        kernel.unpacked = is_bzimage(bytes) ? unpack_bzimage(bytes) : unpack_payload(bytes);
    const Content image = kernel.unpacked.empty() ? file : Content(kernel.unpacked);
    if (!starts_with(image.bytes(), ELFMAG))
        throw BuildError(kernel.unpacked.empty() ? "it is neither an ELF file nor a bzImage"
                                                 : "what is packed in it is no ELF file");
    parse_elf(kernel, image);
    return kernel;
}

MappedFile::MappedFile(const std::string& path) : fd_(open_device(path.c_str(), O_RDONLY))
{
    if (fstat(fd_.get(), &status_) < 0)
        throw_errno("cannot look at " + path);
    if (!S_ISREG(status_.st_mode))
        throw BuildError("it is no regular file");
    if (status_.st_size == 0)
        throw BuildError("it is empty");
    const auto size = static_cast<std::size_t>(status_.st_size);
    void* address = mmap(nullptr, size, PROT_READ, MAP_PRIVATE, fd_.get(), 0);
    if (address == MAP_FAILED)
        throw_errno("cannot map " + path);
    bytes_ = {static_cast<const std::byte*>(address), size};
}

MappedFile::~MappedFile()
{
    munmap(const_cast<std::byte*>(bytes_.data()), bytes_.size());
}

}
