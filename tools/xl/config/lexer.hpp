// The words of xl.cfg(5), each with its place.
#pragma once

#include "tools/xl/config/syntax.hpp"

namespace xylem::xl::config {

struct Token {
    enum class Kind { name, string, number, assign, append, open, close, comma, end_of_setting, end_of_file, stray };
    Kind kind;
    Position where;
    std::string text; ///< a string's is unescaped; a stray is one byte that starts no word
};

class Lexer {
public:
    Lexer(std::string_view text, const std::string& name) : text_(text) { where_.file = name; }

    /// @throws SyntaxError  a string that does not end, or holds what it must not
    Token next();

private:
    bool at_end() const { return at_ == text_.size(); }
    char peek() const { return at_end() ? '\0' : text_[at_]; }
    char take();
    void skip_blanks();
    Token word(Token::Kind kind, bool (*belongs)(char));
    Token string();
    char escaped(const Position& where);
    char numeric_escape(const Position& where, char first);

    std::string_view text_;
    std::size_t at_ = 0;
    Position where_;
};

/// How an error calls the token.
std::string describe(const Token& token);

}
