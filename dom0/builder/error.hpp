// What the builder says when it cannot build: one sentence for the person who asked.
#pragma once

#include <stdexcept>

namespace xylem::dom0::builder {

class BuildError : public std::runtime_error {
public:
    using std::runtime_error::runtime_error;
};

}
