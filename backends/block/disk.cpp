// See disk.hpp.
#include "backends/block/disk.hpp"

#include <cerrno>
#include <cstring>

namespace xylem::backends::block {

bool DiskJob::advance(u64 moved)
{
    for (; first_vector < vectors.size() && moved >= vectors[first_vector].iov_len; ++first_vector)
        moved -= vectors[first_vector].iov_len;
    if (first_vector == vectors.size())
        return true;
    iovec& next = vectors[first_vector];
    next.iov_base = static_cast<std::byte*>(next.iov_base) + moved;
    next.iov_len -= moved;
    return false;
}

int DiskJob::end_of_file()
{
    if (kind != Kind::read || !zeros_past_end)
        return EIO;
    for (; first_vector < vectors.size(); ++first_vector)
        std::memset(vectors[first_vector].iov_base, 0, vectors[first_vector].iov_len);
    return 0;
}

}
