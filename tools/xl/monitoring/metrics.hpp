// `xl metrics`: a sample as OpenMetrics text, once or to whoever asks by HTTP.
#pragma once

#include "tools/xl/monitoring/sample.hpp"

#include <functional>

namespace xylem::xl {

std::string metrics_of(const Sample& sample);

/// Where to listen: "PORT", on loopback, or "ADDRESS:PORT", where an IPv6 address is in brackets.
struct ListenPlace {
    std::string address;
    u16 port;
};
/// @throws Failure
ListenPlace parse_listen_place(const std::string& text);

/// Serves what `collect` makes, at /metrics, until SIGTERM or SIGINT. One thread; clients that are slow, silent, many
/// or hostile cost a bounded time and memory, and the others wait no longer for them. What `collect` throws is a
/// client's error 503.
/// @param on_ready  called with the port, once it answers there
/// @throws std::system_error  it cannot listen there
void serve_metrics(const ListenPlace& place, const std::function<std::string()>& collect,
                   const std::function<void(u16 port)>& on_ready);

}
