// The small parts of the TCP/IP port, and the metrics' text.
#include "frontends/lwip/pseudo_checksum.hpp"
#include "frontends/lwip/settings.hpp"
#include "frontends/programs/http/open_metrics.hpp"

#include <gtest/gtest.h>
#include <vector>

namespace xylem {
namespace {

TEST(NetworkSettings, AreAsLinuxHasThem)
{
    EXPECT_TRUE(lwip::settings_in("dhcp")->dhcp);
    for (const char* text : {"192.168.1.7::192.168.1.1:255.255.255.0", "192.168.1.7:10.0.0.1:192.168.1.1:255.255.255.0",
                             "192.168.1.7::192.168.1.1:255.255.255.0:name:eth0:off"}) {
        const auto settings = lwip::settings_in(text);
        ASSERT_TRUE(settings) << text;
        EXPECT_FALSE(settings->dhcp);
        EXPECT_EQ(settings->address, 0x0701a8c0u);
        EXPECT_EQ(settings->gateway, 0x0101a8c0u);
        EXPECT_EQ(settings->netmask, 0x00ffffffu);
    }
    EXPECT_EQ(lwip::settings_in("10.0.0.1:::255.0.0.0")->gateway, 0u);
}

TEST(NetworkSettings, ThatCannotBeAreRefused)
{
    for (const char* text :
         {"", "DHCP", "dhcp6", "192.168.1.7", "192.168.1.7::192.168.1.1", "192.168.1.256::192.168.1.1:255.255.255.0",
          "192.168.1::192.168.1.1:255.255.255.0", "192.168.1.7::192.168.1.1:255.255.0.255",
          "192.168.1.7:::255.255.255.0x", "192.168.1.7:::0.0.0.0", "192.168.1.7:::255.255.255.255",
          "192.168.1.0:::255.255.255.0", "192.168.1.255:::255.255.255.0", "127.0.0.1:::255.0.0.0",
          "0.0.0.1:::255.0.0.0", "224.0.0.1:::255.0.0.0", "192..1.7:::255.255.255.0",
          "192.168.1.99999999999:::255.255.255.0"})
        EXPECT_FALSE(lwip::settings_in(text)) << text;
}

/// An Ethernet frame with IPv4, `ip_words` words of header, and 20 bytes of TCP or 8 of UDP and 5 more.
std::vector<u8> frame(u8 protocol, u8 ip_words = 5)
{
    const size_t transport = (protocol == 6 ? 20 : 8) + 5, total = ip_words * 4u + transport;
    std::vector<u8> bytes(14 + total);
    for (size_t i = 0; i < bytes.size(); ++i)
        bytes[i] = static_cast<u8>(i * 37 + 11);
    bytes[12] = 8, bytes[13] = 0;
    bytes[14] = static_cast<u8>(0x40 | ip_words);
    bytes[16] = 0, bytes[17] = static_cast<u8>(total);
    bytes[20] = 0x40, bytes[21] = 0; // don't fragment
    bytes[23] = protocol;
    return bytes;
}

u16 folded(u32 sum)
{
    while (sum >> 16)
        sum = (sum & 0xffff) + (sum >> 16);
    return static_cast<u16>(sum);
}

/// The sum over the transport's bytes, as whoever completes a checksum makes it.
u16 sum_of(const std::vector<u8>& bytes, size_t from)
{
    u32 sum = 0;
    for (size_t i = from; i < bytes.size(); i += 2)
        sum += static_cast<u32>(bytes[i] << 8) | (i + 1 < bytes.size() ? bytes[i + 1] : 0);
    return folded(sum);
}

TEST(PseudoChecksum, GivesAWholeOneWhenTheRestIsAddedToIt)
{
    for (const u8 protocol : {u8{6}, u8{17}})
        for (const u8 words : {u8{5}, u8{8}}) {
            auto bytes = frame(protocol, words);
            ASSERT_TRUE(lwip::write_pseudo_checksum(bytes));
            const size_t transport = 14 + words * 4u, place = transport + (protocol == 6 ? 16 : 6);
            const u16 checksum = static_cast<u16>(~sum_of(bytes, transport)); // what a backend does
            bytes[place] = static_cast<u8>(checksum >> 8), bytes[place + 1] = static_cast<u8>(checksum);
            u32 pseudo = protocol + static_cast<u32>(bytes.size() - transport);
            for (size_t i = 26; i < 34; i += 2)
                pseudo += static_cast<u32>(bytes[i] << 8) | bytes[i + 1];
            EXPECT_EQ(folded(pseudo + sum_of(bytes, transport)), 0xffff); // what a receiver does
        }
}

TEST(PseudoChecksum, IsWrittenToNothingElse)
{
    const auto unchanged = [](std::vector<u8> bytes) {
        const auto before = bytes;
        return !lwip::write_pseudo_checksum(bytes) && bytes == before;
    };
    const auto changed = [](size_t at, u8 value) {
        auto bytes = frame(6);
        bytes[at] = value;
        return bytes;
    };
    EXPECT_TRUE(unchanged(frame(1)));          // ICMP
    EXPECT_TRUE(unchanged(changed(13, 6)));    // ARP
    EXPECT_TRUE(unchanged(changed(14, 0x65))); // IPv6
    EXPECT_TRUE(unchanged(changed(14, 0x44))); // no header
    EXPECT_TRUE(unchanged(changed(14, 0x4f))); // a header as long as the packet
    EXPECT_TRUE(unchanged(changed(17, 200)));  // longer than the frame
    EXPECT_TRUE(unchanged(changed(17, 39)));   // no room for TCP
    EXPECT_TRUE(unchanged(changed(20, 0x20))); // more fragments
    EXPECT_TRUE(unchanged(changed(21, 1)));    // a later one
    auto bytes = frame(6);
    for (size_t length = 0; length < bytes.size(); ++length)
        EXPECT_TRUE(unchanged(std::vector<u8>(bytes.begin(), bytes.begin() + static_cast<long>(length))));
}

TEST(OpenMetricsText, IsWrittenByFamilies)
{
    char room[512];
    http::OpenMetrics out(room);
    out.family("a_bytes", http::OpenMetrics::Type::counter, "What a is.", "bytes");
    out.sample("code=\"200\"", 5);
    out.single("b", http::OpenMetrics::Type::gauge, "What b is.", 7);
    out.family("c", http::OpenMetrics::Type::gauge, "What c is.");
    out.sample_of_thousandths("", 12034);
    out.end();
    EXPECT_EQ(out.text(),
              "# TYPE a_bytes counter\n# UNIT a_bytes bytes\n# HELP a_bytes What a is.\na_bytes_total{code=\"200\"} 5\n"
              "# TYPE b gauge\n# HELP b What b is.\nb 7\n"
              "# TYPE c gauge\n# HELP c What c is.\nc 12.034\n# EOF\n");
}

TEST(OpenMetricsText, IsNothingWhereItDoesNotFit)
{
    for (size_t bytes = 0; bytes < 40; ++bytes) {
        std::vector<char> room(bytes);
        http::OpenMetrics out(room);
        out.single("b", http::OpenMetrics::Type::gauge, "What b is.", 7);
        EXPECT_EQ(out.text(), "") << bytes;
    }
}

}
}
