// The OpenMetrics text, read by Prometheus's own parser; and the server, with clients that mean no good.
#include "tests/unit/xl_monitoring/samples.hpp"
#include "tools/xl/failure.hpp"
#include "tools/xl/monitoring/metrics.hpp"
#include "tools/xl/monitoring/open_metrics.hpp"

#include <arpa/inet.h>
#include <csignal>
#include <fstream>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

namespace xylem::xl {

namespace {

using testing::HasSubstr;
using testing::StartsWith;

/// What Debian's python3-prometheus-client makes of a text: a line for each sample, or why it cannot be read.
std::string parsed(const std::string& text)
{
    const std::string path = testing::TempDir() + fmt::format("xylem-metrics-{}", getpid());
    std::ofstream(path) << text;
    const std::string command =
        "/usr/bin/python3 -c 'import sys\n"
        "from prometheus_client.openmetrics.parser import text_string_to_metric_families as parse\n"
        "try:\n"
        "    for family in parse(open(sys.argv[1]).read()):\n"
        "        for s in family.samples: print(family.type, s.name, sorted(s.labels.items()), float(s.value))\n"
        "except Exception as error: print(\"BAD\", error)' " +
        path + " 2>&1";
    std::string output;
    FILE* pipe = popen(command.c_str(), "r");
    char buffer[4096];
    while (const std::size_t count = fread(buffer, 1, sizeof buffer, pipe))
        output.append(buffer, count);
    EXPECT_EQ(pclose(pipe), 0) << output;
    unlink(path.c_str());
    return output;
}

/// A server in a process of its own, and clients.
struct MetricsServer : testing::Test {
    static std::string collect()
    {
        static int calls = 0;
        if (access(away().c_str(), F_OK) == 0)
            throw Failure("the store is away");
        return fmt::format("calls {}\n# EOF\n", ++calls);
    }
    static std::string away() { return testing::TempDir() + fmt::format("xylem-metrics-away-{}", getppid()); }

    MetricsServer()
    {
        int ends[2];
        EXPECT_EQ(pipe(ends), 0);
        child = fork();
        if (child == 0) {
            serve_metrics({"127.0.0.1", 0}, collect,
                          [&](u16 ready) { EXPECT_EQ(write(ends[1], &ready, sizeof ready), ssize_t{sizeof ready}); });
            _exit(0);
        }
        EXPECT_EQ(read(ends[0], &port, sizeof port), ssize_t{sizeof port});
        close(ends[0]);
        close(ends[1]);
    }
    ~MetricsServer() override
    {
        kill(child, SIGTERM);
        int status = -1;
        waitpid(child, &status, 0);
        EXPECT_EQ(status, 0) << "asked to end, it does";
    }

    int connected() const
    {
        const int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
        sockaddr_in address{};
        address.sin_family = AF_INET;
        address.sin_port = htons(port);
        address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
        EXPECT_EQ(connect(fd, reinterpret_cast<sockaddr*>(&address), sizeof address), 0);
        return fd;
    }
    static void say(int fd, std::string_view text) { send(fd, text.data(), text.size(), MSG_NOSIGNAL); }
    static std::string all_of(int fd)
    {
        std::string text;
        char buffer[4096];
        for (ssize_t count; (count = recv(fd, buffer, sizeof buffer, 0)) > 0;)
            text.append(buffer, static_cast<std::size_t>(count));
        close(fd);
        return text;
    }
    std::string ask(std::string_view request) const
    {
        const int fd = connected();
        say(fd, request);
        return all_of(fd);
    }

    pid_t child = 0;
    u16 port = 0;
};

constexpr std::string_view get_metrics = "GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n";

}

TEST(OpenMetricsText, IsReadByPrometheus)
{
    const std::string text = metrics_of(sample_machine());
    const std::string samples = parsed(text);
    EXPECT_THAT(samples, Not(HasSubstr("BAD"))) << text;
    EXPECT_THAT(samples, HasSubstr("info xen_info [('version', '4.17.0')] 1.0\n"));
    EXPECT_THAT(samples, HasSubstr("counter xen_domain_cpu_seconds_total [('domid', '5'), ('name', "
                                   "'a-rather-long-name')] 1.5\n"));
    EXPECT_THAT(samples, HasSubstr("stateset xen_domain_state [('domid', '6'), ('name', 'broken'), "
                                   "('xen_domain_state', 'crashed')] 1.0\n"));
    EXPECT_THAT(samples, HasSubstr("xen_vcpu_state_seconds_total [('domid', '0'), ('name', 'Domain-0'), ('state', "
                                   "'runnable'), ('vcpu', '0')] 0.25\n"));
    EXPECT_THAT(samples, HasSubstr("xen_vif_bytes_total [('direction', 'sent'), ('domid', '5'), ('name', "
                                   "'a-rather-long-name'), ('vif', '0')] 2048.0\n"));
    EXPECT_THAT(samples, HasSubstr("xen_vbd_read_bytes_total [('domid', '5'), ('name', 'a-rather-long-name'), ('vbd', "
                                   "'51712')] 28672.0\n"));
    EXPECT_THAT(samples, HasSubstr("xen_store_use [('domid', '5'), ('name', 'a-rather-long-name'), ('quota', "
                                   "'nodes')] 31.0\n"));
    EXPECT_THAT(samples, HasSubstr("xen_store_quota [('quota', 'nodes')] 1000.0\n"));
    EXPECT_THAT(text, testing::EndsWith("\n# EOF\n"));
    EXPECT_THAT(text, Not(HasSubstr("\n\n")));
}

TEST(OpenMetricsText, ABucketHoldsAllThatWereQuicker)
{
    const std::string text = metrics_of(sample_machine());
    const auto line = [](const char* suffix, const char* le, const char* value) {
        return fmt::format("xen_vbd_latency_seconds_{}{{domid=\"5\",name=\"a-rather-long-name\",vbd=\"51712\","
                           "operation=\"read\"{}}} {}\n",
                           suffix, le, value);
    };
    EXPECT_THAT(text, HasSubstr(line("bucket", ",le=\"5e-05\"", "4")));
    EXPECT_THAT(text, HasSubstr(line("bucket", ",le=\"0.0001\"", "6")));
    EXPECT_THAT(text, HasSubstr(line("bucket", ",le=\"1.0\"", "7")));
    EXPECT_THAT(text, HasSubstr(line("bucket", ",le=\"+Inf\"", "7")));
    EXPECT_THAT(text, HasSubstr(line("count", "", "7")));
    EXPECT_THAT(text, HasSubstr(line("sum", "", "0.0009")));
}

TEST(OpenMetricsText, EscapesWhatANameMayHold)
{
    Sample sample = sample_machine();
    sample.domains[1].name = "a\"b\\c\nd\xff";
    const std::string samples = parsed(metrics_of(sample));
    EXPECT_THAT(samples, Not(HasSubstr("BAD")));
    EXPECT_THAT(samples, HasSubstr(R"(('name', 'a"b\\c\nd?'))"));
}

TEST(OpenMetricsText, AMachineWithoutGuestsIsOneToo)
{
    EXPECT_THAT(parsed(metrics_of(Sample{})), Not(HasSubstr("BAD")));
}

TEST(OpenMetricsText, SecondsAreExact)
{
    EXPECT_EQ(seconds_text(0), "0.0");
    EXPECT_EQ(seconds_text(1), "0.000000001");
    EXPECT_EQ(seconds_text(2'500'000'000), "2.5");
    EXPECT_EQ(seconds_text(~u64{0}), "18446744073.709551615");
}

TEST(MetricsPlace, IsOnLoopbackUnlessAnAddressIsGiven)
{
    EXPECT_EQ(parse_listen_place("9417").address, "127.0.0.1");
    EXPECT_EQ(parse_listen_place("9417").port, 9417);
    EXPECT_EQ(parse_listen_place("0.0.0.0:1").address, "0.0.0.0");
    EXPECT_EQ(parse_listen_place("[::1]:9417").address, "::1");
    for (const char* wrong : {"", "x", "70000", ":9417", "host:9417", "1.2.3:9417", "127.0.0.1:", "9417 "})
        EXPECT_THROW(parse_listen_place(wrong), Failure) << wrong;
}

TEST_F(MetricsServer, AnswersAsHttpWants)
{
    const std::string page = ask(get_metrics);
    EXPECT_THAT(page, StartsWith("HTTP/1.1 200 OK\r\nContent-Type: application/openmetrics-text; version=1.0.0; "
                                 "charset=utf-8\r\nContent-Length: 14\r\n"));
    EXPECT_THAT(page, HasSubstr("\r\n\r\ncalls 1\n# EOF\n"));
    EXPECT_THAT(ask(get_metrics), HasSubstr("calls 1\n")) << "made at most once a second";
    EXPECT_THAT(ask("GET /metrics?x=1 HTTP/1.0\n\n"), HasSubstr("calls"));
    const std::string head = ask("HEAD /metrics HTTP/1.1\r\n\r\n");
    EXPECT_THAT(head, HasSubstr("Content-Length: 14\r\n"));
    EXPECT_THAT(head, testing::EndsWith("\r\n\r\n"));
    EXPECT_THAT(ask("GET / HTTP/1.1\r\n\r\n"), HasSubstr("/metrics"));
    EXPECT_THAT(ask("GET /etc/passwd HTTP/1.1\r\n\r\n"), StartsWith("HTTP/1.1 404 "));
    EXPECT_THAT(ask("POST /metrics HTTP/1.1\r\n\r\n"), HasSubstr("405 Method Not Allowed\r\n"));
    EXPECT_THAT(ask("\r\n\r\n"), StartsWith("HTTP/1.1 400 "));
    EXPECT_THAT(ask(std::string_view("\0\xff \n\n", 5)), StartsWith("HTTP/1.1 400 "));
}

TEST_F(MetricsServer, TellsWhyItHasNothingToTell)
{
    const std::string flag = testing::TempDir() + fmt::format("xylem-metrics-away-{}", getpid());
    std::ofstream(flag) << "";
    EXPECT_THAT(ask(get_metrics), StartsWith("HTTP/1.1 503 "));
    unlink(flag.c_str());
}

TEST_F(MetricsServer, TakesNoRequestWithoutEnd)
{
    const int fd = connected();
    const std::string line = "X-Filler: " + std::string(500, 'x') + "\r\n";
    say(fd, "GET /metrics HTTP/1.1\r\n");
    for (int i = 0; i < 20; ++i)
        say(fd, line);
    EXPECT_THAT(all_of(fd), StartsWith("HTTP/1.1 431 "));
}

TEST_F(MetricsServer, AnswersThoughManyOthersSaySlowlyOrNothing)
{
    std::vector<int> idle;
    for (int i = 0; i < 40; ++i) {
        idle.push_back(connected());
        say(idle.back(), i % 2 ? "GET /met" : "");
    }
    const auto before = std::chrono::steady_clock::now();
    EXPECT_THAT(ask(get_metrics), StartsWith("HTTP/1.1 200 "));
    EXPECT_LT(std::chrono::steady_clock::now() - before, std::chrono::seconds(4)) << "it does not wait for them";
    for (int fd : idle)
        close(fd);
}

}
