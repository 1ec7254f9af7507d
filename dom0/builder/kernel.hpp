// A PV kernel as its file describes it: an ELF64 image, packed or not, with the notes by which it says what it wants.
//
// The file may be an administrator's mistake or a guest's own (PV GRUB, a kernel from a guest's disk): nothing in it is
// believed before it has been checked against the file's size.
#pragma once

#include "dom0/lib/fd.hpp"
#include "hypervisor/base/types.hpp"

#include <cstddef>
#include <optional>
#include <span>
#include <string>
#include <sys/stat.h>
#include <vector>

namespace xylem::dom0::builder {

/// Bytes in memory, or in a file. What lies in a file is copied from there straight to its place: a mapping of the
/// whole file would cost more than the copy, page by page.
class Content {
public:
    Content() = default;
    explicit Content(std::span<const std::byte> bytes) : bytes_(bytes) {}
    /// `bytes` are those of the open file `fd`, mapped.
    Content(std::span<const std::byte> bytes, int fd) : bytes_(bytes), fd_(fd) {}

    u64 size() const { return bytes_.size(); }
    std::span<const std::byte> bytes() const { return bytes_; }
    Content slice(u64 offset, u64 size) const;
    /// Copies what lies at `offset` to all of `out`.
    /// @throws BuildError  the file has become shorter
    void read(u64 offset, std::span<std::byte> out) const;

private:
    std::span<const std::byte> bytes_;
    int fd_ = -1;
    u64 offset_ = 0; ///< in the file
};

/// What the ELF notes of owner "Xen" ask for.
struct KernelNotes {
    u64 entry = 0;
    u64 virt_base = 0;                 ///< the address of pfn 0
    u64 paddr_offset = 0;              ///< the p_paddr of pfn 0
    std::optional<u64> hypercall_page; ///< an address to be filled with hypercall stubs
    std::optional<u64> init_p2m;       ///< an address at which to map the p2m list, away from the kernel
    bool mod_start_pfn = false;        ///< the ramdisk need not be mapped
    std::string guest_os;
};

/// A piece of the image, to be placed at pseudo-physical `address`: the bytes of `file`, then zeros up to `size`.
struct Segment {
    u64 address;
    Content file;
    u64 size;
};

struct Kernel {
    std::vector<std::byte> unpacked; ///< holds the segments' bytes when the file was packed
    std::vector<Segment> segments;
    KernelNotes notes;
    u64 end = 0; ///< of the highest segment, pseudo-physical
};

/// Whether parse_kernel would have to unpack something, as far as the first bytes tell.
bool is_packed(const Content& file);

/// Reads a kernel from `file`, which must outlive the result.
/// @throws BuildError  a sentence about the file, without its name ("it is neither an ELF file nor a bzImage")
Kernel parse_kernel(const Content& file);
inline Kernel parse_kernel(std::span<const std::byte> file)
{
    return parse_kernel(Content(file));
}

/// An open file, mapped for those who look into it.
class MappedFile {
public:
    /// @throws std::system_error  it cannot be opened or mapped;  BuildError  it is empty or no regular file
    explicit MappedFile(const std::string& path);
    ~MappedFile();
    MappedFile(const MappedFile&) = delete;
    MappedFile& operator=(const MappedFile&) = delete;
    Content content() const { return {bytes_, fd_.get()}; }
    const struct stat& status() const { return status_; }

private:
    Fd fd_;
    struct stat status_ {};
    std::span<const std::byte> bytes_;
};

}
