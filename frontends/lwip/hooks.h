// Where lwIP asks us, beyond what every port brings.
#pragma once

#include "lwip/err.h"
#include "lwip/ip_addr.h"

struct tcp_pcb;
struct tcp_hdr;

#ifdef __cplusplus
extern "C" {
#endif
/// The first sequence number of a connection: see random.cpp.
u32_t xylem_lwip_first_sequence(const ip_addr_t* local, u16_t local_port, const ip_addr_t* remote, u16_t remote_port);
/// A segment for a connection, its header in the host's byte order. @return whether lwIP goes on with it: see
/// time_wait.cpp
err_t xylem_lwip_segment(struct tcp_pcb* pcb, const struct tcp_hdr* header);
#ifdef __cplusplus
}
#endif

#define LWIP_HOOK_TCP_ISN xylem_lwip_first_sequence
#define LWIP_HOOK_TCP_INPACKET_PCB(pcb, header, ...) xylem_lwip_segment(pcb, header)
