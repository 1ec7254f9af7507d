// A domain's configuration: read, or refused with the place.
#include "tests/fuzz/target.hpp"
#include "tools/xl/config/domain_config.hpp"
#include "tools/xl/failure.hpp"

#include <gtest/gtest.h>

using namespace xylem::xl;
using namespace xylem::xl::config;

FUZZ_TARGET(xl_config)
{
    try {
        Settings settings;
        parse({reinterpret_cast<const char*>(input.data()), input.size()}, "x.cfg", settings);
        const DomainConfig config = read_domain_config(settings, "x.cfg");
        EXPECT_TRUE(is_domain_name(config.name));
        EXPECT_LE(config.vcpus, config.max_vcpus);
        EXPECT_LE(config.memory_kib, config.max_memory_kib);
    } catch (const Failure& error) {
        EXPECT_TRUE(std::string_view(error.what()).starts_with("x.cfg:")) << error.what();
    }
}
