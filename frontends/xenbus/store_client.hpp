// A client of xenstored over the page of two rings that a guest starts with. Wire: xen/include/public/io/xs_wire.h.
//
// One request is under way at a time; who comes second waits. Watch events that arrive meanwhile are noted at their
// watch (a watch that fires twice before its handler runs, runs it once: handlers look at the store anyway), so that
// the daemon can never make us remember more than there are watches. Handlers run in serve_watches() only.
//
// The daemon is trusted with the store's content, but not with our memory: lengths and indices are checked, and a ring
// that cannot be right ends all use of it with IoError.
#pragma once

#include "frontends/xenbus/store.hpp"
#include "hypervisor/abi/io/xs_wire.hpp"

namespace xylem::frontends {

class StoreClient : public Store {
public:
    /// How the client reaches the world.
    struct Parts {
        abi::io::XenstoreDomainInterface* page;
        void (*notify)(void* context); ///< wakes the daemon
        void (*wait)(void* context);   ///< lets others work until something may have happened
        void* context;
    };
    explicit StoreClient(Parts parts) : parts_(parts) {}

    Result<size_t> read(const char* path, std::span<char> out) override;
    Result<void> write(const char* path, const char* value) override;
    Result<void> remove(const char* path) override;
    Result<void> watch(const char* path, Handler on_change, void* context) override;
    void unwatch(const char* path, void* context) override;

    /// The names of a node's children, each with a zero behind it. @return the bytes of all
    Result<size_t> list(const char* path, std::span<char> out);

    /// A transaction: all that is written between start and commit is seen by others at once, or not at all. While it
    /// lasts, all requests of this client belong to it.
    Result<void> start_transaction();
    /// @return Again  somebody else came in between; nothing was written, and all of it wants to be done again
    Result<void> commit_transaction();
    void abort_transaction();

    /// Runs the handlers of the watches that have fired. @return whether there were any
    bool serve_watches();
    /// Whether serve_watches() would have something to do.
    bool watches_fired();

private:
    using Header = abi::io::XsMessageHeader;
    using Type = abi::io::XsMessageType;

    struct Watch {
        Path path;
        Handler handler = nullptr; // null: a free place
        void* context = nullptr;
        u32 token = 0;
        bool fired = false;
    };
    static constexpr u32 most_watches = 64;

    /// A request of up to two texts, each with its zero (the last without, where `ends_bare`).
    enum class End { with_zero, bare };
    Result<size_t> ask(Type type, const char* first, const char* second, End end, std::span<char> out);
    Result<size_t> ask_alone(Type type, const char* first, const char* second, End end, std::span<char> out);
    Result<void> ask(Type type, const char* first, const char* second = nullptr, End end = End::with_zero);
    Result<void> end_transaction(const char* verdict);

    void send(const void* data, size_t bytes);
    void receive(void* data, size_t bytes);
    Header receive_message();
    bool message_waits();
    void note_event(u32 length);
    void wait() { parts_.wait(parts_.context); }
    void begin_use();
    void end_use() { busy_ = false; }

    Parts parts_;
    Watch watches_[most_watches];
    u32 next_token_ = 1;
    u32 next_request_ = 1;
    u32 transaction_ = 0;
    bool busy_ = false;   // a request is under way, or a message is half read
    bool broken_ = false; // the daemon's indices or lengths cannot be
    char payload_[abi::io::xenstore_payload_max + 1];
};

}
