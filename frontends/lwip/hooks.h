// Where lwIP asks us, beyond what every port brings.
#pragma once

#include "lwip/ip_addr.h"

#ifdef __cplusplus
extern "C" {
#endif
/// The first sequence number of a connection: see random.cpp.
u32_t xylem_lwip_first_sequence(const ip_addr_t* local, u16_t local_port, const ip_addr_t* remote, u16_t remote_port);
#ifdef __cplusplus
}
#endif

#define LWIP_HOOK_TCP_ISN xylem_lwip_first_sequence
