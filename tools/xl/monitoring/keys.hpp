// The keyboard of `xl top`: bytes of a terminal made into keys, and keys into choices. The keys are xentop's.
#pragma once

#include "tools/xl/monitoring/table.hpp"

namespace xylem::xl {

struct Key {
    enum class Kind { character, up, down, enter, backspace, escape, other };
    Kind kind;
    char character = 0; ///< as it was typed
};

/// Takes the first key off `bytes`. Nothing: there is none, or only the beginning of one.
/// @param complete  nothing follows soon: an escape alone is the key of that name
std::optional<Key> take_key(std::string& bytes, bool complete);

enum class Wish { redraw, quit };
Wish apply(Key key, View& view, std::size_t domains);

/// The last line of the screen: the keys, those switched on marked, or what is being typed.
Line key_line(const View& view);

/// A whole screen as a terminal takes it, from the upper left corner on. What does not fit is cut off.
std::string frame_of(const std::vector<Line>& lines, const Line& last, unsigned rows, unsigned columns);

}
