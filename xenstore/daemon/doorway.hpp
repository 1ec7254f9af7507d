// Where processes come in: the daemon's own listening socket, or a keeper's that accepts them and holds their sockets
// beyond our death.
#pragma once

#include "dom0/lib/keeper_protocol.hpp"

#include <map>
#include <optional>

namespace xylem::xenstore {

/// A process at the door. Its number is its own as long as the keeper lives.
struct Visitor {
    u32 number;
    int fd; ///< does not block; the receiver's to close
};

class Doorway {
public:
    virtual ~Doorway() = default;

    /// Readable when somebody may be at the door.
    virtual int fd() const = 0;
    /// The next one; nothing if there is none now. @throws std::system_error  nobody will come any more
    virtual std::optional<Visitor> next() = 0;
    /// The socket of one who came in a predecessor's days, once; -1 if it is not kept.
    virtual int kept(u32 number) = 0;
    /// Nobody needs this one any more.
    virtual void leave(u32 number) = 0;
};

/// Our own listening socket: nobody keeps anything.
class OwnDoorway : public Doorway {
public:
    explicit OwnDoorway(int listener) : listener_(listener) {}

    int fd() const override { return listener_; }
    std::optional<Visitor> next() override;
    int kept(u32) override { return -1; }
    void leave(u32) override {}

private:
    int listener_;
    u32 next_number_ = 0;
};

class KeptDoorway : public Doorway {
public:
    /// `channel` leads to the keeper. Asks for all that it kept, and takes it.
    /// @throws std::system_error  it does not speak the protocol
    explicit KeptDoorway(int channel);

    /// The file in memory that the keeper holds.
    int memory() const { return memory_; }
    /// Those who came before and were not asked for by kept() are sent away, for lack of a state that knows them.
    void forget_kept();

    int fd() const override { return channel_; }
    std::optional<Visitor> next() override;
    int kept(u32 number) override;
    void leave(u32 number) override;

private:
    void tell(dom0::KeeperMessage message);
    std::optional<dom0::KeeperMessage> receive(int& fd, int flags);

    int channel_;
    int memory_ = -1;
    std::map<u32, int> kept_; ///< not asked for yet, by number
};

}
