// What outlives the daemon: its state as of some moment, and everything that it has been told since.
//
// The server and what a session keeps are deterministic, so that state and journal together are the state of now. They
// lie in a file in memory that somebody else holds open, mapped here: a store to it is not lost by our death, and costs
// no system call. Records are appended, each by one store to `end` after it is complete; a kill at any instruction
// leaves it there or not there.
//
// The kernel's part is the hard one. Bytes that it has moved from or to a socket must be in the journal, or not,
// exactly as they have been moved. recvmmsg() and sendmmsg() write how many they moved into the caller's memory before
// they return, and nothing can be killed inside a system call that does not wait. That word lies in this file; received
// bytes go straight to where their record will be. So the successor reads what happened, if it happened, and completes
// the record.
//
// A full journal is replaced: the new state is written beside it, and one store makes it count.
#pragma once

#include "hypervisor/base/types.hpp"

#include <optional>
#include <string_view>

namespace xylem::xenstore {

class Journal {
public:
    /// What happened. The words are what `value` and the bytes hold.
    enum class Kind : u32 {
        client,     ///< a process came; its number at the doorway
        closed,     ///< a process went
        received,   ///< the bytes
        sent,       ///< how many bytes
        request,    ///< the next whole request was taken
        refused,    ///< the same, but it is not served: several daemons did not survive it
        fault,      ///< a domain broke the protocol; Link::Fault
        reconnect,  ///< a domain asked to begin anew
        domains,    ///< what has become of domains; the bytes list them
        exists,     ///< an answer of the surroundings: whether a domain exists
        introduced, ///< an answer: how a domain was connected; Daemon::Introduction
        file,       ///< an answer: whether a file could be written
        updating,   ///< an answer: another binary is to take our place
        updated,    ///< an answer: the bytes say why it did not; none if it did
    };
    struct Record {
        Kind kind;
        u32 connection;
        u32 value;
        std::string_view bytes;
    };

    /// `memory` is a file in memory, empty or left by a predecessor; it must stay open. What a predecessor's last
    /// system call did is completed.
    /// @throws std::system_error  it cannot be mapped
    explicit Journal(int memory);
    ~Journal();
    Journal(const Journal&) = delete;
    Journal& operator=(const Journal&) = delete;

    /// Stands in each binary that understands the same states and records as this one, and in no other.
    static std::string_view mark();

    /// A predecessor left a state.
    bool has_state() const;
    /// A predecessor left one that this version does not understand.
    bool has_foreign_state() const;
    std::string_view state() const;
    /// The predecessor's records, one after the other; nothing at the end.
    std::optional<Record> next();
    bool is_replaying() const { return read_ < end(); }

    void append(Kind kind, u32 connection, u32 value = 0, std::string_view bytes = {});
    /// Room for `most` bytes, to be filled and then committed as received.
    char* room(std::size_t most);
    void commit_received(u32 connection, std::size_t count);

    /// Receives what the socket has, up to `most` bytes. @return as recv() does; the bytes stay until the next call
    std::ptrdiff_t receive(int socket, u32 connection, std::size_t most);
    std::string_view received(std::size_t count) const;
    /// Sends as many of the bytes as fit. @return as send() does
    std::ptrdiff_t send(int socket, u32 connection, std::string_view bytes);

    /// Records have piled up: it is time for a new state.
    bool wants_state() const;
    /// From now on this is the state, and no record follows it yet.
    void set_state(std::string_view state);

    /// A request is served from here to end_request().
    /// @return how often the same has been begun before, by predecessors that did not survive it
    u32 begin_request();
    void end_request();
    /// The request that was begun becomes one that is refused, here and now and for our successors.
    void refuse_request();

private:
    struct Header;
    struct RecordHead;
    struct Area;

    u64 end() const;
    void commit(u64 size);
    void ensure(u64 bytes);
    void map_area(u64 generation, u64 size);
    void unmap_area();
    struct CallBytes {
        void* data;
        std::size_t size;
    };
    void begin_call(Kind kind, u32 connection, CallBytes bytes);
    void complete_last_call();
    RecordHead& head_at(u64 position) const;

    int memory_;
    Header* header_;
    Area* area_head_ = nullptr; ///< of the current area
    char* area_ = nullptr;      ///< the current area, mapped
    u64 area_size_ = 0;
    u64 read_ = 0;    ///< up to here the predecessor's records were read
    u64 current_ = 0; ///< where the last record that was read or written begins
    u64 request_ = 0; ///< where the record of the request that is served ends
};

}
