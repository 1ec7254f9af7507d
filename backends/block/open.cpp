// See open.hpp.
#include "backends/block/open.hpp"

#include "backends/block/qcow2/image.hpp"

#include <cerrno>
#include <cstring>
#include <fcntl.h>
#include <filesystem>
#include <fmt/format.h>
#include <limits>
#include <unistd.h>

namespace xylem::backends::block {

/// Images one on top of the other. More is hard to manage for whoever made them; without end is a circle.
static constexpr int longest_chain = 32;

namespace {

class ChainOpener {
public:
    ChainOpener(EventLoop& loop, AsyncIo& io) : loop_(loop), io_(io) {}

    std::unique_ptr<Disk> open(const std::string& path, const std::string& format, Access access, int depth);
    const std::string& method() const { return method_; }

private:
    std::unique_ptr<Disk> open_image(const std::string& path, Access access, int depth);
    std::unique_ptr<Disk> open_backing(const std::string& image, const qcow2::Header& header, int depth);

    EventLoop& loop_;
    AsyncIo& io_;
    std::string method_; // of the first one
};

[[noreturn]] void fail(const std::string& path, const std::string& what)
{
    throw std::runtime_error(fmt::format("disk {}: {}", path, what));
}

std::vector<std::byte> read_start(const std::string& path)
{
    const dom0::Fd fd(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
    if (!fd)
        fail(path, fmt::format("cannot open it: {}", std::strerror(errno)));
    std::vector<std::byte> start(qcow2::largest_cluster);
    std::size_t have = 0;
    while (have < start.size()) {
        const ssize_t bytes = pread(fd.get(), start.data() + have, start.size() - have, static_cast<off_t>(have));
        if (bytes < 0 && errno == EINTR)
            continue;
        if (bytes < 0)
            fail(path, fmt::format("cannot read it: {}", std::strerror(errno)));
        if (bytes == 0)
            break;
        have += static_cast<std::size_t>(bytes);
    }
    start.resize(have);
    return start;
}

qcow2::Header header_of(const std::string& path, std::span<const std::byte> start, Access access)
{
    try {
        return qcow2::parse_header(start, access);
    } catch (const std::runtime_error& error) {
        fail(path, error.what());
    }
}

std::unique_ptr<Disk> ChainOpener::open(const std::string& path, const std::string& format, Access access, int depth)
{
    if (format == "qcow2")
        return open_image(path, access, depth);
    if (format != "raw")
        fail(path, fmt::format("has the format '{}', which is not served; raw and qcow2 are", format));
    auto disk =
        std::make_unique<FileDisk>(io_, path, access, depth == 0 ? FileDisk::Units::own : FileDisk::Units::sectors);
    if (depth == 0)
        method_ = disk->method();
    return disk;
}

std::unique_ptr<Disk> ChainOpener::open_image(const std::string& path, Access access, int depth)
{
    // First the file, with its lock: only then has a killed predecessor's last write ended.
    auto file = std::make_unique<FileDisk>(io_, path, access, FileDisk::Units::sectors);
    if (depth == 0)
        method_ = fmt::format("qcow2 and {}", file->method());
    std::vector<std::byte> start = read_start(path);
    qcow2::Header header = header_of(path, start, access);
    start.resize(512);
    std::unique_ptr<Disk> backing;
    if (!header.backing.empty())
        backing = open_backing(path, header, depth);
    const u64 end = header.whole_clusters(file->bytes_in_file()) << header.cluster_bits;
    const u64 limit = file->is_device() ? file->geometry().bytes : qcow2::offset_limit;
    return std::make_unique<qcow2::Image>(qcow2::ImageParts{loop_,
                                                            path,
                                                            std::move(file),
                                                            std::move(backing),
                                                            std::move(header),
                                                            std::move(start),
                                                            {std::min(end, limit), limit},
                                                            access});
}

std::unique_ptr<Disk> ChainOpener::open_backing(const std::string& image, const qcow2::Header& header, int depth)
{
    if (depth + 1 == longest_chain)
        fail(image, fmt::format("has more than {} backing files one below the other, or they go round in a circle",
                                longest_chain - 1));
    if (header.backing_format.empty())
        fail(image, fmt::format("does not say of which format its backing file {0} is; say it with qemu-img rebase -u "
                                "-b {0} -F raw (or qcow2) {1}",
                                header.backing, image));
    const auto colon = header.backing.find(':');
    if (colon != std::string::npos && colon < header.backing.find('/'))
        fail(image, fmt::format("has the backing file {}; only files and devices are served", header.backing));
    const std::filesystem::path backing = std::filesystem::path(image).parent_path() / header.backing;
    return open(backing.string(), header.backing_format, Access::read_only, depth + 1);
}

}

OpenedDisk open_disk(EventLoop& loop, AsyncIo& io, const std::string& params, Access access)
{
    std::string path = params;
    std::string format = "raw";
    for (const std::string_view prefix : {"qcow2:", "raw:", "aio:", "phy:", "file:"})
        if (params.starts_with(prefix)) {
            path = params.substr(prefix.size());
            format = prefix == "qcow2:" ? "qcow2" : "raw";
        }
    ChainOpener opener(loop, io);
    auto disk = opener.open(path, format, access, 0);
    return {std::move(disk), path, opener.method()};
}

}
