// See both_ends.hpp.
#include "tests/unit/frontends/both_ends.hpp"

#include <cstring>
#include <list>
#include <set>
#include <sys/mman.h>

namespace xylem::frontends::test {

static const std::string guest_folder = "/local/domain/7/";

/// The map as the backend sees it: what is relative for the guest lies in the guest's folder.
class BothEnds::BackStore : public backends::Store {
public:
    explicit BackStore(MapStore& map) : map_(map) {}

    std::optional<std::string> read(const std::string& path) override
    {
        const auto found = map_.nodes.find(name_in_map(path));
        return found == map_.nodes.end() ? std::nullopt : std::optional(found->second);
    }
    std::vector<std::string> list(const std::string& path) override
    {
        std::set<std::string> names;
        const std::string folder = name_in_map(path) + "/";
        for (const auto& [node, value] : map_.nodes)
            if (node.starts_with(folder))
                names.insert(node.substr(folder.size(), node.find('/', folder.size()) - folder.size()));
        return {names.begin(), names.end()};
    }
    bool update(const std::string& folder, const backends::Entries& entries) override
    {
        if (list(folder).empty())
            return false;
        for (const auto& [name, value] : entries)
            map_.put(name_in_map(folder) + "/" + name, value);
        return true;
    }
    void remove(const std::string& folder) override
    {
        std::vector<std::string> gone;
        for (const auto& [node, value] : map_.nodes)
            if (node == name_in_map(folder) || node.starts_with(name_in_map(folder) + "/"))
                gone.push_back(node);
        for (const std::string& node : gone)
            map_.remove(node.c_str()).take();
    }
    void watch(const std::string& path, Handler on_change) override
    {
        watches_.push_back({path, std::move(on_change)});
        map_.watch(name_in_map(path).c_str(), fire, &watches_.back()).take();
    }
    void unwatch(const std::string& path) override
    {
        watches_.remove_if([&](Watch& watch) {
            if (watch.path != path)
                return false;
            map_.unwatch(name_in_map(path).c_str(), &watch);
            return true;
        });
    }

private:
    struct Watch {
        std::string path;
        Handler handler;
    };
    static void fire(void* watch)
    {
        const Watch now = *static_cast<Watch*>(watch);
        now.handler(now.path);
    }
    static std::string name_in_map(const std::string& path)
    {
        return path.starts_with(guest_folder) ? path.substr(guest_folder.size()) : path;
    }

    MapStore& map_;
    std::list<Watch> watches_;
};

/// The frontend's pages, one at a time.
class BothEnds::BackMemory : public backends::PeerMemory {
public:
    explicit BackMemory(FakeKernel& kernel) : kernel_(kernel) {}

    std::byte* map(std::span<const GrantRef> refs) override
    {
        if (refs.size() != 1 || !kernel_.is_granted(refs[0].value))
            return nullptr;
        return reinterpret_cast<std::byte*>(kernel_.granted(refs[0].value));
    }
    void unmap(std::byte*) override {}
    void copy(std::span<backends::GrantCopy> steps) override
    {
        for (backends::GrantCopy& step : steps) {
            const bool from_guest = step.flags == dom0::linux_ioctl::copy_source_is_grant;
            const auto& grant = from_guest ? step.source.foreign : step.destination.foreign;
            step.status =
                grant.domid == 7 && kernel_.is_granted(grant.ref) && grant.offset + step.bytes <= page_size ? 0 : -1;
            if (step.status != 0)
                continue;
            u8* page = kernel_.granted(grant.ref) + grant.offset;
            from_guest ? std::memcpy(step.destination.address, page, step.bytes)
                       : std::memcpy(page, step.source.address, step.bytes);
        }
    }
    DomId domain() const override { return DomId(7); }

private:
    FakeKernel& kernel_;
};

class BothEnds::Signal : public backends::PeerSignal {
public:
    Signal(BothEnds& ends, unsigned long port) : ends_(ends), port_(port) {}
    ~Signal() override { ends_.bound_.erase(port_); }
    void notify() override
    {
        if (ends_.kernel.has_port(port_))
            ends_.kernel.send_event(port_);
    }

private:
    BothEnds& ends_;
    unsigned long port_;
};

BothEnds::BothEnds(const std::string& type)
    : device(kernel, type, 0), type_(type), store_(std::make_unique<BackStore>(kernel.map_store))
{
    kernel.map_store.put("domid", "3");
    device.put_back("frontend", guest_folder + "device/" + type + "/0");
}

BothEnds::~BothEnds()
{
    kill();
}

void BothEnds::serve(MakeDevice make_device)
{
    kill();
    host_ = std::make_unique<backends::DeviceHost>(
        loop_, *store_, type_, [this, make_device](const backends::DevicePlace& place, backends::DeviceEvents events) {
            const auto bind = [this](Port remote, backends::EventLoop::Handler on_event) {
                bound_[remote.value] = std::move(on_event);
                return std::make_unique<Signal>(*this, remote.value);
            };
            return make_device({loop_, *store_, std::make_unique<BackMemory>(kernel), bind}, place, std::move(events));
        });
}

void BothEnds::kill()
{
    host_.reset();
}

void BothEnds::pump()
{
    for (int turn = 0; turn < 50; ++turn) {
        kernel.run();
        loop_.turn(std::chrono::milliseconds(0));
        for (const auto& [port, count] : kernel.notified) {
            const auto found = bound_.find(port);
            if (found == bound_.end() || seen_[port] == count)
                continue;
            seen_[port] = count;
            const backends::EventLoop::Handler handler = found->second; // it may end its own binding
            handler();
        }
    }
}

}
