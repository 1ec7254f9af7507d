// What the compiler expects of a run-time library.

#include <stddef.h>

static constexpr size_t word_bytes = sizeof(size_t);

extern "C" {

void* memcpy(void* to, const void* from, size_t bytes)
{
    void* result = to;
    size_t words = bytes / word_bytes, rest = bytes % word_bytes;
    asm volatile("rep movsq" : "+D"(to), "+S"(from), "+c"(words)::"memory");
    asm volatile("rep movsb" : "+D"(to), "+S"(from), "+c"(rest)::"memory");
    return result;
}

void* memmove(void* to, const void* from, size_t bytes)
{
    if (to <= from)
        return memcpy(to, from, bytes);
    char* t = static_cast<char*>(to) + bytes;
    const char* f = static_cast<const char*>(from) + bytes;
    while (bytes--)
        *--t = *--f;
    return to;
}

void* memset(void* to, int value, size_t bytes)
{
    void* result = to;
    const size_t every_byte = ~size_t{0} / 0xFF;
    const size_t pattern = static_cast<unsigned char>(value) * every_byte;
    size_t words = bytes / word_bytes, rest = bytes % word_bytes;
    asm volatile("rep stosq" : "+D"(to), "+c"(words) : "a"(pattern) : "memory");
    asm volatile("rep stosb" : "+D"(to), "+c"(rest) : "a"(pattern) : "memory");
    return result;
}

int memcmp(const void* a, const void* b, size_t bytes)
{
    const unsigned char* x = static_cast<const unsigned char*>(a);
    const unsigned char* y = static_cast<const unsigned char*>(b);
    for (; bytes; --bytes, ++x, ++y)
        if (*x != *y)
            return *x - *y;
    return 0;
}

const void* memchr(const void* memory, int byte, size_t bytes)
{
    for (const unsigned char* x = static_cast<const unsigned char*>(memory); bytes; --bytes, ++x)
        if (*x == static_cast<unsigned char>(byte))
            return x;
    return nullptr;
}

size_t strlen(const char* text)
{
    size_t length = 0;
    while (text[length])
        ++length;
    return length;
}

/// What stands in a table of virtual functions for one that no class has.
void __cxa_pure_virtual()
{
    asm volatile("ud2");
}

int atexit(void (*)())
{
    return 0;
}
}
