// The formatter behind log lines: decimal, hexadecimal and text, cut at the end of the buffer.

#include "hypervisor/base/format.hpp"

namespace xylem {
namespace {

class Output {
public:
    Output(char* out, size_t capacity) : out_(out), capacity_(capacity) {}

    void put(char c)
    {
        if (length_ + 1 < capacity_)
            out_[length_++] = c;
    }
    void text(const char* s)
    {
        for (s = s ? s : "(null)"; *s; ++s)
            put(*s);
    }
    void number(u64 value, unsigned base)
    {
        char digits[20];
        unsigned n = 0;
        do {
            digits[n++] = "0123456789abcdef"[value % base];
            value /= base;
        } while (value);
        while (n)
            put(digits[--n]);
    }
    size_t finish()
    {
        if (capacity_)
            out_[length_] = 0;
        return length_;
    }

private:
    char* out_;
    size_t capacity_;
    size_t length_ = 0;
};

void put_argument(Output& out, const FormatArgument& argument, bool hexadecimal)
{
    if (argument.kind == FormatArgument::Kind::text)
        return out.text(argument.text);
    u64 value = argument.number;
    if (argument.kind == FormatArgument::Kind::signed_number && static_cast<i64>(value) < 0 && !hexadecimal) {
        out.put('-');
        value = -value;
    }
    out.number(value, hexadecimal ? 16 : 10);
}

}

size_t format_arguments(char* out, size_t capacity, const char* format, const FormatArgument* arguments, size_t count)
{
    Output output(out, capacity);
    size_t next = 0;
    for (const char* p = format; *p; ++p) {
        const bool hexadecimal = p[0] == '{' && p[1] == ':' && p[2] == 'x' && p[3] == '}';
        const bool plain = p[0] == '{' && p[1] == '}';
        if ((!plain && !hexadecimal) || next == count) {
            output.put(*p);
            continue;
        }
        put_argument(output, arguments[next++], hexadecimal);
        p += hexadecimal ? 3 : 1;
    }
    return output.finish();
}

}
