// The network protocol: what stands in the slots of the transmit, receive and control rings of netfront and netback.
#pragma once

#include "hypervisor/abi/grant_table.hpp"
#include "hypervisor/abi/io/ring.hpp"

namespace xylem::abi::io {

/// Every backend takes a packet of up to so many slots.
inline constexpr uint32_t netif_nr_slots_min = 18;
inline constexpr uint32_t netif_max_tx_size = 0xFFFF;

inline constexpr uint16_t nettxf_csum_blank = 1 << 0;
inline constexpr uint16_t nettxf_data_validated = 1 << 1;
inline constexpr uint16_t nettxf_more_data = 1 << 2;
inline constexpr uint16_t nettxf_extra_info = 1 << 3;

/// The first request of a packet has the whole packet's size, the following ones their own.
struct NetifTxRequest {
    RawGrantRef gref;
    uint16_t offset;
    uint16_t flags;
    uint16_t id;
    uint16_t size;
};

enum class NetifStatus : int16_t { okay = 0, error = -1, dropped = -2, null = 1 };

struct NetifTxResponse {
    uint16_t id;
    NetifStatus status;
};

enum class NetifExtraType : uint8_t { none = 0, gso = 1, mcast_add = 2, mcast_del = 3, hash = 4 };

inline constexpr uint8_t netif_extra_type_max = 5;
inline constexpr uint8_t netif_extra_flag_more = 1 << 0;

enum class NetifGsoType : uint8_t { none = 0, tcpv4 = 1, tcpv6 = 2 };

/// Stands in a slot of the request ring (transmit) or response ring (receive), right behind a packet's first slot.
struct NetifExtraInfo {
    NetifExtraType type;
    uint8_t flags;
    union Detail {
        struct Gso {
            uint16_t size;
            NetifGsoType type;
            uint8_t pad;
            uint16_t features;
        } gso;
        struct Mcast {
            uint8_t addr[6];
        } mcast;
        struct Hash {
            uint8_t type;
            uint8_t algorithm;
            uint8_t value[4];
        } hash;
        uint16_t pad[3];
    } u;
};

struct NetifRxRequest {
    uint16_t id;
    uint16_t pad;
    RawGrantRef gref;
};

inline constexpr uint16_t netrxf_data_validated = 1 << 0;
inline constexpr uint16_t netrxf_csum_blank = 1 << 1;
inline constexpr uint16_t netrxf_more_data = 1 << 2;
inline constexpr uint16_t netrxf_extra_info = 1 << 3;
inline constexpr uint16_t netrxf_gso_prefix = 1 << 4;

struct NetifRxResponse {
    uint16_t id;
    uint16_t offset;
    uint16_t flags;
    int16_t status; // bytes received, or a NetifStatus below 0
};

using NetifTxEntry = RingEntry<NetifTxRequest, NetifTxResponse>;
using NetifRxEntry = RingEntry<NetifRxRequest, NetifRxResponse>;

enum class NetifCtrlType : uint16_t {
    invalid = 0,
    get_hash_flags = 1,
    set_hash_flags = 2,
    set_hash_key = 3,
    get_hash_mapping_size = 4,
    set_hash_mapping_size = 5,
    set_hash_mapping = 6,
    set_hash_algorithm = 7,
    get_gref_mapping_size = 8,
    add_gref_mapping = 9,
    del_gref_mapping = 10,
};

struct NetifCtrlRequest {
    uint16_t id;
    NetifCtrlType type;
    uint32_t data[3];
};

enum class NetifCtrlStatus : uint32_t { success = 0, not_supported = 1, invalid_parameter = 2, buffer_overflow = 3 };

struct NetifCtrlResponse {
    uint16_t id;
    NetifCtrlType type;
    NetifCtrlStatus status;
    uint32_t data;
};

}
