// See spec.hpp.
#include "tools/xl/config/spec.hpp"

#include <algorithm>

namespace xylem::xl::config {

Parameter ParameterReader::next()
{
    while (more() && (spec_[at_] == ' ' || spec_[at_] == '\t' || spec_[at_] == '\n'))
        ++at_;
    const std::size_t start = at_;
    const std::size_t comma = std::min(spec_.find(',', start), spec_.size());
    at_ = std::min(comma + 1, spec_.size());
    const std::string_view word = spec_.substr(start, comma - start);
    const std::size_t equals = word.find('=');
    if (equals == std::string_view::npos)
        return {start, word, {}, false};
    return {start, word.substr(0, equals), word.substr(equals + 1), true};
}

}
