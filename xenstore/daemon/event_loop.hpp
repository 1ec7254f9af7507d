// Waits for file descriptors and calls who is concerned.
#pragma once

#include <functional>
#include <map>
#include <memory>

namespace xylem::xenstore {

class EventLoop {
public:
    /// What is ready: a set of EPOLLIN and so on.
    using Callback = std::function<void(unsigned ready)>;

    EventLoop();
    ~EventLoop();
    EventLoop(const EventLoop&) = delete;
    EventLoop& operator=(const EventLoop&) = delete;

    void add(int fd, unsigned interest, Callback callback);
    void change(int fd, unsigned interest);
    /// Also from within a callback.
    void remove(int fd);

    enum class Wait { no, yes };
    /// Calls back for all that is ready now, or waits for the first to become ready.
    void turn(Wait wait);

private:
    int epoll_;
    std::map<int, std::shared_ptr<Callback>> callbacks_;
};

}
