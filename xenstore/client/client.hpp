// The store's client: what xl, the backends and the console daemon use to speak with xenstored.
//
//     Client store;                                              // throws if no xenstored answers
//     store.write("/local/domain/0/name", "Domain-0");
//     std::optional<std::string> state = store.find(path);       // nothing if there is no such node
//     store.transact([&](StoreView& in) { in.write(a, "1"); in.remove(b); });   // all or nothing, repeated on conflict
//     store.watch("/local/domain/0/backend/vbd", "token");       // poll fd(), then next_event() until it yields
//     nothing
//
// A failed request throws StoreError, whose what() names the operation and the path. One thread at a time.
//
// Each trip to the daemon costs more than what it does there. Who calls batch_changes() has what changes nodes in a
// transaction sent together: a refusal is thrown by a later call in the same transaction then, at the latest by its
// commit.
#pragma once

#include "hypervisor/base/types.hpp"
#include "xenstore/client/socket.hpp"
#include "xenstore/store/message.hpp"
#include "xenstore/store/permissions.hpp"

#include <chrono>
#include <deque>
#include <span>
#include <stdexcept>

namespace xylem::xenstore {

/// The daemon refused a request, or cannot be reached.
class StoreError : public std::runtime_error {
public:
    StoreError(Error why, const std::string& what) : std::runtime_error(what), error_(why) {}
    Error error() const { return error_; }
    bool is(Error why) const { return error_ == why; }

private:
    Error error_;
};

struct WatchEvent {
    std::string path; ///< as relative as the watch's path was; special for special watches
    std::string token;
};

class Client;

/// The nodes, inside a transaction or outside of any.
class StoreView {
public:
    std::string read(std::string_view path);
    /// Nothing if there is no such node.
    std::optional<std::string> find(std::string_view path);
    /// The same of each path, in few trips.
    std::vector<std::optional<std::string>> find_each(std::span<const std::string> paths);
    void write(std::string_view path, std::string_view value);
    void make(std::string_view path);
    /// Removes what lies below, too. A node that is missing already is no error; a missing parent is.
    void remove(std::string_view path);
    /// Removes it whether or not its parent exists.
    void remove_if_exists(std::string_view path);
    /// Names of the children, in order of creation. However many there are.
    std::vector<std::string> list(std::string_view path);
    /// The same; empty if there is no such node.
    std::vector<std::string> list_if_exists(std::string_view path);
    PermissionList permissions(std::string_view path);
    /// The first names the owner.
    void set_permissions(std::string_view path, std::span<const Permission> permissions);

protected:
    StoreView(Client& client, u32 transaction) : client_(client), transaction_(transaction) {}
    StoreView(const StoreView&) = delete;
    StoreView& operator=(const StoreView&) = delete;
    ~StoreView() = default;

    Client& client_;
    u32 transaction_;
};

/// Ends with its life if not by commit(): as if it had never been.
class StoreTransaction : public StoreView {
public:
    explicit StoreTransaction(Client& client);
    ~StoreTransaction();
    /// @return false  others changed what it looked at: do it again
    [[nodiscard]] bool commit();

private:
    bool is_open_ = true;
};

class Client : public StoreView {
public:
    /// Connects to the daemon's socket, else to the one that dom0's or a guest's kernel offers.
    /// @throws StoreError  naming each place that was tried
    Client();
    explicit Client(const std::string& path);
    ~Client();

    /// Calls `work` with a transaction until that commits. `work` must be repeatable; when it throws, nothing happens.
    template <typename Work> void transact(Work&& work)
    {
        for (;;) {
            StoreTransaction transaction(*this);
            work(static_cast<StoreView&>(transaction));
            if (transaction.commit())
                return;
        }
    }

    /// The first event, of the path itself, comes at once.
    void watch(std::string_view path, std::string_view token);
    void unwatch(std::string_view path, std::string_view token);
    /// An event that is here already; nothing if there is none. Never waits. Since replies may come behind events, take
    /// events until there is none before you poll.
    std::optional<WatchEvent> next_event();
    /// The same, waiting for one; nothing after `timeout`.
    std::optional<WatchEvent> wait_for_event(std::chrono::milliseconds timeout);
    /// Readable when there may be an event.
    int fd() const { return fd_; }
    void batch_changes() { batches_ = true; }

    void introduce(DomId domain, Gfn ring, Port port);
    void release(DomId domain);
    void resume(DomId domain);
    void set_target(DomId domain, DomId target);
    bool is_introduced(DomId domain);
    std::string domain_path(DomId domain);
    /// A command for the daemon itself, see xenstored's help. @return what it says
    std::string control(std::span<const std::string> words);

private:
    friend class StoreView;
    friend class StoreTransaction;

    struct Request {
        XsMessageType type;
        u32 transaction;
        std::string payload;
        std::string subject; ///< what an error names
    };
    /// What an answer that there is no such node means.
    enum class Missing { is_refused, is_fine };

    /// @return the reply's payload. @throws StoreError  with the subject and what the daemon says
    std::string request(XsMessageType type, u32 transaction, std::string payload, std::string_view subject);
    /// The same, telling an error in place of throwing it; loss of the daemon still throws.
    Result<std::string> try_request(XsMessageType type, u32 transaction, std::string payload);
    [[noreturn]] static void throw_refused(XsMessageType type, std::string_view subject, Error error);
    /// A request whose reply says nothing: sent with others if it belongs to a transaction and may wait, else at once.
    void post(Request request, Missing missing = Missing::is_refused);
    /// Sends what has been posted. @throws StoreError  for the first that was refused
    void settle();
    /// Forgets what has been posted: its transaction ends in nothing.
    void drop_posted() { posted_.clear(); }
    /// Sends them together as far as the connection allows. @return the replies in their order
    std::vector<Result<std::string>> exchange(std::span<const Request> requests);
    std::optional<Message> receive_reply(u32 id);
    void send(std::string_view bytes);
    enum class Wait { no, yes };
    /// @return whether anything came
    bool receive(Wait wait);
    std::optional<Message> take_reply(u32 req_id);

    struct Posted {
        Request request;
        Missing missing;
    };

    int fd_ = -1;
    std::size_t most_together_ = 1; ///< requests sent before a reply is awaited
    bool batches_ = false;
    std::vector<Posted> posted_;
    Assembler assembler_;
    std::deque<WatchEvent> events_;
    std::deque<Message> replies_;
    u32 next_request_ = 1;
};

}
