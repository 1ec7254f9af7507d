// Result<T>: a value or an Error. TRY keeps the happy path straight.
//
// Errors are what a guest may be told; each has Xen's number (xen/include/public/errno.h), which appears here and
// nowhere else. Preempted is the one that no guest sees: the operation kept its progress and wants to be called again.
#pragma once

#include "hypervisor/base/types.hpp"

#include <new>
#include <type_traits>
#include <utility>

namespace xylem {

enum class [[nodiscard]] Error : int{
    NotPermitted = 1,    NoEntry = 2,
    NoSuchDomain = 3, // ESRCH
    IoError = 5,
    NoDeviceAddress = 6, // ENXIO
    TooBig = 7,          Again = 11,    NoMemory = 12,     Access = 13,    Fault = 14, Busy = 16,
    Exists = 17,         NoDevice = 19, Invalid = 22,      NoSpace = 28,   Range = 34, NotImplemented = 38,
    NoData = 61,         Time = 62,     NotSupported = 95, NoBuffer = 105,
    Preempted = 85, // never leaves the hypervisor
};

/// The wire's form of an error: a negative number.
constexpr i64 to_errno(Error error)
{
    return -static_cast<i64>(error);
}

template <typename T = void> class [[nodiscard]] Result {
public:
    Result(T value) : has_value_(true) { new (&storage_.value) T(std::move(value)); }
    Result(Error error) : error_(error), has_value_(false) {}
    Result(Result&& other) noexcept : error_(other.error_), has_value_(other.has_value_)
    {
        if (has_value_)
            new (&storage_.value) T(std::move(other.storage_.value));
    }
    Result(const Result&) = delete;
    Result& operator=(const Result&) = delete;
    ~Result()
    {
        if (has_value_)
            storage_.value.~T();
    }

    bool ok() const { return has_value_; }
    explicit operator bool() const { return has_value_; }
    Error error() const { return error_; }
    T& value() { return storage_.value; }
    const T& value() const { return storage_.value; }
    T take() { return std::move(storage_.value); }
    bool operator==(Error error) const { return !has_value_ && error_ == error; }

private:
    union Storage {
        Storage() {}
        ~Storage() {}
        T value;
    } storage_;
    Error error_{};
    bool has_value_;
};

template <> class [[nodiscard]] Result<void> {
public:
    constexpr Result() = default;
    constexpr Result(Error error) : error_(static_cast<int>(error)) {}

    constexpr bool ok() const { return error_ == 0; }
    constexpr explicit operator bool() const { return error_ == 0; }
    constexpr Error error() const { return static_cast<Error>(error_); }
    constexpr void take() const {}
    constexpr bool operator==(Error error) const { return error_ == static_cast<int>(error); }

private:
    int error_ = 0;
};

/// 0 or the negative number: what a hypercall with no other result returns.
inline i64 to_wire(const Result<void>& result)
{
    return result.ok() ? 0 : to_errno(result.error());
}

}

/// The value of a Result, or leaves the function with its error. The name is numbered, so that one TRY may stand in
/// another.
#define TRY(expression) TRY_NAMED(expression, __COUNTER__)
#define TRY_NAMED(expression, number) TRY_AS(expression, TRY_JOIN(result_of_try_, number))
#define TRY_JOIN(a, b) TRY_JOINED(a, b)
#define TRY_JOINED(a, b) a##b
#define TRY_AS(expression, name)                                                                                       \
    ({                                                                                                                 \
        auto&& name = (expression);                                                                                    \
        if (!name.ok()) [[unlikely]]                                                                                   \
            return name.error();                                                                                       \
        name.take();                                                                                                   \
    })
