// See drivers.hpp.

#include "frontends/guest/drivers.hpp"

#include "frontends/guest/events.hpp"
#include "frontends/guest/grants.hpp"
#include "frontends/guest/memory.hpp"
#include "frontends/guest/tasks.hpp"
#include "frontends/guest/vcpus.hpp"

namespace xylem::guest {
namespace {

Port store_port()
{
    return Port(start_info().store_evtchn);
}

/// What a frontend has put off, oldest first.
struct Deferred {
    frontends::Kernel::Handler handler;
    void* context;
    Deferred* next;
};
Deferred* deferred;

class DriverKernel : public frontends::Kernel {
public:
    u8* allocate_pages(u32 count) override { return static_cast<u8*>(guest::allocate_pages(count)); }
    void free_pages(u8* pages, u32 count) override { guest::free_pages(pages, count); }

    Result<GrantRef> grant(DomId peer, const u8* page, Access access) override
    {
        return allocate_grant(peer, page, access == Access::read_only ? abi::gtf_readonly : u16{0});
    }
    bool end_grant(GrantRef ref) override { return guest::end_grant(ref); }

    Result<Port> allocate_port(DomId peer, Handler handler, void* context) override
    {
        return guest::allocate_port(peer, handler, context);
    }
    void notify(Port port) override { guest::notify(port); }
    void close_port(Port port) override { guest::close_port(port); }

    void defer(Handler handler, void* context) override
    {
        Deferred** end = &deferred;
        while (*end)
            end = &(*end)->next;
        *end = new Deferred{handler, context, nullptr};
    }
    void forget(void* context) override
    {
        for (Deferred** link = &deferred; *link;) {
            Deferred* entry = *link;
            if (entry->context == context) {
                *link = entry->next;
                delete entry;
            } else {
                link = &entry->next;
            }
        }
    }
    frontends::Store& store() override { return guest::store(); }
    u32 processors() const override { return vcpus(); }
};

bool run_deferred()
{
    Deferred* first = deferred;
    if (!first)
        return false;
    deferred = first->next;
    const Deferred now = *first;
    delete first;
    now.handler(now.context);
    return true;
}

void serve(void*)
{
    for (;;) {
        wait_until([] { return deferred || store().watches_fired(); });
        while (run_deferred() | store().serve_watches()) {
        }
    }
}

}

frontends::StoreClient& store()
{
    static frontends::StoreClient client(
        {address_of_pfn<abi::io::XenstoreDomainInterface>(pfn_of_mfn(start_info().store_mfn)),
         [](void*) { notify(store_port()); }, [](void*) { wait_for_something(); }, nullptr});
    static bool open = false;
    if (!open) {
        open = true;
        handle_port(store_port(), [](void*) {}); // it ends waits: that is all
        start_task(serve);
    }
    return client;
}

frontends::Kernel& driver_kernel()
{
    static DriverKernel kernel;
    return kernel;
}

}
