// Metrics as OpenMetrics 1.0 writes them in text, into memory of the caller's.
//
//     OpenMetrics out({buffer, sizeof buffer});
//     out.family("http_requests", OpenMetrics::Type::counter, "Requests answered.");
//     out.sample("code=\"200\"", 17);
//     out.end();
#pragma once

#include "hypervisor/base/format.hpp"

#include <span>
#include <string_view>

namespace xylem::http {

class OpenMetrics {
public:
    static constexpr const char* content_type = "application/openmetrics-text; version=1.0.0; charset=utf-8";
    enum class Type { counter, gauge };

    explicit OpenMetrics(std::span<char> out) : out_(out) {}

    /// What the samples that follow are of. Literals; a unit ("bytes", "seconds") stands at the end of the name too.
    void family(const char* name, Type type, const char* help, const char* unit = nullptr);
    /// A value of the family, with labels (`name="value"`, commas between) or none.
    void sample(const char* labels, u64 value);
    /// The same in thousandths.
    void sample_of_thousandths(const char* labels, u64 thousandths);
    /// A family with one value.
    void single(const char* name, Type type, const char* help, u64 value, const char* unit = nullptr)
    {
        family(name, type, help, unit);
        sample("", value);
    }
    void end() { write("# EOF\n"); }

    /// All that was written; empty if there was too little room.
    std::string_view text() const { return full_ ? std::string_view() : std::string_view(out_.data(), length_); }

private:
    template <typename... Args> void write(const char* format, const Args&... args)
    {
        const size_t room = out_.size() - length_;
        const size_t length = full_ ? 0 : format_to(out_.data() + length_, room, format, args...);
        full_ |= length + 1 >= room; // it may have been cut
        length_ += length;
    }
    void write_name(const char* labels);

    std::span<char> out_;
    size_t length_ = 0;
    bool full_ = false;
    const char* name_ = "";
    Type type_ = Type::gauge;
};

}
