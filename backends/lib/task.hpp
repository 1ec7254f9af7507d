// Work that waits for others in its middle, written as if it blocked: coroutines on the event loop.
//
// A Task starts at once and runs until it must wait; who awaits one that has ended goes straight on. So work whose
// steps all end at once costs no stack, however long it is. A Task is awaited by its caller before it goes out of
// scope: its frame must not end while something in it is in service.
#pragma once

#include "backends/lib/event_loop.hpp"

#include <coroutine>
#include <deque>
#include <exception>
#include <utility>

namespace xylem::backends {

template <typename T> class [[nodiscard]] Task {
public:
    struct promise_type {
        /// Goes on with who waits, if anyone does.
        struct Ended {
            bool await_ready() noexcept { return false; }
            std::coroutine_handle<> await_suspend(std::coroutine_handle<promise_type> self) noexcept
            {
                const auto next = self.promise().waiting;
                return next ? next : std::noop_coroutine();
            }
            void await_resume() noexcept {}
        };
        Task get_return_object() { return Task(std::coroutine_handle<promise_type>::from_promise(*this)); }
        std::suspend_never initial_suspend() noexcept { return {}; }
        Ended final_suspend() noexcept { return {}; }
        void return_value(T result) { value = std::move(result); }
        void unhandled_exception() { std::terminate(); } // only memory can run out here

        T value{};
        std::coroutine_handle<> waiting;
    };

    Task(Task&& other) noexcept : self_(std::exchange(other.self_, nullptr)) {}
    ~Task()
    {
        if (self_)
            self_.destroy();
    }

    bool await_ready() const { return self_.done(); }
    void await_suspend(std::coroutine_handle<> caller) { self_.promise().waiting = caller; }
    T await_resume() { return std::move(self_.promise().value); }

private:
    explicit Task(std::coroutine_handle<promise_type> self) : self_(self) {}

    std::coroutine_handle<promise_type> self_;
};

/// Work that nobody waits for.
struct Detached {
    struct promise_type {
        Detached get_return_object() { return {}; }
        std::suspend_never initial_suspend() noexcept { return {}; }
        std::suspend_never final_suspend() noexcept { return {}; }
        void return_void() {}
        void unhandled_exception() { std::terminate(); }
    };
};

/// Lets the others have their turn.
class NextTurn {
public:
    explicit NextTurn(EventLoop& loop) : loop_(loop) {}
    bool await_ready() const { return false; }
    void await_suspend(std::coroutine_handle<> self)
    {
        loop_.defer([self] { self.resume(); });
    }
    void await_resume() {}

private:
    EventLoop& loop_;
};

/// A door that many may pass together, or one alone; in the order in which they came.
class Gate {
public:
    explicit Gate(EventLoop& loop) : loop_(loop) {}

    enum class With { others, nobody };

    /// Being inside, until the end of its life.
    class [[nodiscard]] Stay {
    public:
        explicit Stay(Gate& gate) : gate_(&gate) {}
        Stay(Stay&& other) noexcept : gate_(std::exchange(other.gate_, nullptr)) {}
        ~Stay()
        {
            if (gate_)
                gate_->leave();
        }

    private:
        Gate* gate_;
    };

    class Entry {
    public:
        Entry(Gate& gate, With with) : gate_(gate), with_(with) {}
        bool await_ready() { return gate_.waiting_.empty() && gate_.admit(with_); }
        void await_suspend(std::coroutine_handle<> self) { gate_.waiting_.push_back({self, with_}); }
        Stay await_resume() { return Stay(gate_); }

    private:
        Gate& gate_;
        With with_;
    };

    /// co_await it.
    Entry enter(With with) { return Entry(*this, with); }

private:
    struct Waiting {
        std::coroutine_handle<> who;
        With with;
    };

    bool admit(With with)
    {
        if (alone_ || (with == With::nobody && inside_ > 0))
            return false;
        alone_ = with == With::nobody;
        ++inside_;
        return true;
    }
    void leave()
    {
        --inside_;
        alone_ = false;
        while (!waiting_.empty() && admit(waiting_.front().with)) {
            // Not from here: a queue of them would be as many frames deep on the stack.
            loop_.defer([who = waiting_.front().who] { who.resume(); });
            waiting_.pop_front();
        }
    }

    EventLoop& loop_;
    std::deque<Waiting> waiting_;
    unsigned inside_ = 0;
    bool alone_ = false;
};

}
