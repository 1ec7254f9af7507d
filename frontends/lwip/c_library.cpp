// What lwIP asks of a C library that guests do not have otherwise.

#include <limits.h>
#include <stdlib.h>
#include <string.h>

/// Behind atoi(), by which netif_find() reads the number in "en0". Decimal numbers only, as atoi() wants.
extern "C" long strtol(const char* text, char**, int) noexcept
{
    long value = 0;
    for (; *text >= '0' && *text <= '9' && value <= (LONG_MAX - 9) / 10; ++text)
        value = value * 10 + (*text - '0');
    return value;
}

extern "C" int strncmp(const char* a, const char* b, size_t most) noexcept
{
    for (; most > 0; --most, ++a, ++b)
        if (*a != *b || !*a)
            return static_cast<unsigned char>(*a) - static_cast<unsigned char>(*b);
    return 0;
}
