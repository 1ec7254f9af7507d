// Output that nobody has read yet: the last of it, up to a limit.
#pragma once

#include "backends/lib/store.hpp"

#include <string>
#include <string_view>

namespace xylem::backends::console {

class Backlog {
public:
    explicit Backlog(std::size_t limit) : limit_(limit) {}

    void append(std::string_view text)
    {
        if (text.size() >= limit_) {
            text_.assign(text.substr(text.size() - limit_));
            return;
        }
        text_.append(text);
        // Half at a time, so that a guest that writes on and on costs one move of memory now and then.
        if (text_.size() > limit_)
            text_.erase(0, text_.size() - limit_ / 2);
    }
    std::string_view text() const { return text_; }
    void drop_front(std::size_t bytes) { text_.erase(0, bytes); }
    bool empty() const { return text_.empty(); }

private:
    std::size_t limit_;
    std::string text_;
};

/// What the console's folder in the store wants as limit, within reason. (bytes)
std::size_t backlog_limit(Store& store, const std::string& folder);

}
