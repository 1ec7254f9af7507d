// A file descriptor that closes itself, and the one way in which this library reports that the kernel refused
// something.
#pragma once

#include <cstddef>
#include <initializer_list>
#include <span>
#include <string>
#include <utility>

namespace xylem::dom0 {

/// Owns a file descriptor. Moves, never copies.
class Fd {
public:
    Fd() = default;
    explicit Fd(int raw) : raw_(raw) {}
    Fd(Fd&& other) noexcept : raw_(std::exchange(other.raw_, -1)) {}
    Fd& operator=(Fd&& other) noexcept
    {
        std::swap(raw_, other.raw_);
        return *this;
    }
    Fd(const Fd&) = delete;
    Fd& operator=(const Fd&) = delete;
    ~Fd();

    int get() const { return raw_; }
    explicit operator bool() const { return raw_ >= 0; }
    int release() { return std::exchange(raw_, -1); }

private:
    int raw_ = -1;
};

/// Opens `path` close-on-exec.
/// @throws std::system_error  naming the path
Fd open_device(const char* path, int flags);

/// Writes all of `data`; where the descriptor does not block, waits until it takes more.
/// @return false  the rest cannot be written, for the reason in errno
bool write_all(int fd, std::span<const std::byte> data);

/// From now on the process reads these signals from the descriptor, which does not block, instead of being interrupted.
/// @throws std::system_error
Fd take_signals(std::initializer_list<int> signals);

/// Fills `bytes` from the kernel's generator, for what must be unique and no secret: never waits for entropy, of which
/// a young dom0 has none. @throws std::system_error
void fill_randomly(std::span<std::byte> bytes);

/// @throws std::system_error  with errno and `what`
[[noreturn]] void throw_errno(const std::string& what);

}
