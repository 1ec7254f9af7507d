// See kernel_cache.hpp.
#include "dom0/builder/kernel_cache.hpp"

#include "dom0/builder/error.hpp"
#include "dom0/lib/fd.hpp"

#include <algorithm>
#include <cerrno>
#include <cstdlib>
#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <system_error>
#include <unistd.h>
#include <vector>

namespace xylem::dom0::builder {

namespace fs = std::filesystem;

namespace {

constexpr std::string_view suffix = ".elf";

/// Writes `data` to a file beside `path` and gives it that name when it is whole and on the disk.
bool put(const fs::path& path, std::span<const std::byte> data)
{
    std::string beside = path.string() + ".XXXXXX";
    const Fd fd(mkostemp(beside.data(), O_CLOEXEC));
    if (!fd)
        return false;
    if (write_all(fd.get(), data) && fsync(fd.get()) == 0 && rename(beside.c_str(), path.c_str()) == 0)
        return true;
    unlink(beside.c_str());
    return false;
}

std::vector<fs::directory_entry> entries_of(const fs::path& folder)
{
    std::vector<fs::directory_entry> entries;
    std::error_code ignored; // a folder that cannot be read holds nothing for us
    for (fs::directory_iterator entry(folder, ignored), end; entry != end; entry.increment(ignored))
        entries.push_back(*entry);
    return entries;
}

}

fs::path KernelCache::path_of(const MappedFile& packed) const
{
    const struct stat& about = packed.status();
    return folder_ / fmt::format("{:x}-{:x}-{:x}-{:x}.{:x}-{:x}.{:x}{}", about.st_dev, about.st_ino, about.st_size,
                                 about.st_mtim.tv_sec, about.st_mtim.tv_nsec, about.st_ctim.tv_sec,
                                 about.st_ctim.tv_nsec, suffix);
}

/// A kernel from here is run with all a guest's rights: nobody but us may have put it here.
bool KernelCache::is_trusted() const
{
    struct stat about {};
    return lstat(folder_.c_str(), &about) == 0 && S_ISDIR(about.st_mode) && about.st_uid == geteuid() &&
           (about.st_mode & (S_IWGRP | S_IWOTH)) == 0;
}

bool KernelCache::prepare_folder() const
{
    std::error_code failed;
    fs::create_directories(folder_.parent_path(), failed);
    if (failed || (mkdir(folder_.c_str(), 0700) < 0 && errno != EEXIST))
        return false;
    return is_trusted();
}

bool KernelCache::has_room(std::size_t bytes) const
{
    struct statvfs space {};
    return statvfs(folder_.c_str(), &space) == 0 && space.f_bavail * space.f_frsize / 2 >= bytes;
}

/// Removes what a killed program left half written, and as many of the longest unused as leave room for one more.
void KernelCache::make_way() const
{
    std::error_code ignored; // what cannot be removed is looked at again the next time
    std::vector<std::pair<fs::file_time_type, fs::path>> kept;
    for (const fs::directory_entry& entry : entries_of(folder_)) {
        if (entry.path().extension() == suffix)
            kept.emplace_back(entry.last_write_time(ignored), entry.path());
        else
            fs::remove(entry.path(), ignored);
    }
    std::sort(kept.begin(), kept.end());
    for (std::size_t i = 0; i + capacity <= kept.size(); ++i)
        fs::remove(kept[i].second, ignored);
}

std::unique_ptr<MappedFile> KernelCache::find(const MappedFile& packed) const
{
    const fs::path path = path_of(packed);
    if (!is_trusted() || access(path.c_str(), R_OK) < 0)
        return nullptr;
    utimensat(AT_FDCWD, path.c_str(), nullptr, AT_SYMLINK_NOFOLLOW); // the time of its last use
    try {
        return std::make_unique<MappedFile>(path);
    } catch (const std::exception&) {
        return nullptr; // it has gone in between, or is none
    }
}

bool KernelCache::keep(const MappedFile& packed, std::span<const std::byte> unpacked) const
{
    if (!prepare_folder())
        return false;
    make_way();
    return has_room(unpacked.size()) && put(path_of(packed), unpacked);
}

KernelFile::KernelFile(const std::string& path, const KernelCache& cache) : file_(path)
{
    if (is_packed(file_.content()))
        kept_ = cache.find(file_);
    try {
        kernel_ = parse_kernel((kept_ ? *kept_ : file_).content());
        if (!kernel_.unpacked.empty())
            cache.keep(file_, kernel_.unpacked);
    } catch (const BuildError&) {
        if (!kept_)
            throw;
        // Something is wrong with what was kept: the file itself decides, and what it unpacks to takes that one's
        // place.
        kept_.reset();
        kernel_ = parse_kernel(file_.content());
        cache.keep(file_, kernel_.unpacked);
    }
}

}
