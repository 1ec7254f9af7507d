// See journal.hpp. The file: a page with the header, then far apart the two areas, of which one is current. An area
// holds a state and the records that followed it.
#include "xenstore/daemon/journal.hpp"

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <cstring>
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <system_error>

namespace xylem::xenstore {

namespace {

constexpr u64 magic = 0x6c616e72756f6a78; // "xjournal"
constexpr std::string_view mark_with_version = "xenstored's journal is of version 3";
constexpr u64 version = mark_with_version.back() - '0';
constexpr u64 area_distance = u64{1} << 36;
constexpr u64 least_journal = 1 << 20;
constexpr u32 no_outcome = 0xFFFFFFFF;

[[noreturn]] void fail(const char* what)
{
    throw std::system_error(errno, std::generic_category(), std::string("the journal: ") + what);
}

u64 round_up(u64 size, u64 unit)
{
    return (size + unit - 1) / unit * unit;
}

void* map(int memory, u64 offset, u64 size)
{
    void* at = mmap(nullptr, size, PROT_READ | PROT_WRITE, MAP_SHARED, memory, static_cast<off_t>(offset));
    if (at == MAP_FAILED)
        fail("it cannot be mapped");
    return at;
}

}

struct Journal::RecordHead {
    Kind kind;
    u32 connection;
    u32 value;
    u32 size; ///< of the bytes behind it
};

struct Journal::Area {
    u64 state_size;
    u64 size;             ///< of the whole area
    std::atomic<u64> end; ///< of the last complete record
};

struct Journal::Header {
    u64 magic;
    u64 version;
    std::atomic<u64> generation; ///< counts the states; its lowest bit says which area is current; 0: there is none
    Area areas[2];

    /// The system call that may be under way. It is over when records have been appended to where it began.
    std::atomic<u64> call_at;
    RecordHead call;
    iovec call_bytes;
    mmsghdr call_message; ///< msg_len is the kernel's to write

    /// The end of the record of the request that is being served, and how often it was begun; 0 if none is.
    std::atomic<u64> request_at;
    u32 request_attempts;
};

Journal::Journal(int memory) : memory_(memory)
{
    if (fallocate(memory, 0, 0, page_size) < 0)
        fail("there is no memory for it");
    header_ = static_cast<Header*>(map(memory, 0, page_size));
    static_assert(sizeof(Header) <= page_size);
    // Else the kernel might have to wait for this page while it writes an outcome, and that can be killed.
    (void)mlock(header_, page_size);
    if (!has_state())
        return;
    map_area(header_->generation, header_->areas[header_->generation & 1].size);
    read_ = round_up(area_head_->state_size, alignof(RecordHead));
    complete_last_call();
}

Journal::~Journal()
{
    unmap_area();
    munmap(header_, page_size);
}

std::string_view Journal::mark()
{
    return mark_with_version;
}

bool Journal::has_state() const
{
    return header_->magic == magic && header_->version == version && header_->generation != 0;
}

bool Journal::has_foreign_state() const
{
    return header_->generation != 0 && !has_state();
}

std::string_view Journal::state() const
{
    return {area_, area_head_->state_size};
}

u64 Journal::end() const
{
    return area_head_ ? area_head_->end.load(std::memory_order_relaxed) : 0;
}

Journal::RecordHead& Journal::head_at(u64 position) const
{
    return *reinterpret_cast<RecordHead*>(area_ + position);
}

std::optional<Journal::Record> Journal::next()
{
    if (!is_replaying())
        return std::nullopt;
    current_ = read_;
    const RecordHead& head = head_at(read_);
    const Record record{head.kind, head.connection, head.value, {area_ + read_ + sizeof head, head.size}};
    read_ += round_up(sizeof head + head.size, alignof(RecordHead));
    return record;
}

/// Makes the record count that begins at the end and has `size` bytes behind its head. Our own records are not read.
void Journal::commit(u64 size)
{
    current_ = end();
    const u64 next = current_ + round_up(sizeof(RecordHead) + size, alignof(RecordHead));
    read_ = next;
    area_head_->end.store(next, std::memory_order_release);
}

void Journal::append(Kind kind, u32 connection, u32 value, std::string_view bytes)
{
    ensure(sizeof(RecordHead) + bytes.size());
    RecordHead& head = head_at(end());
    head = {kind, connection, value, static_cast<u32>(bytes.size())};
    std::ranges::copy(bytes, reinterpret_cast<char*>(&head + 1));
    commit(bytes.size());
}

char* Journal::room(std::size_t most)
{
    ensure(sizeof(RecordHead) + most);
    return area_ + end() + sizeof(RecordHead);
}

void Journal::commit_received(u32 connection, std::size_t count)
{
    head_at(end()) = {Kind::received, connection, 0, static_cast<u32>(count)};
    commit(count);
}

std::string_view Journal::received(std::size_t count) const
{
    return {area_ + end() - round_up(count, alignof(RecordHead)), count};
}

/// Its outcome is unknown from here on, until the kernel writes it or the journal has grown.
void Journal::begin_call(Kind kind, u32 connection, CallBytes bytes)
{
    Header& it = *header_;
    it.call_bytes = {bytes.data, bytes.size};
    it.call_message = {};
    it.call_message.msg_hdr.msg_iov = &it.call_bytes;
    it.call_message.msg_hdr.msg_iovlen = 1;
    it.call_message.msg_len = no_outcome;
    it.call = {kind, connection, 0, 0};
    it.call_at.store(end(), std::memory_order_release);
}

std::ptrdiff_t Journal::receive(int socket, u32 connection, std::size_t most)
{
    begin_call(Kind::received, connection, {room(most), most});
    if (recvmmsg(socket, &header_->call_message, 1, MSG_DONTWAIT, nullptr) < 0)
        return -1;
    const u32 count = header_->call_message.msg_len;
    if (count > 0)
        commit_received(connection, count);
    return count;
}

std::ptrdiff_t Journal::send(int socket, u32 connection, std::string_view bytes)
{
    ensure(sizeof(RecordHead));
    begin_call(Kind::sent, connection, {const_cast<char*>(bytes.data()), bytes.size()});
    if (sendmmsg(socket, &header_->call_message, 1, MSG_DONTWAIT | MSG_NOSIGNAL) < 0)
        return -1;
    const u32 count = header_->call_message.msg_len;
    if (count > 0)
        append(Kind::sent, connection, count);
    return count;
}

void Journal::complete_last_call()
{
    const Header& it = *header_;
    const u32 count = it.call_message.msg_len;
    if (it.call_at != end() || count == no_outcome || count == 0)
        return;
    // Not commit(): it is to be read.
    RecordHead& head = head_at(end());
    head = it.call;
    (head.kind == Kind::received ? head.size : head.value) = count;
    area_head_->end.store(end() + round_up(sizeof head + head.size, alignof(RecordHead)), std::memory_order_release);
}

void Journal::ensure(u64 bytes)
{
    const u64 needed = end() + round_up(bytes, alignof(RecordHead)) + sizeof(RecordHead);
    if (needed <= area_size_)
        return;
    const u64 generation = header_->generation;
    unmap_area();
    map_area(generation, round_up(needed + needed / 2, page_size));
}

bool Journal::wants_state() const
{
    return end() - area_head_->state_size >= std::max(least_journal, area_head_->state_size);
}

void Journal::set_state(std::string_view state)
{
    const u64 generation = header_->generation + 1;
    unmap_area();
    map_area(generation, round_up(state.size() + std::max(least_journal, u64{state.size()}) + page_size, page_size));
    std::ranges::copy(state, area_);
    area_head_->state_size = state.size();
    read_ = round_up(state.size(), alignof(RecordHead));
    area_head_->end = read_;
    header_->call_at = 0;
    header_->request_at = 0;
    header_->version = version;
    header_->magic = magic;
    header_->generation.store(generation, std::memory_order_release);
    // The other one is of no more use.
    (void)fallocate(memory_, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE,
                    static_cast<off_t>((1 + ((generation - 1) & 1)) * area_distance),
                    static_cast<off_t>(area_distance));
}

void Journal::map_area(u64 generation, u64 size)
{
    const u64 number = generation & 1;
    const u64 offset = (1 + number) * area_distance;
    // Reserved now: a store to a page that cannot be had would kill us.
    if (fallocate(memory_, 0, static_cast<off_t>(offset), static_cast<off_t>(size)) < 0)
        fail("there is no memory for it");
    area_ = static_cast<char*>(map(memory_, offset, size));
    area_size_ = size;
    area_head_ = &header_->areas[number];
    area_head_->size = size;
}

void Journal::unmap_area()
{
    if (area_)
        munmap(area_, area_size_);
    area_ = nullptr;
    area_head_ = nullptr;
}

u32 Journal::begin_request()
{
    Header& it = *header_;
    request_ = read_;
    if (it.request_at == read_)
        return ++it.request_attempts;
    if (is_replaying())
        return 0; // another one followed: this one was survived
    it.request_attempts = 0;
    it.request_at.store(read_, std::memory_order_release);
    return 0;
}

void Journal::end_request()
{
    if (header_->request_at == request_) // and not a later one that has still to be read
        header_->request_at.store(0, std::memory_order_release);
}

void Journal::refuse_request()
{
    head_at(current_).kind = Kind::refused;
    area_head_->end.store(read_, std::memory_order_release); // without the answers that it was given
    end_request();
}

}
