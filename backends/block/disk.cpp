// See disk.hpp.
#include "backends/block/disk.hpp"

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

}
