// See syntax.hpp: a recursive-descent parser over lexer.hpp's words.
#include "tools/xl/config/syntax.hpp"

#include "tools/xl/config/lexer.hpp"

#include <algorithm>
#include <utility>

namespace xylem::xl::config {

namespace {

constexpr unsigned deepest_list = 16;

class Parser {
public:
    Parser(std::string_view text, const std::string& name) : lexer_(text, name), token_(lexer_.next()) {}

    void file(Settings& settings)
    {
        while (token_.kind != Token::Kind::end_of_file)
            if (!accept(Token::Kind::end_of_setting))
                setting(settings);
    }

private:
    bool accept(Token::Kind kind)
    {
        if (token_.kind != kind)
            return false;
        token_ = lexer_.next();
        return true;
    }

    [[noreturn]] void expected(const char* what)
    {
        throw SyntaxError(token_.where, fmt::format("expected {}, found {}", what, describe(token_)));
    }

    void skip_line_ends()
    {
        while (token_.kind == Token::Kind::end_of_setting && token_.text != ";")
            token_ = lexer_.next();
    }

    void setting(Settings& settings)
    {
        Setting setting{token_.text, token_.where, {}, false};
        if (!accept(Token::Kind::name))
            expected("the name of a setting (small letters, digits and _)");
        setting.appended = accept(Token::Kind::append);
        if (!setting.appended && !accept(Token::Kind::assign))
            expected("'=' or '+='");
        setting.value = value(0);
        if (token_.kind != Token::Kind::end_of_setting && token_.kind != Token::Kind::end_of_file)
            expected("the end of the line or ';'");
        setting.appended ? settings.append(std::move(setting)) : settings.assign(std::move(setting));
    }

    Value value(unsigned depth)
    {
        Value value{Value::Kind::string, token_.where, token_.text, {}};
        if (accept(Token::Kind::string))
            return value;
        if (token_.kind == Token::Kind::number) {
            value.kind = Value::Kind::number;
            if (token_.text.find_first_not_of("0123456789abcdefx") != std::string::npos)
                expected("a number (decimal, octal after 0, hexadecimal after 0x)");
            accept(Token::Kind::number);
            return value;
        }
        if (!accept(Token::Kind::open))
            expected("a string in quotes, a number or a list in [ ]");
        if (depth == deepest_list)
            throw SyntaxError(value.where, "lists are nested too deeply");
        value.kind = Value::Kind::list;
        value.text.clear();
        list(value.list, depth + 1);
        return value;
    }

    void list(std::vector<Value>& values, unsigned depth)
    {
        skip_line_ends();
        while (!accept(Token::Kind::close)) {
            values.push_back(value(depth));
            skip_line_ends();
            if (!accept(Token::Kind::comma) && token_.kind != Token::Kind::close)
                expected("',' or ']'");
            skip_line_ends();
        }
    }

    Lexer lexer_;
    Token token_;
};

}

const Setting* Settings::find(std::string_view name) const
{
    const auto found =
        std::find_if(settings_.begin(), settings_.end(), [&](const Setting& s) { return s.name == name; });
    return found == settings_.end() ? nullptr : &*found;
}

Setting* Settings::find(std::string_view name)
{
    return const_cast<Setting*>(std::as_const(*this).find(name));
}

void Settings::assign(Setting setting)
{
    if (Setting* old = find(setting.name))
        *old = std::move(setting);
    else
        settings_.push_back(std::move(setting));
}

void Settings::append(Setting setting)
{
    Setting* old = find(setting.name);
    if (!old) {
        settings_.push_back(std::move(setting));
        return;
    }
    const bool lists = setting.value.kind == Value::Kind::list;
    if (lists != (old->value.kind == Value::Kind::list))
        throw SyntaxError(setting.value.where,
                          fmt::format("'{}' is {} so far; expected the same to add to it", setting.name,
                                      old->value.kind == Value::Kind::list ? "a list" : "a string or number"));
    old->value.text += setting.value.text;
    old->value.list.insert(old->value.list.end(), setting.value.list.begin(), setting.value.list.end());
    old->appended = true;
    if (!lists)
        old->value.kind = Value::Kind::string;
}

void parse(std::string_view text, const std::string& name, Settings& settings)
{
    Parser(text, name).file(settings);
}

}
