// From the words in the store to a disk: a raw file or device, or an image with all that it is based on.
#pragma once

#include "backends/block/file_disk.hpp"

namespace xylem::backends::block {

struct OpenedDisk {
    std::unique_ptr<Disk> disk;
    std::string path;
    std::string method; ///< for the log: how it is accessed
};

/// Opens what `params` names: a path, perhaps with its format or a toolstack's driver before it ("qcow2:/x", "raw:/x",
/// "aio:/x", "phy:/x", "file:/x").
/// @throws std::runtime_error  with a sentence that names the file and what is wrong with it
/// @throws DiskBusy  another backend or guest has it
OpenedDisk open_disk(EventLoop& loop, AsyncIo& io, const std::string& params, Access access);

}
