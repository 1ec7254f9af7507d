// For guests that are tests: checks, and the line that tells the runner how it went.
//
// The result is the worst of what was noted: SUCCESS if nothing was, FAILURE if an expectation did not hold, ERROR if
// the test could not be carried out, SKIP if this machine lacks what it needs. A guest that dies says CRASH, or nothing
// at all.
#pragma once

#include "frontends/guest/guest.hpp"

#include "hypervisor/abi/errno.hpp"

#include <initializer_list>

namespace xylem::guest {

void fail(const char* file, int line, const char* what, i64 got, i64 wanted);
void error(const char* what);
void skip(const char* why);
/// Prints `Test result: ...`; called once, at the end of xylem_main().
void finish_test();

}

/// Both sides are numbers; the first is what the hypervisor answered.
#define EXPECT(got, wanted)                                                                                            \
    do {                                                                                                               \
        const ::xylem::i64 got_value = static_cast<::xylem::i64>(got),                                                 \
                           wanted_value = static_cast<::xylem::i64>(wanted);                                           \
        if (got_value != wanted_value)                                                                                 \
            ::xylem::guest::fail(__FILE__, __LINE__, #got, got_value, wanted_value);                                   \
    } while (0)
#define EXPECT_TRUE(condition) EXPECT(!!(condition), true)
/// The hypervisor answered with this error, a name of abi::Errno.
#define EXPECT_ERROR(got, name) EXPECT(got, -static_cast<::xylem::i64>(::xylem::abi::Errno::name))
/// The fault of a TRY_INSTRUCTION, try_read or try_write.
#define EXPECT_FAULT(fault, wanted_vector, wanted_error)                                                               \
    do {                                                                                                               \
        const ::xylem::guest::Fault fault_value = (fault);                                                             \
        EXPECT(fault_value.faulted ? static_cast<::xylem::i64>(fault_value.vector) : -1, wanted_vector);               \
        EXPECT(fault_value.error_code, wanted_error);                                                                  \
    } while (0)
#define EXPECT_NO_FAULT(fault) EXPECT_FAULT(fault, -1, 0)
