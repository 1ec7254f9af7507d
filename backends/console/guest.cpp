// See guest.hpp.
#include "backends/console/guest.hpp"

#include <array>
#include <cerrno>
#include <cstring>
#include <fcntl.h>
#include <unistd.h>

namespace xylem::backends::console {

LogFile::LogFile(std::string path) : path_(std::move(path))
{
    reopen();
}

void LogFile::reopen()
{
    if (path_.empty())
        return;
    fd_ = dom0::Fd(open(path_.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644));
    if (!fd_)
        log("cannot open the log {}: {}", path_, std::strerror(errno));
}

void LogFile::write(std::string_view text)
{
    while (fd_ && !text.empty()) {
        const ssize_t written = ::write(fd_.get(), text.data(), text.size());
        if (written < 0 && errno == EINTR)
            continue;
        if (written <= 0)
            return; // a full disk loses log, not guests
        text.remove_prefix(static_cast<std::size_t>(written));
    }
}

Guest::Guest(GuestParts parts)
    : parts_(std::move(parts)), ring_(parts_.page), log_(parts_.log_path),
      pty_(parts_.loop, parts_.limit, [this] { give_input(); }), budget_(EventBudget::Clock::now())
{
}

void Guest::serve()
{
    if (broken_)
        return;
    take_output();
    give_input();
    if (broken_)
        return;
    const auto wait = budget_.spend(EventBudget::Clock::now());
    if (wait <= EventBudget::Clock::duration::zero()) {
        signal_->unmask();
        return;
    }
    pause_ = parts_.loop.after(wait, [this] { serve(); });
}

void Guest::take_output()
{
    std::array<char, ConsoleRing::out_bytes> buffer;
    const auto bytes = ring_.peek(buffer);
    if (!bytes)
        return break_connection("its output index runs ahead of the ring");
    if (*bytes == 0)
        return;
    const std::string_view text(buffer.data(), *bytes);
    log_.write(text);
    pty_.write(text);
    ring_.release(*bytes);
    signal_->notify();
}

/// What was typed goes to the guest as far as it has room; the rest stays in the terminal, whose reader notices.
void Guest::give_input()
{
    const auto room = ring_.room();
    if (!room)
        return break_connection("its input index runs ahead of the ring");
    pty_.listen(*room > 0);
    std::array<char, ConsoleRing::in_bytes> buffer;
    const std::size_t bytes = *room > 0 ? pty_.read(std::span(buffer).first(*room)) : 0;
    if (bytes == 0)
        return;
    ring_.give({buffer.data(), bytes});
    signal_->notify();
}

void Guest::break_connection(const char* why)
{
    if (std::exchange(broken_, true))
        return;
    log("{}: closing the console, for the guest broke the protocol: {}", parts_.name, why);
    pty_.listen(false);
    parts_.loop.defer(parts_.on_broken);
}

}
