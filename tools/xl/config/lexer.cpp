// See lexer.hpp.
#include "tools/xl/config/lexer.hpp"

#include <cctype>

namespace xylem::xl::config {

namespace {

bool is_lower(char c)
{
    return c >= 'a' && c <= 'z';
}
bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}
bool in_name(char c)
{
    return is_lower(c) || is_digit(c) || c == '_' || c == '.';
}
bool in_number(char c)
{
    return std::isalnum(static_cast<unsigned char>(c)) != 0;
}

int hex_digit(char c)
{
    if (is_digit(c))
        return c - '0';
    const int lower = std::tolower(static_cast<unsigned char>(c));
    return lower >= 'a' && lower <= 'f' ? lower - 'a' + 10 : -1;
}

}

char Lexer::take()
{
    const char c = text_[at_++];
    if (c == '\n') {
        ++where_.line;
        where_.column = 1;
    } else {
        ++where_.column;
    }
    return c;
}

void Lexer::skip_blanks()
{
    while (peek() == ' ' || peek() == '\t' || peek() == '\r')
        take();
    if (peek() == '#')
        while (!at_end() && peek() != '\n')
            take();
}

Token Lexer::word(Token::Kind kind, bool (*belongs)(char))
{
    Token token{kind, where_, {}};
    while (!at_end() && belongs(peek()))
        token.text += take();
    return token;
}

/// The rest of "\xHH" or "\OOO", of which `first` has been read.
char Lexer::numeric_escape(const Position& where, char first)
{
    const int base = first == 'x' ? 16 : 8;
    const int most = first == 'x' ? 2 : 3;
    int value = first == 'x' ? 0 : first - '0';
    int digits = first == 'x' ? 0 : 1;
    while (digits < most && hex_digit(peek()) >= 0 && hex_digit(peek()) < base) {
        value = value * base + hex_digit(take());
        ++digits;
    }
    if (digits == 0 || value == 0 || value > 255)
        throw SyntaxError(where, "this escape names no character; expected \\xHH or \\OOO from \\001 to \\377");
    return static_cast<char>(value);
}

char Lexer::escaped(const Position& where)
{
    const char c = at_end() ? '\n' : take();
    switch (c) {
    case 'a':
        return '\a';
    case 'b':
        return '\b';
    case 'f':
        return '\f';
    case 'n':
        return '\n';
    case 'r':
        return '\r';
    case 't':
        return '\t';
    case 'v':
        return '\v';
    case '\\':
    case '\'':
    case '"':
        return c;
    default:
        if (c == 'x' || (c >= '0' && c <= '7'))
            return numeric_escape(where, c);
        throw SyntaxError(where,
                          "a backslash in a string must be followed by one of a b f n r t v \\ ' \" x or a digit");
    }
}

Token Lexer::string()
{
    Token token{Token::Kind::string, where_, {}};
    const char quote = take();
    while (peek() != quote) {
        if (at_end() || peek() == '\n')
            throw SyntaxError(token.where,
                              fmt::format("this string does not end on its line; expected a closing {}", quote));
        const Position where = where_;
        const char c = take();
        if (c == '\0')
            throw SyntaxError(where, "a string cannot hold byte 0x00; it would end there for most who read it");
        token.text += c == '\\' ? escaped(where) : c;
    }
    take();
    return token;
}

Token Lexer::next()
{
    skip_blanks();
    const char c = peek();
    if (at_end())
        return {Token::Kind::end_of_file, where_, {}};
    if (is_lower(c))
        return word(Token::Kind::name, in_name);
    if (is_digit(c))
        return word(Token::Kind::number, in_number);
    if (c == '"' || c == '\'')
        return string();
    Token token{Token::Kind::stray, where_, std::string(1, take())};
    switch (c) {
    case '=':
        token.kind = Token::Kind::assign;
        return token;
    case '[':
        token.kind = Token::Kind::open;
        return token;
    case ']':
        token.kind = Token::Kind::close;
        return token;
    case ',':
        token.kind = Token::Kind::comma;
        return token;
    case ';':
    case '\n':
        token.kind = Token::Kind::end_of_setting;
        return token;
    case '+':
        if (peek() == '=') {
            token.text += take();
            token.kind = Token::Kind::append;
        }
        return token;
    default:
        return token;
    }
}

std::string describe(const Token& token)
{
    switch (token.kind) {
    case Token::Kind::end_of_file:
        return "the end of the file";
    case Token::Kind::end_of_setting:
        return token.text == ";" ? "';'" : "the end of the line";
    case Token::Kind::string:
        return "a string";
    case Token::Kind::stray:
        if (std::isprint(static_cast<unsigned char>(token.text[0])) == 0)
            return fmt::format("byte {:#04x}", static_cast<unsigned char>(token.text[0]));
        return fmt::format("'{}'", token.text);
    default:
        return fmt::format("'{}'", token.text);
    }
}

}
