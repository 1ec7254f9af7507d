// sched_op: a vCPU gives up its processor, waits, or ends its domain.
#pragma once

#include "hypervisor/abi/event_channel.hpp"
#include "hypervisor/abi/types.hpp"

namespace xylem::abi {

enum class SchedCmd : uint32_t {
    yield = 0,
    block = 1,
    shutdown = 2,
    poll = 3,
    remote_shutdown = 4,
    shutdown_code = 5,
    watchdog = 6,
    pin_override = 7,
};

enum class ShutdownReason : uint32_t {
    poweroff = 0,
    reboot = 1,
    suspend = 2,
    crash = 3,
    watchdog = 4,
    soft_reset = 5,
};

inline constexpr uint32_t shutdown_max = 5;

/// For shutdown and shutdown_code.
struct SchedShutdown {
    ShutdownReason reason;
};

struct SchedPoll {
    GuestHandle<RawPort> ports;
    uint32_t nr_ports;
    uint64_t timeout; // absolute system time; 0 for none
};

inline constexpr uint32_t sched_poll_max_ports = 128;

struct SchedRemoteShutdown {
    RawDomId domain_id;
    ShutdownReason reason;
};

struct SchedWatchdog {
    uint32_t id;
    uint32_t timeout; // seconds
};

struct SchedPinOverride {
    int32_t pcpu;
};

}
