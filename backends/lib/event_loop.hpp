// One thread waits here for all that can happen: file descriptors, deadlines, and work put off to the end of a turn.
//
// Handlers never block. What a handler leaves undone, so that one busy guest does not starve the others, it defers:
// deferred work runs once in each turn, after the descriptors that were ready.
#pragma once

#include "dom0/lib/fd.hpp"

#include <chrono>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <vector>

namespace xylem::backends {

class EventLoop {
public:
    using Handler = std::function<void()>;
    using Clock = std::chrono::steady_clock;

    EventLoop();

    /// Stops watching at the end of its life.
    class Watch;
    /// Calls `on_ready` in each turn in which `fd` can be read.
    Watch watch_readable(int fd, Handler on_ready);
    /// The same for writing. One descriptor has one watch: dup() it for a second.
    Watch watch_writable(int fd, Handler on_ready);

    /// Forgets the deadline at the end of its life.
    class Timer;
    Timer after(Clock::duration delay, Handler on_time);

    /// Runs `work` at the end of this turn, or of the next if this is called from deferred work.
    void defer(Handler work) { deferred_.push_back(std::move(work)); }

    /// Runs turns until stop().
    void run();
    void stop() { running_ = false; }
    /// One turn; waits at most `patience` for something to happen.
    void turn(std::chrono::milliseconds patience);

private:
    struct Entry {
        int fd;
        std::uint32_t events;
        Handler on_ready;
    };
    using Deadlines = std::multimap<Clock::time_point, Handler>;

    Watch watch(int fd, std::uint32_t events, Handler on_ready);
    int patience_in_milliseconds(std::chrono::milliseconds patience) const;
    void run_due_timers();
    void run_deferred();

    dom0::Fd epoll_;
    std::map<std::uint64_t, Entry> entries_; // by a number never used twice: an event for a closed fd finds nothing
    std::uint64_t next_id_ = 1;
    std::shared_ptr<Deadlines> deadlines_ = std::make_shared<Deadlines>();
    std::vector<Handler> deferred_;
    bool running_ = false;
};

class EventLoop::Watch {
public:
    Watch() = default;
    Watch(Watch&& other) noexcept : loop_(std::exchange(other.loop_, nullptr)), id_(other.id_) {}
    Watch& operator=(Watch&& other) noexcept
    {
        std::swap(loop_, other.loop_);
        std::swap(id_, other.id_);
        return *this;
    }
    ~Watch();

    /// Whether readiness is looked at; a watch starts switched on.
    void enable(bool on);

private:
    friend class EventLoop;
    Watch(EventLoop& loop, std::uint64_t id) : loop_(&loop), id_(id) {}

    EventLoop* loop_ = nullptr;
    std::uint64_t id_ = 0;
};

class EventLoop::Timer {
public:
    Timer() = default;
    Timer(Timer&& other) noexcept = default;
    Timer& operator=(Timer&& other) noexcept
    {
        cancel();
        deadlines_ = std::move(other.deadlines_);
        place_ = other.place_;
        armed_ = std::exchange(other.armed_, nullptr);
        return *this;
    }
    ~Timer() { cancel(); }

    bool pending() const { return armed_ && *armed_; }
    void cancel();

private:
    friend class EventLoop;

    std::shared_ptr<Deadlines> deadlines_;
    Deadlines::iterator place_;
    std::shared_ptr<bool> armed_; // false once the deadline has passed and its place in the map is gone
};

}
