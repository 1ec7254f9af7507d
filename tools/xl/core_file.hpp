// The file that holds a domain's core: Xen's dump-core format 0.1 (docs/misc/dump-core-format.txt there), which crash
// and Xen's own tools read. An ELF file of sections without a program header: the vCPUs' registers, the shared info
// page, the domain's pages, and which page is which.
#pragma once

#include "dom0/lib/fd.hpp"
#include "hypervisor/abi/vcpu.hpp"
#include "hypervisor/abi/version.hpp"
#include "hypervisor/base/types.hpp"

#include <array>
#include <span>
#include <string>
#include <vector>

namespace xylem::xl {

/// What the note about the hypervisor holds, as xen_version answers it.
struct CoreVersion {
    u64 major;
    u64 minor;
    abi::Extraversion extra;
    abi::CompileInfo compile_info;
    abi::CapabilitiesInfo capabilities;
    abi::ChangesetInfo changeset;
    abi::PlatformParameters platform;
    u64 page_size;
};

/// A page of the domain: what the domain calls it, and where it lies in the machine.
struct CoreFrame {
    u64 pfn;
    u64 gmfn;
};

/// All but the content of the pages.
struct CoreHead {
    CoreVersion version{};
    std::vector<abi::VcpuGuestContext> vcpus; ///< of those that the domain has brought up
    std::array<std::byte, page_size> shared_info{};
    std::vector<CoreFrame> frames; ///< in the order in which their content follows
};

/// A core as it is being written, beside the path that it is for: what stood there is replaced by a whole core or not
/// at all. Pages of zeros take no room on the disk.
class CoreFile {
public:
    /// @throws Failure  it cannot be written there
    CoreFile(std::string path, const CoreHead& head);
    /// What is not finished is removed.
    ~CoreFile();
    CoreFile(const CoreFile&) = delete;
    CoreFile& operator=(const CoreFile&) = delete;

    /// The content of the next pages, in the order of the head's frames.
    /// @throws Failure
    void append(std::span<const std::byte> pages);

    /// To be called when all pages have been appended: the core is on the disk then, under its path.
    /// @throws Failure
    void finish();

private:
    void write(u64 offset, std::span<const std::byte> data);
    [[noreturn]] void give_up(int error) const;

    std::string path_;
    std::string beside_;
    dom0::Fd file_;
    u64 next_page_ = 0; ///< its offset
    u64 pages_end_ = 0;
};

}
