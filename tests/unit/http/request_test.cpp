// What is a request, what is none, and where the reader stops.
#include "frontends/programs/http/request.hpp"

#include <gtest/gtest.h>
#include <random>
#include <string>

namespace xylem::http {
namespace {

using Outcome = Parsed::Outcome;

const std::string plain = "GET / HTTP/1.1\r\nHost: a\r\n\r\n";

std::string with(const std::string& field)
{
    return "GET / HTTP/1.1\r\nHost: a\r\n" + field + "\r\n\r\n";
}

TEST(HttpRequest, IsReadWhole)
{
    const std::string text = "HEAD /a/b?c=d HTTP/1.1\r\nHost: a\r\nUser-Agent: \tsome one \r\n\r\nGET";
    const Parsed parsed = parse_request(text);
    ASSERT_EQ(parsed.outcome, Outcome::request);
    EXPECT_EQ(parsed.request.method, Request::Method::head);
    EXPECT_EQ(parsed.request.path, "/a/b");
    EXPECT_TRUE(parsed.request.keep_alive);
    EXPECT_EQ(parsed.bytes, text.size() - 3);
}

TEST(HttpRequest, MayComeByLinesThatEndAsPeopleTypeThem)
{
    EXPECT_EQ(parse_request("GET / HTTP/1.0\n\n").outcome, Outcome::request);
    EXPECT_EQ(parse_request("\r\n" + plain).outcome, Outcome::request);
    EXPECT_EQ(parse_request("\r\n\r\n" + plain).status, 400);
}

TEST(HttpRequest, IsIncompleteAtEachOfItsBytesButTheLast)
{
    for (size_t bytes = 0; bytes < plain.size(); ++bytes)
        EXPECT_EQ(parse_request(std::string_view(plain).substr(0, bytes)).outcome, Outcome::incomplete) << bytes;
    EXPECT_EQ(parse_request(plain).outcome, Outcome::request);
}

TEST(HttpRequest, SaysWhetherAnotherMayFollow)
{
    EXPECT_FALSE(parse_request(with("Connection: close")).request.keep_alive);
    EXPECT_FALSE(parse_request(with("connection: Foo , CLOSE")).request.keep_alive);
    EXPECT_FALSE(parse_request("GET / HTTP/1.0\r\n\r\n").request.keep_alive);
    EXPECT_TRUE(parse_request("GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n").request.keep_alive);
}

TEST(HttpRequest, TakesATargetWithAHostInIt)
{
    EXPECT_EQ(parse_request("GET http://a.b:80/c?d HTTP/1.1\r\nHost: a\r\n\r\n").request.path, "/c");
    EXPECT_EQ(parse_request("GET HTTP://a HTTP/1.1\r\nHost: a\r\n\r\n").request.path, "/");
}

TEST(HttpRequest, IsRefusedWithAStatusThatSaysWhy)
{
    const std::string long_path(5000, 'a'), long_value(9000, 'b');
    const std::pair<std::string, int> cases[] = {
        {"GET\r\n\r\n", 400},
        {"GET /\r\n\r\n", 400},
        {"GET / HTTP/1.1 \r\n\r\n", 400},
        {"GET  / HTTP/1.1\r\n\r\n", 400},
        {"G(T / HTTP/1.1\r\n\r\n", 400},
        {"GET a HTTP/1.1\r\nHost: a\r\n\r\n", 400},
        {"GET /\x01 HTTP/1.1\r\nHost: a\r\n\r\n", 400},
        {"GET / HTTP/11\r\n\r\n", 400},
        {"GET / HTTP/2.0\r\n\r\n", 505},
        {"POST / HTTP/1.1\r\nHost: a\r\n\r\n", 405},
        {"get / HTTP/1.1\r\nHost: a\r\n\r\n", 405},
        {"GET / HTTP/1.1\r\n\r\n", 400},
        {with("Host: b"), 400},
        {with("no colon"), 400},
        {with(": empty"), 400},
        {with("Space : a"), 400},
        {with(" folded: a"), 400},
        {with("A: b\rc"), 400},
        {with(std::string("A: b\0c", 6)), 400},
        {with("Content-Length: 5"), 413},
        {with("Content-Length: 0"), 0},
        {with("Transfer-Encoding: chunked"), 501},
        {"GET /" + long_path + " HTTP/1.1\r\nHost: a\r\n\r\n", 414},
        {"GET /" + long_path, 414},
        {with("A: " + long_value), 431},
        {"GET / HTTP/1.1\r\nA: " + long_value, 431},
    };
    for (const auto& [text, status] : cases) {
        const Parsed parsed = parse_request(text);
        EXPECT_EQ(parsed.status, status) << text.substr(0, 60);
        EXPECT_EQ(parsed.outcome, status == 0 ? Outcome::request : Outcome::refused) << text.substr(0, 60);
    }
}

TEST(HttpRequest, NeverTakesMoreThanCame)
{
    std::mt19937 random(1);
    for (int turn = 0; turn < 20000; ++turn) {
        std::string text = with("Connection: keep-alive, x\r\nContent-Length: 0");
        for (unsigned changes = random() % 4; changes > 0; --changes)
            text[random() % text.size()] = static_cast<char>(random());
        text.resize(random() % (text.size() + 1));
        const std::string exact(text); // so that ASan sees what is read behind it
        const Parsed parsed = parse_request({exact.data(), exact.size()});
        ASSERT_LE(parsed.bytes, text.size());
        ASSERT_EQ(parsed.outcome == Outcome::refused, parsed.status != 0);
    }
}

}
}
