// What every kind of device shares on the frontend's side: the handshake around it. A kind of device derives from this
// and brings three methods: offer its rings, connect, let go.
#pragma once

#include "frontends/xenbus/handshake.hpp"
#include "frontends/xenbus/kernel.hpp"

namespace xylem::frontends {

class Frontend {
public:
    /// `type` is the folder's name in the store: "vbd", "vif". `number` as in device/TYPE/NUMBER. `offered`: the state
    /// in which this type's backends look for rings: 3, or (vif) 4.
    Frontend(Kernel& kernel, const char* type, u32 number, XenbusState offered);
    Frontend(const Frontend&) = delete;
    Frontend& operator=(const Frontend&) = delete;
    /// Must be closed, or never begun.
    virtual ~Frontend();

    /// Finds the device in the store and follows its backend's state from here on.
    /// @return NoEntry  there is no such device
    Result<void> begin();
    /// Asks for the end: the backend answers what is in service and lets go. is_closed() tells when.
    void close();

    bool is_connected() const { return stage_ == Stage::connected; }
    bool is_closed() const { return stage_ == Stage::closed; }
    /// Closed, and it will not come back by itself.
    bool is_over() const { return is_closed() && !comes_back(); }
    /// What the backend did wrong; null: nothing.
    const char* complaint() const { return complaint_; }

protected:
    // These may use the store and wait. What they read there is the backend's word, and may be anything.

    /// Makes rings for backend() and writes into our folder what it needs to find them.
    virtual Result<void> offer() = 0;
    /// The backend serves the rings: what is the device like?
    virtual Result<void> connect() = 0;
    /// Gives up the rings, if there are any. What was in service is kept for the next connection if the device
    /// comes_back(), else it fails.
    virtual void let_go() = 0;

    /// To be called, from anywhere, when the backend breaks the protocol: the device is closed for good. `why` is a
    /// literal.
    void break_connection(const char* why);

    Kernel& kernel() const { return kernel_; }
    Store& store() const { return kernel_.store(); }
    DomId backend() const { return backend_; }
    /// Whether a connection may follow when this one has ended.
    bool comes_back() const { return wanted_ && online_ && may_retry(); }
    /// Paths of nodes in the two folders.
    Path front(const char* name) const { return Path("device/{}/{}/{}", type_, number_, name); }
    Path back(const char* name) const { return Path("{}/{}", back_.c_str(), name); }
    /// A number that the backend offers, and at most `limit`; `otherwise` if it says nothing.
    u32 offered_number(const char* name, u32 limit, u32 otherwise);
    Result<void> write_number(const char* name, u64 value);

private:
    static constexpr u32 most_refusals = 3;

    static void update_now(void* self) { static_cast<Frontend*>(self)->update(); }
    void update();
    void perform(Step step);
    Result<void> find_backend();
    void stop_watching();
    bool may_retry() const { return refusals_ < most_refusals; }
    /// Goes to a stage, and says so. The error is the store's: nobody was told.
    Result<void> enter(Stage stage, XenbusState state);
    void let_go_and_close();

    Kernel& kernel_;
    const char* type_;
    u32 number_;
    XenbusState offered_;
    DomId backend_;
    Path back_;    // the backend's folder
    Path watched_; // its state's node, while it is watched
    Stage stage_ = Stage::closed;
    bool wanted_ = true;
    bool online_ = true;
    bool updating_ = false, update_again_ = false;
    u32 refusals_ = 0; // since the last connection
    const char* complaint_ = nullptr;
};

}
