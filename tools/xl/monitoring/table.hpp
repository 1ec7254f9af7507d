// What `xl top` shows, line by line: a function of two samples and of what was chosen. The columns, their widths, their
// order when sorted and the lines below a domain are those of xentop 4.17.
#pragma once

#include "tools/xl/monitoring/sample.hpp"

namespace xylem::xl {

/// What the person at the keyboard has chosen.
struct View {
    bool interfaces = false;
    bool disks = false;
    bool vcpus = false;
    bool repeat_header = false;
    bool full_names = false;
    bool dom0_first = false;
    std::size_t sort_column = 0;
    std::size_t first_domain = 0; ///< of those sorted: the ones before it are scrolled away
    unsigned delay_seconds = 3;
    std::optional<std::string> delay_typed; ///< while a new delay is being typed
};

enum class Style { plain, header, sorted_header, sorted };
struct Span {
    std::string text;
    Style style = Style::plain;
};
using Line = std::vector<Span>;

std::string text_of(const Line& line);

/// Percent of one processor that a domain used between two samples; 0 without an earlier one.
double cpu_percent(const DomainUse& domain, const Sample& now, const Sample* before);

std::vector<Line> summary_lines(const Sample& now);
/// The header, and each domain with what is chosen to be shown of it.
std::vector<Line> domain_lines(const Sample& now, const Sample* before, const View& view);

std::size_t column_count();
std::string_view column_name(std::size_t column);

}
