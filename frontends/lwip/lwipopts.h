// lwIP as small guests have it: IPv4, TCP, UDP, DHCP; its raw API alone; all memory in pools of these sizes.
//
// The pools are what a flood from the network can use up: then packets are lost and connections refused, and the rest of the
// guest does not notice. Some 1.5 MiB in all.
#pragma once

// One thread: everything runs on the first vCPU (stack.hpp).
#define NO_SYS 1
#define SYS_LIGHTWEIGHT_PROT 0
#define LWIP_NETCONN 0
#define LWIP_SOCKET 0

#define LWIP_IPV4 1
#define LWIP_IPV6 0
#define LWIP_ARP 1
#define LWIP_ICMP 1
#define LWIP_RAW 0
#define LWIP_DNS 0
#define LWIP_UDP 1
#define LWIP_DHCP 1
#define LWIP_TCP 1
// Nothing that we speak comes in fragments, and putting them together is what floods are made of.
#define IP_REASSEMBLY 0
#define IP_FRAG 0

#define MEM_ALIGNMENT 8
#define MEM_SIZE (1024 * 1024)
#define PBUF_POOL_SIZE 128
#define MEMP_NUM_PBUF 1024
#define MEMP_NUM_UDP_PCB 8
#define MEMP_NUM_TCP_PCB 128
#define MEMP_NUM_TCP_PCB_LISTEN 8
#define MEMP_NUM_TCP_SEG 1024

#define TCP_MSS 1460
#define TCP_WND (8 * TCP_MSS)
#define TCP_SND_BUF (16 * TCP_MSS)
#define TCP_SND_QUEUELEN 64
#define TCP_LISTEN_BACKLOG 1
#define TCP_OOSEQ_MAX_BYTES TCP_WND
#define TCP_OOSEQ_MAX_PBUFS 8

// Whose checksums are made and looked at depends on what the backend can do, and on the packet.
#define LWIP_CHECKSUM_CTRL_PER_NETIF 1
#define LWIP_NETIF_HOSTNAME 1

#define LWIP_STATS 1
#define LWIP_STATS_LARGE 1
#define LWIP_STATS_DISPLAY 0

#define LWIP_HOOK_FILENAME "frontends/lwip/hooks.h"
