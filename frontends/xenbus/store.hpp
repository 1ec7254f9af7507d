// The store as a frontend sees it. Over a ring in a guest (store_client.hpp), a map in the tests.
#pragma once

#include "frontends/xenbus/text.hpp"
#include "hypervisor/base/result.hpp"

#include <span>

namespace xylem::frontends {

class Store {
public:
    virtual ~Store() = default;

    /// Copies a node's value to `out`, with a terminating zero behind it. @return its length
    ///         NoEntry, Access  as the store says
    ///         TooBig           it does not fit
    virtual Result<size_t> read(const char* path, std::span<char> out) = 0;
    virtual Result<void> write(const char* path, const char* value) = 0;
    virtual Result<void> remove(const char* path) = 0;

    using Handler = void (*)(void* context);
    /// Calls `on_change` once soon, and whenever `path` or something below it changes. A handler may use the store, and
    /// may wait. @return NoSpace  there are too many watches
    virtual Result<void> watch(const char* path, Handler on_change, void* context) = 0;
    /// Ends what watch() with this path and context began.
    virtual void unwatch(const char* path, void* context) = 0;

    /// A node's value; nothing if it is missing, or longer than what we look for can be.
    std::optional<Value> value(const char* path)
    {
        Value text;
        if (!read(path, {text.data(), Value::capacity()}).ok())
            return std::nullopt;
        return text;
    }
    /// A decimal number; nothing if the node is missing or holds anything else.
    std::optional<u64> number(const char* path)
    {
        const auto text = value(path);
        return text ? number_in(text->c_str()) : std::nullopt;
    }
    /// A node that says 1 for yes; missing means no.
    bool flag(const char* path) { return number(path) == 1; }
};

}
