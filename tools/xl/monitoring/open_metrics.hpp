// The text format of OpenMetrics 1.0, as Prometheus reads it: families of numbers with labels.
#pragma once

#include "hypervisor/base/types.hpp"

#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace xylem::xl {

using Labels = std::vector<std::pair<std::string_view, std::string>>;

class OpenMetrics {
public:
    /// Opens a family; what is added until the next one belongs to it. The samples of a family stand together.
    /// @param type  "gauge", "counter", "info", "stateset" or "histogram"
    /// @param unit  the last word of `name`, or empty
    void family(std::string_view name, std::string_view type, std::string_view unit, std::string_view help);
    /// A number of the family; its name has the suffix that belongs to the type: "_total", "_info", "_bucket".
    void add(const Labels& labels, u64 value, std::string_view suffix = "");
    void add_seconds(const Labels& labels, u64 nanoseconds, std::string_view suffix = "");

    std::string finish() &&;

private:
    void add_text(const Labels& labels, std::string_view value, std::string_view suffix);

    std::string text_;
    std::string family_;
};

/// Seconds as a decimal number, exact to the nanosecond and without needless zeros: "0.25", "3.0".
std::string seconds_text(u64 nanoseconds);

}
