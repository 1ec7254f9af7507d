// Macros that compare a struct or a number of ours with Xen's. They are checks of the compiler: a slip fails the build.
#pragma once

#include <cstddef>
#include <cstdint>

#define SAME_SIZE(ours, theirs) static_assert(sizeof(ours) == sizeof(theirs), #ours ": its size is not Xen's")

#define SAME_FIELD_NAMED(ours, our_field, theirs, their_field)                                                         \
    static_assert(offsetof(ours, our_field) == offsetof(theirs, their_field),                                          \
                  #ours "." #our_field ": its offset is not Xen's");                                                   \
    static_assert(sizeof(static_cast<ours*>(nullptr)->our_field) ==                                                    \
                      sizeof(static_cast<theirs*>(nullptr)->their_field),                                              \
                  #ours "." #our_field ": its size is not Xen's")
#define SAME_FIELD(ours, theirs, field) SAME_FIELD_NAMED(ours, field, theirs, field)

// Applies SAME_FIELD to each further argument; two rounds of expansion suffice for 64 fields.
#define SAME_PARENTHESES ()
#define SAME_EXPAND(...) SAME_EXPAND3(SAME_EXPAND3(SAME_EXPAND3(SAME_EXPAND3(__VA_ARGS__))))
#define SAME_EXPAND3(...) SAME_EXPAND2(SAME_EXPAND2(SAME_EXPAND2(SAME_EXPAND2(__VA_ARGS__))))
#define SAME_EXPAND2(...) SAME_EXPAND1(SAME_EXPAND1(SAME_EXPAND1(SAME_EXPAND1(__VA_ARGS__))))
#define SAME_EXPAND1(...) __VA_ARGS__
#define SAME_FIELDS(ours, theirs, ...) __VA_OPT__(SAME_EXPAND(SAME_NEXT(ours, theirs, __VA_ARGS__)))
#define SAME_NEXT(ours, theirs, field, ...)                                                                            \
    SAME_FIELD(ours, theirs, field);                                                                                   \
    __VA_OPT__(SAME_AGAIN SAME_PARENTHESES(ours, theirs, __VA_ARGS__))
#define SAME_AGAIN() SAME_NEXT

#define SAME_STRUCT(ours, theirs, ...)                                                                                 \
    SAME_SIZE(ours, theirs);                                                                                           \
    SAME_FIELDS(ours, theirs, __VA_ARGS__) static_assert(true)

#define SAME_NUMBER(ours, theirs)                                                                                      \
    static_assert(static_cast<uint64_t>(ours) == static_cast<uint64_t>(theirs), #ours ": it is not Xen's " #theirs)
