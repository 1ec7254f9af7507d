// The console page: two rings of bytes. "in" is input to the guest, "out" its output.
#pragma once

#include <stdint.h>

namespace xylem::abi::io {

struct ConsoleInterface {
    char in[1024];
    char out[2048];
    uint32_t in_cons, in_prod;
    uint32_t out_cons, out_prod;
};

}
