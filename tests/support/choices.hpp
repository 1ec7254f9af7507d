// Where a test of many steps takes its choices from: a seed, or the bytes that a fuzzer found.
#pragma once

#include "hypervisor/base/types.hpp"

#include <cstring>
#include <random>
#include <span>

namespace xylem::test {

class Choices {
public:
    virtual ~Choices() = default;
    /// A number of [0, n), n at most 256.
    virtual unsigned below(unsigned n) = 0;
};

class SeededChoices : public Choices {
public:
    explicit SeededChoices(u64 seed) : random_(seed) {}
    unsigned below(unsigned n) override { return static_cast<unsigned>(random_() % n); }

private:
    std::mt19937_64 random_;
};

/// A byte a choice; zeroes once they have been used up.
class ByteChoices : public Choices {
public:
    explicit ByteChoices(std::span<const u8> bytes) : bytes_(bytes) {}
    unsigned below(unsigned n) override { return number<u8>() % n; }

    bool empty() const { return bytes_.empty(); }
    /// The next bytes as they are: as many as asked for, or as there are.
    std::span<const u8> take(std::size_t count)
    {
        const std::span<const u8> taken = bytes_.first(count < bytes_.size() ? count : bytes_.size());
        bytes_ = bytes_.subspan(taken.size());
        return taken;
    }
    template <typename T> T number()
    {
        T value{};
        const std::span<const u8> raw = take(sizeof value);
        if (!raw.empty())
            std::memcpy(&value, raw.data(), raw.size());
        return value;
    }

private:
    std::span<const u8> bytes_;
};

}
