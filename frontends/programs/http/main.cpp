// A web server: one page, bytes to measure with, and its own metrics.
//
//     name = "http"
//     type = "pv"
//     kernel = "/root/http.elf"
//     memory = 16
//     vif = ["bridge=xenbr0"]
//     extra = "ip=192.168.100.7::192.168.100.1:255.255.255.0"     (without it, an address by DHCP)
//
//     /               a page
//     /metrics        OpenMetrics: requests, bytes, connections, memory, the interface's ring, uptime
//     /bytes/NUMBER   so many bytes
//
// "port=8080" on the command line is another port than 80.

#include "frontends/guest/control.hpp"
#include "frontends/guest/drivers.hpp"
#include "frontends/guest/memory.hpp"
#include "frontends/guest/tasks.hpp"
#include "frontends/guest/time.hpp"
#include "frontends/lwip/stack.hpp"
#include "frontends/programs/http/open_metrics.hpp"
#include "frontends/programs/http/server.hpp"

#include <lwip/stats.h>

using namespace xylem;
using namespace xylem::guest;
using http::OpenMetrics;

namespace {

constexpr std::string_view page =
    "<!DOCTYPE html>\n"
    "<html lang=\"en\">\n"
    "<head><meta charset=\"utf-8\"><title>A small guest</title></head>\n"
    "<body>\n"
    "<h1>A small guest</h1>\n"
    "<p>This page comes from a kernel of a few hundred kilobytes that does nothing else: a\n"
    "paravirtual network interface, lwIP, and an HTTP server.</p>\n"
    "<p>Its <a href=\"/metrics\">metrics</a>.</p>\n"
    "</body>\n"
    "</html>\n";

[[noreturn]] void give_up(const char* what)
{
    print("http: {}\n", what);
    shut_down(abi::ShutdownReason::crash);
}

struct Program {
    lwip::Stack stack{driver_kernel(), 0};
    http::Server* server = nullptr;
    u64 started = system_time();
};

void write_http(OpenMetrics& out, const http::Server& server)
{
    const http::Counters& counters = server.counters();
    out.family("http_responses", OpenMetrics::Type::counter, "Requests answered, by status.");
    for (size_t i = 0; i < std::size(http::Counters::statuses); ++i) {
        char label[16];
        format_to(label, sizeof label, "code=\"{}\"", http::Counters::statuses[i]);
        out.sample(label, counters.responses[i]);
    }
    out.single("http_received_bytes", OpenMetrics::Type::counter, "Requests, with their headers.", counters.bytes_in,
               "bytes");
    out.single("http_sent_bytes", OpenMetrics::Type::counter,
               "Responses with their headers, as acknowledged by clients.", counters.bytes_out, "bytes");
    out.single("http_connections", OpenMetrics::Type::gauge, "Connections that are open.", server.connections());
    out.single("http_connections_limit", OpenMetrics::Type::gauge, "Connections that there may be.",
               http::most_connections);
    out.single("http_connections_accepted", OpenMetrics::Type::counter, "Connections that came.", counters.accepted);
    out.family("http_connections_ended", OpenMetrics::Type::counter, "Connections that the server cut off, by reason.");
    out.sample("reason=\"no_room\"", counters.refused);
    out.sample("reason=\"displaced\"", counters.displaced);
    out.sample("reason=\"too_slow\"", counters.timed_out);
}

void write_network(OpenMetrics& out, const lwip::Stack& stack)
{
    const frontends::net::Interface& interface = stack.interface();
    const auto counters = interface.counters();
    out.family("network_packets", OpenMetrics::Type::counter, "Packets of the interface, by direction.");
    out.sample("direction=\"in\"", counters.packets_in);
    out.sample("direction=\"out\"", counters.packets_out);
    out.family("network_bytes", OpenMetrics::Type::counter, "Bytes in these packets.", "bytes");
    out.sample("direction=\"in\"", counters.bytes_in);
    out.sample("direction=\"out\"", counters.bytes_out);
    out.single("network_errors", OpenMetrics::Type::counter, "Packets that the backend could not send or give.",
               counters.errors);
    out.single("network_dropped", OpenMetrics::Type::counter, "Packets that came when lwIP had no memory.",
               stack.packets_dropped());
    out.family("network_ring_slots", OpenMetrics::Type::gauge, "Packets that the transmit ring can have on their way.");
    out.sample("state=\"free\"", interface.room());
    out.sample("state=\"in_use\"", interface.on_the_way());
}

void write_lwip(OpenMetrics& out)
{
    out.family("lwip_pool", OpenMetrics::Type::gauge, "Objects of lwIP's pools, and bytes of its heap, in use.");
    out.sample("pool=\"heap\"", lwip_stats.mem.used);
    out.sample("pool=\"packets\"", lwip_stats.memp[MEMP_PBUF_POOL]->used);
    out.sample("pool=\"segments\"", lwip_stats.memp[MEMP_TCP_SEG]->used);
    out.sample("pool=\"connections\"", lwip_stats.memp[MEMP_TCP_PCB]->used);
    out.single("lwip_pool_failures", OpenMetrics::Type::counter, "Times that lwIP found no memory.",
               u64{lwip_stats.mem.err} + lwip_stats.memp[MEMP_PBUF_POOL]->err + lwip_stats.memp[MEMP_TCP_SEG]->err +
                   lwip_stats.memp[MEMP_TCP_PCB]->err);
}

std::string_view metrics(void* context, std::span<char> room)
{
    const Program& program = *static_cast<Program*>(context);
    OpenMetrics out(room);
    write_http(out, *program.server);
    write_network(out, program.stack);
    write_lwip(out);
    out.single("heap_used_bytes", OpenMetrics::Type::gauge, "The guest's heap.", bytes_in_use(), "bytes");
    out.single("memory_bytes", OpenMetrics::Type::gauge, "The guest's memory.", start_info().nr_pages << page_shift,
               "bytes");
    out.family("uptime_seconds", OpenMetrics::Type::gauge, "Since the guest's start.", "seconds");
    out.sample_of_thousandths("", (system_time() - program.started) / millisecond);
    out.end();
    return out.text();
}

lwip::Settings wanted_settings()
{
    char word[80];
    if (!find_argument("ip=", word, sizeof word))
        return {};
    const auto settings = lwip::settings_in(word);
    if (!settings)
        give_up("what follows ip= is no address: it is ip=dhcp, or ip=ADDRESS::GATEWAY:NETMASK");
    return *settings;
}

u16 wanted_port()
{
    char word[80];
    if (!find_argument("port=", word, sizeof word))
        return 80;
    const auto port = frontends::number_in(word);
    if (!port || *port == 0 || *port > 65535)
        give_up("what follows port= is no port");
    return static_cast<u16>(*port);
}

void bring_up(lwip::Stack& stack)
{
    if (!stack.begin(wanted_settings(), "xylem-http").ok())
        give_up("there is no network interface: give the guest a vif");
    const u64 deadline = system_time() + 60 * second;
    if (!wait_until([&] { return stack.is_up() || ordered_end(); }, deadline))
        give_up("there is no address after a minute: no backend serves the interface, or no DHCP server answers");
}

void serve(http::Server& server)
{
    while (!ordered_end()) {
        wait_until([] { return ordered_end().has_value(); }, system_time() + 500 * millisecond);
        server.tick();
    }
    server.end();
    wait_until([&] { return server.connections() == 0; }, system_time() + 5 * second);
}

}

void xylem_main()
{
    if (is_dom0())
        return print("http: this is for a guest: there is no network here\n");
    follow_orders();
    static Program program;
    bring_up(program.stack);
    if (!ordered_end()) {
        static http::Server server({page, metrics, OpenMetrics::content_type, &program});
        program.server = &server;
        const u32 address = program.stack.address();
        const u16 port = wanted_port();
        if (!server.begin(port))
            give_up("lwIP does not listen");
        print("Serving http://{}.{}.{}.{}:{}/\n", address & 0xff, address >> 8 & 0xff, address >> 16 & 0xff,
              address >> 24, port);
        serve(server);
    }
    program.stack.close();
    print("Goodbye.\n");
    shut_down(ordered_end().value_or(abi::ShutdownReason::poweroff));
}
