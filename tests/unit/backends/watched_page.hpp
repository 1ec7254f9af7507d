// A page of a hostile peer that changes each word as soon as it has been read once: what a backend reads twice, it
// reads differently. The page is closed to the program; each access to it is a fault, which lets one instruction pass.
#pragma once

#include "hypervisor/base/types.hpp"

#include <cstddef>
#include <set>

namespace xylem::backends::test {

/// While it lives. One at a time; the page's reader must be this program, not the kernel.
class WatchedPage {
public:
    /// Watches `page` from byte `first` on; the words before it may be read as often as one likes.
    WatchedPage(std::byte* page, std::size_t first);
    ~WatchedPage();
    WatchedPage(const WatchedPage&) = delete;
    WatchedPage& operator=(const WatchedPage&) = delete;

    std::size_t words_read() const { return read_.size(); }
    std::size_t words_read_again() const { return read_again_.size(); }

    // ---- For the signal handlers
    bool contains(const void* address) const;
    void before(const std::byte* address, bool is_write);
    void after();

private:
    void close();
    void open();

    std::byte* page_;
    std::size_t first_;
    std::byte* read_now_ = nullptr;
    std::set<std::size_t> read_, read_again_;
};

}
