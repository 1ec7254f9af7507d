// Every input of tests/fuzz/corpus/ through its target, and a bounded number of variations of each, the same in every
// run.
#include "tests/fuzz/target.hpp"

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <gtest/gtest.h>
#include <iterator>
#include <random>

namespace xylem::fuzz {
namespace {

using Bytes = std::vector<u8>;

constexpr unsigned variations = 60;

std::vector<Bytes> corpus(const std::string& name)
{
    std::vector<std::filesystem::path> files;
    for (const auto& file : std::filesystem::directory_iterator("tests/fuzz/corpus/" + name))
        files.push_back(file.path());
    std::ranges::sort(files);
    std::vector<Bytes> inputs;
    for (const auto& file : files) {
        std::ifstream in(file, std::ios::binary);
        inputs.emplace_back(std::istreambuf_iterator<char>(in), std::istreambuf_iterator<char>());
    }
    return inputs;
}

/// Some bytes changed, and perhaps the end cut off.
Bytes varied(Bytes input, std::mt19937_64& random)
{
    if (input.empty())
        return input;
    for (u64 changes = 1 + random() % 6; changes > 0; --changes)
        input[random() % input.size()] = static_cast<u8>(random() % 3 ? random() : 0xff * (random() % 2));
    if (random() % 4 == 0)
        input.resize(random() % input.size());
    return input;
}

class Corpus : public testing::TestWithParam<Target> {};

TEST_P(Corpus, EveryInputIsHarmless)
{
    const std::vector<Bytes> inputs = corpus(GetParam().name);
    ASSERT_FALSE(inputs.empty());
    std::mt19937_64 random(1);
    for (const Bytes& input : inputs)
        GetParam().run(input);
    for (unsigned i = 0; i < variations && !HasFailure(); ++i)
        GetParam().run(varied(inputs[random() % inputs.size()], random));
}

INSTANTIATE_TEST_SUITE_P(Fuzz, Corpus, testing::ValuesIn(targets()),
                         [](const auto& target) { return std::string(target.param.name); });

}
}
