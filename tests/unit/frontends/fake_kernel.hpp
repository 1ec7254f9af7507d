// A kernel for frontends, in plain memory: its pages, grants, ports and store. A test plays the backend.
#pragma once

#include "frontends/xenbus/kernel.hpp"

#include <map>
#include <set>
#include <string>
#include <vector>

namespace xylem::frontends::test {

/// The store as a map. Watches run when the kernel runs.
class MapStore : public Store {
public:
    Result<size_t> read(const char* path, std::span<char> out) override;
    Result<void> write(const char* path, const char* value) override;
    Result<void> remove(const char* path) override;
    Result<void> watch(const char* path, Handler on_change, void* context) override;
    void unwatch(const char* path, void* context) override;

    void put(const std::string& path, const std::string& value) { write(path.c_str(), value.c_str()).take(); }
    std::string at(const std::string& path) const;
    unsigned long number_at(const std::string& path) const { return std::stoul(at(path)); }
    /// Runs the handlers of what has changed. @return whether there was anything
    bool fire();

    std::map<std::string, std::string> nodes;
    /// A write of this value to this path fails.
    std::set<std::pair<std::string, std::string>> refused;

private:
    struct Watch {
        std::string path;
        Handler handler;
        void* context;
        bool fired;
    };
    std::vector<Watch> watches_;
};

class FakeKernel : public Kernel {
public:
    ~FakeKernel() override;

    u8* allocate_pages(u32 count) override;
    void free_pages(u8* pages, u32 count) override;
    Result<GrantRef> grant(DomId peer, const u8* page, Access access) override;
    bool end_grant(GrantRef ref) override;
    Result<Port> allocate_port(DomId peer, Handler handler, void* context) override;
    void notify(Port port) override { ++notified[port.value]; }
    void close_port(Port port) override { ports_.erase(port.value); }
    void defer(Handler handler, void* context) override { deferred_.emplace_back(handler, context); }
    void forget(void* context) override;
    Store& store() override { return map_store; }
    u32 processors() const override { return processor_count; }

    // ---- What the peer sees and does

    /// The page of a reference; fails the test if it is not granted.
    u8* granted(unsigned long ref);
    bool is_granted(unsigned long ref) const { return grants_.contains(ref); }
    /// The peer maps the page and does not let go.
    void hold(unsigned long ref) { held_.insert(ref); }
    void send_event(unsigned long port);
    bool has_port(unsigned long port) const { return ports_.contains(port); }

    /// Runs watches and deferred work until nothing is left.
    void run();
    size_t pages_in_use() const { return pages_.size(); }
    size_t grants_in_use() const { return grants_.size(); }

    MapStore map_store;
    u32 processor_count = 4;
    size_t pages_left = 1 << 16;
    std::map<unsigned long, unsigned> notified; // by port

private:
    std::map<u8*, u8*> pages_;       // each page, and the allocation that it is in
    std::map<u8*, u32> allocations_; // and how many of its pages are in use
    std::map<unsigned long, u8*> grants_;
    std::set<unsigned long> held_;
    std::map<unsigned long, std::pair<Handler, void*>> ports_;
    std::vector<std::pair<Handler, void*>> deferred_;
    u32 next_ref_ = 8, next_port_ = 1;
};

/// A device's two folders, as a toolstack makes them: the frontend is domain 7, the backend domain 3.
class FakeDevice {
public:
    FakeDevice(FakeKernel& kernel, const std::string& type, unsigned number);

    std::string front(const std::string& name) const { return front_ + "/" + name; }
    std::string back(const std::string& name) const { return back_ + "/" + name; }
    void put_back(const std::string& name, const std::string& value) { kernel_.map_store.put(back(name), value); }
    std::string front_at(const std::string& name) const { return kernel_.map_store.at(front(name)); }
    unsigned long front_number(const std::string& name) const { return kernel_.map_store.number_at(front(name)); }
    /// The backend goes to a state, and the frontend does what it has to.
    void back_state(unsigned state)
    {
        put_back("state", std::to_string(state));
        kernel_.run();
    }

private:
    FakeKernel& kernel_;
    std::string front_, back_;
};

}
