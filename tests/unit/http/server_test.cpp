// The web server and lwIP under it, by real connections over lwIP's loopback interface: clients that are polite, slow,
// wrong, many. After each test, nothing of lwIP's may be in use.
#include "frontends/lwip/hooks.h"
#include "frontends/programs/http/server.hpp"

#include <gtest/gtest.h>
#include <lwip/init.h>
#include <lwip/netif.h>
#include <lwip/stats.h>
#include <lwip/timeouts.h>
#include <memory>
#include <optional>
#include <random>
#include <string>
#include <vector>

namespace {

u32_t now_milliseconds = 1000;
std::optional<u32_t> first_sequence; ///< of connections; by chance if there is none

}

extern "C" u32_t sys_now()
{
    return now_milliseconds;
}
extern "C" unsigned xylem_lwip_random()
{
    static std::mt19937 random(1);
    return static_cast<unsigned>(random());
}
extern "C" u32_t xylem_lwip_first_sequence(const ip_addr_t*, u16_t, const ip_addr_t*, u16_t)
{
    return first_sequence ? *first_sequence : xylem_lwip_random();
}
extern "C" void xylem_lwip_failed(const char* what, const char* file, int line)
{
    ADD_FAILURE() << file << ":" << line << ": " << what;
    std::abort();
}

namespace xylem::http {
namespace {

constexpr u16 port = 8080;
const std::string page(5000, 'p');

std::string get(const std::string& path, const std::string& more = "")
{
    return "GET " + path + " HTTP/1.1\r\nHost: a\r\n" + more + "\r\n";
}

class Client {
public:
    /// @param from  its port; 0 for any
    explicit Client(u16 from = 0) : pcb_(tcp_new())
    {
        EXPECT_EQ(tcp_bind(pcb_, IP_ANY_TYPE, from), ERR_OK);
        const ip_addr_t loopback = IPADDR4_INIT_BYTES(127, 0, 0, 1);
        tcp_arg(pcb_, this);
        tcp_recv(pcb_, on_received);
        tcp_err(pcb_, on_error);
        tcp_nagle_disable(pcb_);
        EXPECT_EQ(tcp_connect(pcb_, &loopback, port, on_connected), ERR_OK);
    }
    Client(const Client&) = delete;
    Client& operator=(const Client&) = delete;
    ~Client()
    {
        if (pcb_)
            reset();
    }
    bool send(std::string_view text)
    {
        return pcb_ && tcp_write(pcb_, text.data(), static_cast<u16>(text.size()), TCP_WRITE_FLAG_COPY) == ERR_OK &&
               tcp_output(pcb_) == ERR_OK;
    }
    void finish() { tcp_shutdown(pcb_, 0, 1); }
    void reset()
    {
        tcp_pcb* const pcb = pcb_;
        forget();
        tcp_abort(pcb);
    }

    std::string received;
    bool connected = false, finished = false, was_reset = false;
    bool reads = true;

private:
    static err_t on_connected(void* self, tcp_pcb*, err_t)
    {
        static_cast<Client*>(self)->connected = true;
        return ERR_OK;
    }
    static err_t on_received(void* client, tcp_pcb* pcb, pbuf* data, err_t)
    {
        Client& self = *static_cast<Client*>(client);
        if (!data) {
            self.finished = true;
            self.forget();
            tcp_close(pcb);
            return ERR_OK;
        }
        if (!self.reads) {
            pbuf_free(data);
            return ERR_OK; // and the window stays shut
        }
        std::string piece(data->tot_len, 0);
        pbuf_copy_partial(data, piece.data(), data->tot_len, 0);
        self.received += piece;
        tcp_recved(pcb, data->tot_len);
        pbuf_free(data);
        return ERR_OK;
    }
    static void on_error(void* client, err_t)
    {
        static_cast<Client*>(client)->was_reset = true;
        static_cast<Client*>(client)->pcb_ = nullptr;
    }
    void forget()
    {
        tcp_arg(pcb_, nullptr);
        tcp_recv(pcb_, nullptr);
        tcp_err(pcb_, nullptr);
        pcb_ = nullptr;
    }

    tcp_pcb* pcb_;
};

class HttpServer : public testing::Test {
protected:
    static void SetUpTestSuite()
    {
        static bool initialised = false;
        if (!initialised)
            lwip_init();
        initialised = true;
    }
    HttpServer() : server(std::make_unique<Server>(Content{page, metrics, "text/x-metrics", this}))
    {
        EXPECT_TRUE(server->begin(port));
    }
    void TearDown() override
    {
        clients.clear();
        server.reset();
        first_sequence.reset();
        pass(300'000); // until lwIP has forgotten all connections
        EXPECT_EQ(lwip_stats.mem.used, 0u);
        for (const auto pool : {MEMP_TCP_PCB, MEMP_TCP_PCB_LISTEN, MEMP_TCP_SEG, MEMP_PBUF, MEMP_PBUF_POOL})
            EXPECT_EQ(lwip_stats.memp[pool]->used, 0u) << pool;
    }
    Client& client(u16 from = 0)
    {
        clients.push_back(std::make_unique<Client>(from));
        pump();
        return *clients.back();
    }
    /// Lets packets go to and fro until there are none.
    void pump()
    {
        for (int turn = 0; turn < 10'000; ++turn) {
            const auto before = lwip_stats.tcp.recv;
            netif_poll_all();
            if (lwip_stats.tcp.recv == before)
                return;
        }
        ADD_FAILURE() << "packets go to and fro for ever";
    }
    void pass(u32 milliseconds)
    {
        for (u32 passed = 0; passed < milliseconds; passed += 250) {
            now_milliseconds += 250;
            sys_check_timeouts();
            if (server)
                server->tick();
            pump();
        }
    }
    std::string answer_to(const std::string& request)
    {
        Client& asks = client();
        EXPECT_TRUE(asks.send(request));
        pump();
        pass(1000);
        return asks.received;
    }
    u64 responses(u16 status) const
    {
        for (size_t i = 0; i < std::size(Counters::statuses); ++i)
            if (Counters::statuses[i] == status)
                return server->counters().responses[i];
        return 0;
    }
    static std::string_view metrics(void* self, std::span<char> out)
    {
        const std::string& text = static_cast<HttpServer*>(self)->metrics_text;
        if (text.size() > out.size())
            return {};
        text.copy(out.data(), text.size());
        return {out.data(), text.size()};
    }

    std::string metrics_text = "metrics\n";
    std::unique_ptr<Server> server;
    std::vector<std::unique_ptr<Client>> clients;
};

std::string content_of(const std::string& response)
{
    const size_t end = response.find("\r\n\r\n");
    return end == response.npos ? "(no head)" : response.substr(end + 4);
}

TEST_F(HttpServer, GivesItsPageAndMetricsOnOneConnection)
{
    Client& asks = client();
    ASSERT_TRUE(asks.send(get("/")));
    pump();
    EXPECT_TRUE(asks.received.starts_with(
        "HTTP/1.1 200 OK\r\nContent-Type: text/html; charset=utf-8\r\nContent-Length: 5000\r\n"));
    EXPECT_EQ(content_of(asks.received), page);
    asks.received.clear();
    ASSERT_TRUE(asks.send(get("/metrics")));
    pump();
    EXPECT_NE(asks.received.find("Content-Type: text/x-metrics\r\n"), std::string::npos);
    EXPECT_EQ(content_of(asks.received), metrics_text);
    EXPECT_EQ(server->connections(), 1u);
    EXPECT_EQ(responses(200), 2u);
    EXPECT_EQ(server->counters().bytes_in, get("/").size() + get("/metrics").size());
}

TEST_F(HttpServer, GivesAHeadAlone)
{
    const std::string whole = answer_to(get("/")), head = answer_to("HEAD / HTTP/1.1\r\nHost: a\r\n\r\n");
    EXPECT_EQ(head, whole.substr(0, whole.size() - page.size()));
    EXPECT_EQ(content_of(answer_to("HEAD /bytes/99 HTTP/1.1\r\nHost: a\r\n\r\n")), "");
    EXPECT_EQ(content_of(answer_to("HEAD /metrics HTTP/1.1\r\nHost: a\r\n\r\n")), "");
    EXPECT_EQ(content_of(answer_to("HEAD /nothing HTTP/1.1\r\nHost: a\r\n\r\n")), "");
}

TEST_F(HttpServer, AnswersManyRequestsAtOnceInTheirOrder)
{
    Client& asks = client();
    std::string expected;
    for (int i = 0; i < 100; ++i) {
        ASSERT_TRUE(asks.send(get("/bytes/" + std::to_string(i))));
        for (int byte = 0; byte < i; ++byte)
            expected += static_cast<char>(byte);
        pump();
    }
    std::string found;
    for (size_t at = 0; (at = asks.received.find("\r\n\r\n", at)) != std::string::npos;) {
        const size_t next = asks.received.find("HTTP/1.1 200", at);
        found += asks.received.substr(at + 4, next == std::string::npos ? next : next - at - 4);
        at += 4;
    }
    EXPECT_EQ(found, expected);
}

TEST_F(HttpServer, ReadsARequestThatComesByteByByte)
{
    Client& asks = client();
    for (const char byte : get("/")) {
        ASSERT_TRUE(asks.send({&byte, 1}));
        pump();
    }
    EXPECT_EQ(content_of(asks.received), page);
}

TEST_F(HttpServer, GivesAsManyBytesAsAreWanted)
{
    Client& asks = client();
    ASSERT_TRUE(asks.send(get("/bytes/3000000", "Connection: close\r\n")));
    pass(2000);
    const std::string content = content_of(asks.received);
    ASSERT_EQ(content.size(), 3'000'000u);
    for (size_t i = 0; i < content.size(); ++i)
        ASSERT_EQ(static_cast<u8>(content[i]), i % 251) << i;
    EXPECT_TRUE(asks.finished);
    EXPECT_EQ(server->connections(), 0u);
    EXPECT_EQ(server->counters().bytes_out, asks.received.size());
}

TEST_F(HttpServer, KnowsNothingElse)
{
    for (const char* path :
         {"/x", "/bytes", "/bytes/", "/bytes/-1", "/bytes/1x", "/bytes/99999999999999999999", "/metrics/", "//"})
        EXPECT_TRUE(answer_to(get(path)).starts_with("HTTP/1.1 404 Not Found\r\n")) << path;
}

TEST_F(HttpServer, ClosesWhenTheClientWantsIt)
{
    EXPECT_NE(answer_to("GET / HTTP/1.0\r\n\r\n").find("Connection: close"), std::string::npos);
    EXPECT_TRUE(clients.back()->finished);
    Client& asks = client();
    ASSERT_TRUE(asks.send(get("/")));
    asks.finish(); // sends no more, and still wants the answer
    pump();
    EXPECT_EQ(content_of(asks.received), page);
    EXPECT_TRUE(asks.finished);
    EXPECT_EQ(server->connections(), 0u);
}

TEST_F(HttpServer, TellsAClientWhatIsWrongBeforeItCloses)
{
    Client& asks = client();
    ASSERT_TRUE(asks.send("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 100000\r\n\r\n"));
    for (int i = 0; i < 20; ++i) {
        asks.send(std::string(1000, 'x'));
        pump();
    }
    EXPECT_TRUE(asks.received.starts_with("HTTP/1.1 405 Method Not Allowed\r\n"));
    EXPECT_NE(asks.received.find("Allow: GET, HEAD\r\n"), std::string::npos);
    EXPECT_FALSE(asks.was_reset);
    EXPECT_TRUE(asks.finished);
    pass(4000);
    EXPECT_EQ(server->connections(), 0u);
}

TEST_F(HttpServer, SaysSoWhenItsMetricsDoNotFit)
{
    metrics_text.assign(longest_page, 'm');
    EXPECT_EQ(content_of(answer_to(get("/metrics"))), metrics_text);
    metrics_text += 'm';
    EXPECT_TRUE(answer_to(get("/metrics")).starts_with("HTTP/1.1 500 "));
}

// ---- Clients that are slow

TEST_F(HttpServer, WaitsForARequestNoLongerThanItHasPatience)
{
    Client& asks = client();
    for (int second = 0; second < 14; ++second) {
        ASSERT_TRUE(asks.send("G")); // keeps sending, never comes to an end
        pass(1000);
    }
    EXPECT_FALSE(asks.was_reset);
    pass(2000);
    EXPECT_TRUE(asks.was_reset);
    EXPECT_EQ(server->counters().timed_out, 1u);
}

TEST_F(HttpServer, EndsAClientThatTakesNothing)
{
    Client& asks = client();
    asks.reads = false;
    ASSERT_TRUE(asks.send(get("/bytes/10000000")));
    pass(29'000);
    EXPECT_EQ(server->connections(), 1u);
    pass(3'000);
    EXPECT_EQ(server->connections(), 0u);
    EXPECT_EQ(server->counters().timed_out, 1u);
}

TEST_F(HttpServer, LetsGoOfAClientThatResets)
{
    for (const char* request : {"", "GET / HT", "GET /bytes/10000000 HTTP/1.1\r\nHost: a\r\n\r\n"}) {
        Client& asks = client();
        asks.reads = false;
        asks.send(request);
        pump();
        EXPECT_EQ(server->connections(), 1u);
        asks.reset();
        pump();
        EXPECT_EQ(server->connections(), 0u);
    }
}

// ---- Clients that are many

TEST_F(HttpServer, GivesTheirPlaceToNewcomersWhileTheySendNoRequest)
{
    for (unsigned i = 0; i < most_connections; ++i) {
        client();
        pass(250);
    }
    EXPECT_EQ(server->connections(), most_connections);
    EXPECT_EQ(content_of(answer_to(get("/"))), page);
    EXPECT_EQ(server->counters().displaced, 1u);
    EXPECT_TRUE(clients[0]->was_reset); // the one that has waited the longest
    EXPECT_FALSE(clients[1]->was_reset);
}

TEST_F(HttpServer, RefusesNewcomersWhileAllAreBeingAnswered)
{
    for (unsigned i = 0; i < most_connections; ++i) {
        Client& asks = client();
        asks.reads = false;
        ASSERT_TRUE(asks.send(get("/bytes/10000000")));
    }
    pump();
    Client& late = client();
    EXPECT_TRUE(late.was_reset);
    EXPECT_EQ(server->counters().refused, 1u);
    pass(31'000); // none of them took anything
    EXPECT_EQ(content_of(answer_to(get("/"))), page);
}

TEST_F(HttpServer, AnswersThousandsOneAfterTheOther)
{
    for (int i = 0; i < 3000; ++i) {
        Client& asks = client();
        ASSERT_TRUE(asks.send(get("/", "Connection: close\r\n")));
        pump();
        ASSERT_EQ(content_of(asks.received), page) << i;
        clients.clear();
    }
    EXPECT_EQ(server->counters().accepted, 3000u);
    EXPECT_EQ(server->connections(), 0u);
}

TEST_F(HttpServer, LetsAClientComeFromThePortOfAConnectionThatHasEnded)
{
    first_sequence = ~u32_t{0} - 100'000;
    for (int i = 0; i < 5; ++i, *first_sequence += 50'000) {
        Client& asks = client(40'000);
        pass(5000); // the first attempt ends what is left of the connection before
        ASSERT_TRUE(asks.connected) << i;
        ASSERT_TRUE(asks.send(get("/", "Connection: close\r\n")));
        pump();
        EXPECT_EQ(content_of(asks.received), page);
        clients.clear();
    }
    *first_sequence -= 100'000; // a segment that was late
    Client& late = client(40'000);
    pass(5000);
    EXPECT_FALSE(late.connected);
}

// ---- Clients that send anything

TEST_F(HttpServer, SurvivesAnything)
{
    std::mt19937 random(7);
    const std::string seeds[] = {
        get("/"), get("/metrics"), get("/bytes/100000"), get("/", "Content-Length: 5\r\n"), "\r\n", "\n"};
    for (int turn = 0; turn < 1500; ++turn) {
        Client& asks = client();
        asks.reads = random() % 8 != 0;
        for (unsigned pieces = random() % 6; pieces > 0; --pieces) {
            std::string text = seeds[random() % std::size(seeds)];
            for (unsigned changes = random() % 3; changes > 0; --changes)
                text[random() % text.size()] = static_cast<char>(random());
            asks.send(text.substr(0, random() % 4 ? text.size() : random() % text.size()));
            if (random() % 2)
                pump();
        }
        if (random() % 16 == 0)
            pass(250);
        if (clients.size() > 40)
            clients.erase(clients.begin() + static_cast<long>(random() % 40)); // resets it
        ASSERT_LE(server->connections(), most_connections);
    }
    clients.clear();
    pass(60'000);
    EXPECT_EQ(server->connections(), 0u);
    EXPECT_EQ(content_of(answer_to(get("/"))), page);
}

// ---- The end

TEST_F(HttpServer, EndsWhenWhatIsUnderWayIsDone)
{
    Client& idle = client();
    Client& asks = client();
    ASSERT_TRUE(asks.send(get("/bytes/500000")));
    netif_poll_all();
    server->end();
    pass(2000);
    EXPECT_TRUE(idle.finished);
    EXPECT_EQ(content_of(asks.received).size(), 500'000u);
    EXPECT_TRUE(asks.finished);
    EXPECT_EQ(server->connections(), 0u);
    Client& late = client();
    EXPECT_TRUE(late.was_reset);
}

}
}
