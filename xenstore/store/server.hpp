// The store's server without its surroundings: requests go in, replies and events come out at the connections' outputs.
//
// It does no I/O, reads no clock and is deterministic: the same requests in the same order give the same store and the
// same bytes. The daemon moves bytes between the connections and the world and tells it what becomes of domains.
#pragma once

#include "xenstore/store/connection.hpp"
#include "xenstore/store/limits.hpp"

#include <functional>
#include <span>

namespace xylem::xenstore {

/// What the server wants of its surroundings.
class Surroundings {
public:
    virtual ~Surroundings() = default;

    /// There is such a domain, and it is not dying.
    virtual bool domain_exists(DomId domain) = 0;
    /// Speaks to the domain over its ring from now on; a ring in use starts anew, with the given port.
    virtual Result<> connect_domain(DomId domain, Gfn ring, Port remote_port, Connection& connection) = 0;
    virtual void disconnect_domain(DomId domain) = 0;

    /// The connection's output is no longer empty.
    virtual void output_waits(Connection& connection) = 0;

    /// Control commands that are the daemon's.
    virtual void set_request_log(bool on) = 0;
    virtual Result<> set_log_file(const std::string& path) = 0;
    virtual Result<> write_file(const std::string& path, std::string_view text) = 0;
    virtual void print(std::string_view text) = 0;
    /// Puts the program `file` in the daemon's place, with everything that the daemon holds. An empty command line
    /// means the daemon's own. @return why that failed and the old one goes on; empty if it is the new one that answers
    virtual std::string update(const std::string& file, const std::string& command_line) = 0;
};

enum class DomainState { running, shut_down, gone };

class Server {
public:
    Server(Surroundings& surroundings, Limits limits);
    ~Server();
    Server(const Server&) = delete;
    Server& operator=(const Server&) = delete;

    /// A process in the control domain.
    Connection& add_client();
    /// The control domain's kernel.
    Connection& add_control_domain();
    void remove_client(Connection& connection);
    /// The client broke the protocol.
    void ignore(Connection& connection);
    /// The client starts anew, whatever it did: its watches, transactions and output are dropped.
    void listen_anew(Connection& connection);

    /// May the next request of this client be taken, or does it have too many replies to read first?
    bool accepts_requests(const Connection& connection) const;
    void handle(Connection& connection, const Message& request);
    /// `bytes` of the output's front were sent.
    void sent(Connection& connection, std::size_t bytes);

    /// Domains that the store has to do with, dom0 excepted.
    std::vector<DomId> known_domains() const;
    /// What has become of them; those missing in `states` are as before.
    void domains_changed(const std::map<DomId, DomainState>& states);

    /// Creates `path` if need be and sets its value, as dom0.
    void put(std::string_view path, std::string_view value);
    const NodeRef& root() const { return root_; }

    /// Everything that is to come depends on what is saved here and on what will be asked, and on nothing else.
    std::string save();
    /// Takes the place of all there is; only for a server that nobody has spoken to. The connections of
    /// domains are connected by whoever called.
    /// @throws std::runtime_error  `state` is none of save()'s
    void load(std::string_view state);
    /// The connection of that number, null if there is none.
    Connection* connection(u32 id) const;
    /// Memory ran out somewhere since the last forget_want(): what followed from that cannot be told from the requests
    /// alone.
    bool has_met_want() const { return has_met_want_; }
    void forget_want() { has_met_want_ = false; }

    /// The bookkeeping agrees with the store. @return what is wrong; empty if nothing
    std::string check() const;

private:
    struct Domain;
    struct Request;
    using Reply = Result<std::string>; ///< a reply's payload
    using Handler = Reply (Server::*)(Request&);
    struct Operation;
    static const Operation* operation_of(XsMessageType type);

    Reply run(Connection& connection, const Message& request, Watch*& new_watch);

    // requests_tree.cpp
    Reply read(Request&);
    Reply write(Request&);
    Reply make(Request&);
    Reply remove(Request&);
    Reply directory(Request&);
    Reply directory_part(Request&);
    Reply get_permissions(Request&);
    Reply set_permissions(Request&);

    // requests_watch.cpp
    Reply watch(Request&);
    Reply unwatch(Request&);
    Reply reset_watches(Request&);

    // requests_transaction.cpp
    Reply start_transaction(Request&);
    Reply end_transaction(Request&);

    // requests_domain.cpp
    Reply introduce(Request&);
    Reply release(Request&);
    Reply resume(Request&);
    Reply set_target(Request&);
    Reply get_domain_path(Request&);
    Reply is_domain_introduced(Request&);

    // requests_control.cpp
    Reply control(Request&);
    Reply control_quota(const std::vector<std::string_view>& words, std::span<const LimitName> limits);
    Reply control_live_update(const std::vector<std::string_view>& words);
    Reply start_live_update(std::span<const std::string_view> options);
    std::string quota_of(DomId id, const Domain& domain) const;
    std::string memory_report() const;

    std::string absolute(const Connection& connection, std::string_view path) const;
    Result<std::string> node_path(const Connection& connection, std::string_view path) const;
    /// The path that is a request's only argument.
    Result<std::string> only_path_of(const Request& request) const;
    const Node* find_noting(Request& request, std::string_view path, Aspect aspect);
    /// @return Invalid, Access, NoEntry; NoEntry only if the subject may know that the node is missing
    Result<const Node*> look_up(Request& request, std::string_view path, Access need, Aspect aspect);
    std::vector<Change> steps_to_create(Request& request, std::string_view path, std::string_view value);

    /// Does it, in the request's transaction or in the store.
    /// @return NoSpace, NoMemory  a limit; nothing is changed
    Result<> change(Request& request, std::vector<Change> changes, std::string_view event_path);
    Result<> check_limits(const Request& request, const Draft& draft, const std::vector<Change>& changes) const;
    struct Event {
        std::string path;
        NodeRef before;
        bool is_removal = false; ///< concerns what was below, too
    };
    NodeRef node_at(std::string_view path) const { return NodeRef(find(root_, path)); }
    void commit(const Draft& draft, const std::vector<Event>& events);
    std::vector<Event> events_of(const Transaction& transaction) const;
    Draft replayed(const Transaction& transaction);

    void fire(const Event& event);
    void fire_special(std::string_view name);
    void suspect_all_watches();
    void send_event(Watch& watch, std::string_view path);
    void push_reply(Connection& connection, const Message& message);
    void reset(Connection& connection);
    void drop_watches(Connection& connection);
    void drop_transactions(Connection& connection);
    void drop_transaction(Connection& connection, u32 id);
    void doom_old_transactions();

    Domain& domain(DomId id);
    Domain* introduced_domain(DomId id);
    Result<DomId> introduced_guest_in(std::string_view payload);
    void forget_domain(DomId id);
    void purge_domain_from_tree(DomId id);
    void doom_transactions_naming(DomId id);
    Permissions& special_permissions(std::string_view name);
    std::size_t memory_of(DomId id) const;
    void watch_soft_limit(DomId id);
    template <typename Archive> void archive(Archive& with);
    template <typename Archive> void archive(Archive& with, Connection& connection);

    Surroundings& surroundings_;
    Limits limits_;
    NodeRef root_;
    u64 generation_ = 0;
    u64 changes_ = 0; ///< of the store, for the age of transactions
    WatchIndex watches_;
    u64 next_watch_order_ = 0;
    std::map<u32, std::unique_ptr<Connection>> connections_;
    u32 next_connection_ = 1;
    std::map<DomId, Domain> domains_;
    Permissions introduce_permissions_;
    Permissions release_permissions_;
    std::string update_file_;         ///< what is to take our place, once it is told to
    std::string update_command_line_; ///< empty: ours
    bool has_met_want_ = false;
};

}
