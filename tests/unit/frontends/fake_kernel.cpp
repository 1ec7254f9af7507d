// See fake_kernel.hpp.
#include "tests/unit/frontends/fake_kernel.hpp"

#include <algorithm>
#include <cstdlib>
#include <cstring>
#include <gtest/gtest.h>

namespace xylem::frontends::test {

Result<size_t> MapStore::read(const char* path, std::span<char> out)
{
    const auto found = nodes.find(path);
    if (found == nodes.end())
        return Error::NoEntry;
    if (found->second.size() >= out.size())
        return Error::TooBig;
    std::memcpy(out.data(), found->second.c_str(), found->second.size() + 1);
    return found->second.size();
}

Result<void> MapStore::write(const char* path, const char* value)
{
    if (refused.contains({path, value}))
        return Error::NoSpace;
    nodes[path] = value;
    for (Watch& watch : watches_)
        if (watch.path == path || std::string(path).starts_with(watch.path + "/"))
            watch.fired = true;
    return {};
}

Result<void> MapStore::remove(const char* path)
{
    return nodes.erase(path) > 0 ? Result<void>() : Error::NoEntry;
}

Result<void> MapStore::watch(const char* path, Handler on_change, void* context)
{
    watches_.push_back({path, on_change, context, true});
    return {};
}

void MapStore::unwatch(const char* path, void* context)
{
    std::erase_if(watches_, [&](const Watch& watch) { return watch.path == path && watch.context == context; });
}

std::string MapStore::at(const std::string& path) const
{
    const auto found = nodes.find(path);
    return found == nodes.end() ? "(none)" : found->second;
}

bool MapStore::fire()
{
    for (Watch& watch : watches_) {
        if (!watch.fired)
            continue;
        watch.fired = false;
        const Watch now = watch; // the handler may change the list
        now.handler(now.context);
        return true;
    }
    return false;
}

FakeKernel::~FakeKernel()
{
    EXPECT_TRUE(ports_.empty()) << "ports are still open";
    for (const auto& [allocation, count] : allocations_)
        std::free(allocation);
}

u8* FakeKernel::allocate_pages(u32 count)
{
    if (pages_left < count)
        return nullptr;
    pages_left -= count;
    auto* allocation = static_cast<u8*>(std::aligned_alloc(page_size, count * page_size));
    std::memset(allocation, 0, count * page_size);
    allocations_[allocation] = count;
    for (u32 i = 0; i < count; ++i)
        pages_[allocation + i * page_size] = allocation;
    return allocation;
}

void FakeKernel::free_pages(u8* pages, u32 count)
{
    for (u32 i = 0; i < count; ++i) {
        u8* page = pages + i * page_size;
        ASSERT_TRUE(pages_.contains(page)) << "freed twice";
        for (const auto& [ref, granted_page] : grants_)
            EXPECT_NE(granted_page, page) << "freed while granted";
        u8* allocation = pages_.at(page);
        pages_.erase(page);
        ++pages_left;
        if (--allocations_[allocation] == 0) {
            allocations_.erase(allocation);
            std::free(allocation);
        }
    }
}

Result<GrantRef> FakeKernel::grant(DomId peer, const u8* page, Access)
{
    EXPECT_EQ(peer, DomId(3));
    grants_[next_ref_] = const_cast<u8*>(page);
    return GrantRef(next_ref_++);
}

bool FakeKernel::end_grant(GrantRef ref)
{
    EXPECT_TRUE(grants_.contains(ref.value));
    if (held_.contains(ref.value))
        return false;
    grants_.erase(ref.value);
    return true;
}

Result<Port> FakeKernel::allocate_port(DomId peer, Handler handler, void* context)
{
    EXPECT_EQ(peer, DomId(3));
    ports_[next_port_] = {handler, context};
    return Port(next_port_++);
}

void FakeKernel::forget(void* context)
{
    std::erase_if(deferred_, [&](const auto& entry) { return entry.second == context; });
}

u8* FakeKernel::granted(unsigned long ref)
{
    EXPECT_TRUE(grants_.contains(ref)) << "reference " << ref << " is not granted";
    return grants_.at(ref);
}

void FakeKernel::send_event(unsigned long port)
{
    ASSERT_TRUE(ports_.contains(port));
    const auto [handler, context] = ports_.at(port);
    handler(context);
}

void FakeKernel::run()
{
    for (bool more = true; more;) {
        more = map_store.fire();
        if (!deferred_.empty()) {
            const auto [handler, context] = deferred_.front();
            deferred_.erase(deferred_.begin());
            handler(context);
            more = true;
        }
    }
}

FakeDevice::FakeDevice(FakeKernel& kernel, const std::string& type, unsigned number)
    : kernel_(kernel), front_("device/" + type + "/" + std::to_string(number)),
      back_("/local/domain/3/backend/" + type + "/7/" + std::to_string(number))
{
    kernel.map_store.put(front("backend"), back_);
    kernel.map_store.put(front("backend-id"), "3");
    kernel.map_store.put(front("state"), "1");
    put_back("online", "1");
    put_back("state", "1");
}

}
