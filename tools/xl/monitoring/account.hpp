// The account that `xl explain` gives of a domain: in what state it is or how it ended, what each device waits for, and
// what was noted about it. Of a domain that ends one is kept, since its nodes in the store go with it.
#pragma once

#include "hypervisor/abi/io/xenbus.hpp"
#include "hypervisor/base/types.hpp"

#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace xylem::xl {

struct Event {
    std::string time; ///< "2026-11-27 03:10:11"; empty where the source tells none
    std::string source;
    std::string text;
};

struct DeviceAccount {
    std::string name;    ///< "disk 51712", and what it stands for
    std::string backend; ///< states, as words
    std::string frontend;
    std::string meaning; ///< what it does or waits for
};

struct Account {
    std::string name, uuid;
    u16 domain = 0;
    std::string time; ///< when it was given
    bool ended = false;
    std::string verdict;  ///< what follows "Domain 'x', id 5, "
    std::string followed; ///< what became of the domain; may be empty
    std::vector<DeviceAccount> devices;
    std::vector<Event> events;
};

std::string text_of(const Account& account);

// How it is put together.

/// What a device in these states does or waits for. `error` is what an end has said of itself.
std::string meaning_of(abi::io::XenbusState backend, abi::io::XenbusState frontend, const std::string& error);
std::string_view name_of(abi::io::XenbusState state);

/// How a domain with these flags (dominf_*) is, or has ended.
std::string verdict_of(u32 flags, u64 pages);
/// The same, with what the events say of a crash.
std::string verdict_with(std::string verdict, const std::vector<Event>& events);

/// Whether a line of a log is about the domain: "d5v0", "domain 5", "id 5", "vbd 5/51712".
bool mentions(std::string_view line, u16 domain);
/// From a log's line, which may begin with a time.
Event event_of(std::string_view source, std::string_view line);
/// Those about the domain, the last `most` of them.
std::vector<Event> events_about(u16 domain, std::string_view source, std::string_view log, std::size_t most);
/// The last `most` lines of what the guest said on its console. A panic that its backtrace has pushed out of them
/// stands in the place of the first.
std::vector<Event> last_words(std::string_view console, std::size_t most);
/// The last `bytes` of a file, from the beginning of a line on; empty if there is none.
std::string tail_of(const std::string& path, std::size_t bytes);

}
