// cpuid=: which processor features a guest is to see, as patterns of bits: 0, 1, x (as by default), k (kept as it is on
// this machine), s (the same after a migration).
#pragma once

#include "tools/xl/config/json.hpp"
#include "tools/xl/config/reader.hpp"

namespace xylem::xl::config {

/// A run of bits of one register of a CPUID leaf, or of a model-specific register.
struct CpuidField {
    static constexpr std::int64_t no_subleaf = -1;
    static constexpr std::int64_t in_msr = -2; ///< then `leaf` is the register's number
    enum Register { eax, ebx, ecx, edx };

    std::string_view name;
    std::uint32_t leaf;
    std::int64_t subleaf;
    Register in;
    unsigned bit;
    unsigned length;
};

const CpuidField* find_cpuid_field(std::string_view name);

/// {"cpuid": [...], "msr": [...]}, or nothing if nothing is said. Parts that make no sense become complaints.
Json cpuid_policy(const Reader& reader);

}
