// The states through which a device's two halves go, as they stand in the store.
#pragma once

namespace xylem::abi::io {

enum class XenbusState {
    unknown = 0,
    initialising = 1,
    init_wait = 2,
    initialised = 3,
    connected = 4,
    closing = 5,
    closed = 6,
    reconfiguring = 7,
    reconfigured = 8,
};

/// What a frontend on x86-64 writes as "protocol".
inline constexpr char protocol_x86_64[] = "x86_64-abi";

}
