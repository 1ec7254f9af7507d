// See privcmd.hpp.
#include "dom0/lib/privcmd.hpp"

#include "dom0/lib/linux_ioctl.hpp"

#include <algorithm>
#include <cerrno>
#include <fcntl.h>
#include <sys/mman.h>

namespace xylem::dom0 {

using namespace linux_ioctl;

namespace {

constexpr u64 hypercall_multicall = 13;

/// One entry of a multicall (xen.h, multicall_entry).
struct MulticallEntry {
    u64 op;
    i64 result;
    u64 args[6];
};
static_assert(sizeof(MulticallEntry) == 64);

}

HypercallMemory::HypercallMemory() : fd_(open_device("/dev/xen/hypercall", O_RDWR)) {}

HypercallMemory::~HypercallMemory()
{
    for (std::span<std::byte> memory : free_)
        munmap(memory.data(), memory.size());
}

HypercallMemory::Block HypercallMemory::take(std::size_t bytes)
{
    const std::size_t size = std::max<std::size_t>(round_up_to_page(bytes), page_size);
    const auto fit = std::find_if(free_.begin(), free_.end(), [&](auto memory) { return memory.size() == size; });
    if (fit != free_.end()) {
        const std::span<std::byte> memory = *fit;
        free_.erase(fit);
        std::memset(memory.data(), 0, bytes);
        return Block(this, memory);
    }
    void* address = mmap(nullptr, size, PROT_READ | PROT_WRITE, MAP_SHARED, fd_.get(), 0);
    if (address == MAP_FAILED)
        throw_errno("cannot allocate " + std::to_string(size) + " bytes of hypercall memory");
    return Block(this, {static_cast<std::byte*>(address), size});
}

HypercallMemory::Block::~Block()
{
    if (pool_)
        pool_->free_.push_back(memory_);
}

Privcmd::Privcmd() : fd_(open_device("/dev/xen/privcmd", O_RDWR)) {}

int Privcmd::call(u64 number, u64 a0, u64 a1, u64 a2, u64 a3, u64 a4)
{
    PrivcmdHypercall argument{number, {a0, a1, a2, a3, a4}};
    const int result = ioctl(fd_.get(), privcmd_hypercall, &argument);
    return result < 0 ? -errno : result;
}

i64 Privcmd::call_long(u64 number, u64 a0, u64 a1, u64 a2, u64 a3, u64 a4)
{
    Bounce<MulticallEntry> entry(*this, MulticallEntry{number, 0, {a0, a1, a2, a3, a4, 0}});
    const int result = call(hypercall_multicall, entry.address(), 1);
    return result < 0 ? result : entry->result;
}

void Privcmd::restrict_to(DomId domain)
{
    u16 raw = domain.value;
    if (ioctl(fd_.get(), privcmd_restrict, &raw) < 0)
        throw_errno("cannot restrict privcmd to domain " + std::to_string(domain.value));
}

}
