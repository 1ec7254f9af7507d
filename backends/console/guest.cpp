// See guest.hpp.
#include "backends/console/guest.hpp"

#include <array>
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <fcntl.h>
#include <unistd.h>

namespace xylem::backends::console {

// Events that a guest may have served: many at once, then a steady rate. What comes faster waits with its port masked.
static constexpr int event_burst = 50;
static constexpr auto event_period = std::chrono::milliseconds(5);

LogFile::LogFile(std::string path, std::size_t limit) : path_(std::move(path)), limit_(limit)
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
    const off_t end = fd_ ? lseek(fd_.get(), 0, SEEK_END) : 0;
    bytes_ = end > 0 ? static_cast<std::size_t>(end) : 0;
}

void LogFile::begin_new()
{
    if (rename(path_.c_str(), (path_ + ".1").c_str()) < 0)
        log("cannot rename the log {}: {}; it is begun anew", path_, std::strerror(errno));
    reopen();
    if (fd_ && bytes_ > 0 && ftruncate(fd_.get(), 0) == 0)
        bytes_ = 0;
}

void LogFile::write(std::string_view text)
{
    if (fd_ && limit_ > 0 && bytes_ > 0 && bytes_ + text.size() > limit_)
        begin_new();
    while (fd_ && !text.empty()) {
        const ssize_t written = ::write(fd_.get(), text.data(), text.size());
        if (written < 0 && errno == EINTR)
            continue;
        if (written <= 0)
            return; // a full disk loses log, not guests
        bytes_ += static_cast<std::size_t>(written);
        text.remove_prefix(static_cast<std::size_t>(written));
    }
}

Guest::Guest(GuestParts parts)
    : parts_(std::move(parts)), ring_(parts_.page), log_(parts_.log_path, parts_.log_limit),
      budget_(1, event_period, event_burst, Budget::Clock::now())
{
    parts_.terminal.set_reader([this] { give_input(); });
    parts_.terminal.listen(true);
}

Guest::~Guest()
{
    parts_.terminal.set_reader({});
    parts_.terminal.listen(false);
}

void Guest::serve()
{
    move_text();
    if (broken_)
        return;
    budget_.spend(1);
    const auto wait = budget_.wait(Budget::Clock::now());
    if (wait <= Budget::Clock::duration::zero())
        signal_->unmask();
    else
        pause_ = parts_.loop.after(wait, [this] { end_pause(); });
}

/// The pause was the event's own: what has come since, unseen behind the mask, is not paid for again.
void Guest::end_pause()
{
    move_text();
    if (!broken_)
        signal_->unmask();
}

void Guest::move_text()
{
    if (broken_)
        return;
    take_output();
    give_input();
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
    parts_.terminal.write(text);
    ring_.release(*bytes);
    signal_->notify();
}

/// What was typed goes to the guest as far as it has room; the rest stays in the terminal, whose reader notices.
void Guest::give_input()
{
    const auto room = ring_.room();
    if (!room)
        return break_connection("its input index runs ahead of the ring");
    parts_.terminal.listen(*room > 0);
    std::array<char, ConsoleRing::in_bytes> buffer;
    const std::size_t bytes = *room > 0 ? parts_.terminal.read(std::span(buffer).first(*room)) : 0;
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
    parts_.terminal.listen(false);
    parts_.on_broken(why);
}

}
