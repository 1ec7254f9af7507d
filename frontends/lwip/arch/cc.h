// What lwIP asks of the compiler and of the system, beside the clock (sys_now): see stack.cpp and random.cpp.
#pragma once

#define LWIP_NO_CTYPE_H 1
#define LWIP_PLATFORM_DIAG(words)
#define LWIP_PLATFORM_ASSERT(what) xylem_lwip_failed(what, __FILE__, __LINE__)
#define LWIP_RAND() xylem_lwip_random()

#ifdef __cplusplus
extern "C" {
#endif
/// lwIP found itself in a state that cannot be: the guest ends.
__attribute__((noreturn)) void xylem_lwip_failed(const char* what, const char* file, int line);
unsigned xylem_lwip_random(void);
#ifdef __cplusplus
}
#endif
