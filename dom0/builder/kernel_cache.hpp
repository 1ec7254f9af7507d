// Unpacked kernels, kept in a folder: unpacking one costs more than all the rest of a domain's creation.
//
// What is kept belongs to the packed file that it came from: to its device, inode, size and times of change. Whoever
// writes to the file, or puts another in its place, changes one of these. A kept file appears whole or not at all, so
// that a program that is killed leaves none that is half written. Whoever cannot keep or find one unpacks anew.
#pragma once

#include "dom0/builder/kernel.hpp"

#include <filesystem>
#include <memory>

namespace xylem::dom0::builder {

class KernelCache {
public:
    /// How many are kept; the one that was not used for the longest time makes way for another.
    static constexpr std::size_t capacity = 3;

    /// `folder` is made when it is first needed, for its owner alone. One that others may write to is not used.
    explicit KernelCache(std::filesystem::path folder) : folder_(std::move(folder)) {}

    /// @return what `packed` unpacks to, or nothing if it is not kept
    std::unique_ptr<MappedFile> find(const MappedFile& packed) const;
    /// Keeps `unpacked` as what `packed` unpacks to, unless the file system would then be more than half full with it.
    /// @return whether it is kept now
    bool keep(const MappedFile& packed, std::span<const std::byte> unpacked) const;

private:
    std::filesystem::path path_of(const MappedFile& packed) const;
    bool prepare_folder() const;
    bool is_trusted() const;
    bool has_room(std::size_t bytes) const;
    void make_way() const;

    std::filesystem::path folder_;
};

/// A kernel from a file, and what holds its bytes.
class KernelFile {
public:
    /// Reads the kernel at `path`; if it is packed, by way of `cache`.
    /// @throws std::system_error, BuildError  as MappedFile and parse_kernel do
    KernelFile(const std::string& path, const KernelCache& cache);
    const Kernel& kernel() const { return kernel_; }

private:
    MappedFile file_;
    std::unique_ptr<MappedFile> kept_;
    Kernel kernel_;
};

}
