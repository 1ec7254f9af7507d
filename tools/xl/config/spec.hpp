// What disk and vif specifications have in common: strings of parameters separated by commas.
#pragma once

#include "tools/xl/failure.hpp"

#include <string>
#include <string_view>

namespace xylem::xl::config {

/// A mistake in a specification, so many characters from its start.
class SpecError : public Failure {
public:
    SpecError(std::size_t at, const std::string& what) : Failure(what), offset(at) {}
    std::size_t offset;
};

/// One parameter: "key=value", or a bare word with has_value unset. Views into the specification.
struct Parameter {
    std::size_t offset;
    std::string_view key;
    std::string_view value;
    bool has_value;
};

/// Takes one parameter after the other off a specification.
class ParameterReader {
public:
    explicit ParameterReader(std::string_view spec) : spec_(spec) {}
    bool more() const { return at_ < spec_.size(); }
    std::size_t offset() const { return at_; }
    std::string_view rest() const { return spec_.substr(at_); }
    void skip(std::size_t count) { at_ += count; }
    Parameter next();

private:
    std::string_view spec_;
    std::size_t at_ = 0;
};

}
