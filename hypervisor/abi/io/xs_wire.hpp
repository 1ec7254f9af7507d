// The xenstore protocol: a message's header, its types, and the page of two rings over which a guest speaks it.
#pragma once

#include <stdint.h>

namespace xylem::abi::io {

enum class XsMessageType : uint32_t {
    control = 0,
    directory = 1,
    read = 2,
    get_perms = 3,
    watch = 4,
    unwatch = 5,
    transaction_start = 6,
    transaction_end = 7,
    introduce = 8,
    release = 9,
    get_domain_path = 10,
    write = 11,
    mkdir = 12,
    rm = 13,
    set_perms = 14,
    watch_event = 15,
    error = 16,
    is_domain_introduced = 17,
    resume = 18,
    set_target = 19,
    reset_watches = 21,
    directory_part = 22,
    invalid = 0xFFFF,
};

inline constexpr uint32_t xs_type_count = 23;

struct XsMessageHeader {
    XsMessageType type;
    uint32_t req_id;
    uint32_t tx_id;
    uint32_t len; // of what follows
};

inline constexpr uint32_t xenstore_payload_max = 4096;
inline constexpr uint32_t xenstore_abs_path_max = 3072;
inline constexpr uint32_t xenstore_rel_path_max = 2048;
inline constexpr uint32_t xenstore_ring_size = 1024;

struct XenstoreDomainInterface {
    char req[xenstore_ring_size];
    char rsp[xenstore_ring_size];
    uint32_t req_cons, req_prod;
    uint32_t rsp_cons, rsp_prod;
    uint32_t server_features;
    uint32_t connection;
    uint32_t error;
};

inline constexpr uint32_t xenstore_server_feature_reconnection = 1;
inline constexpr uint32_t xenstore_server_feature_error = 2;

inline constexpr uint32_t xenstore_connected = 0;
inline constexpr uint32_t xenstore_reconnect = 1;

inline constexpr uint32_t xenstore_error_none = 0;
inline constexpr uint32_t xenstore_error_comm = 1;
inline constexpr uint32_t xenstore_error_ringidx = 2;
inline constexpr uint32_t xenstore_error_proto = 3;

/// The two strings of a watch event.
inline constexpr uint32_t xs_watch_path = 0;
inline constexpr uint32_t xs_watch_token = 1;

}
