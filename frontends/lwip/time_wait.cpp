// A connection that begins where another has ended. Who closes first keeps the connection for two minutes, so that
// nothing late of it is taken for another's; a server mostly is who closes. lwIP holds a client off that comes from the
// same port meanwhile, for longer than most clients try. But a sequence number that is ahead of the old connection's
// last tells that nothing late is meant (RFC 1122 4.2.2.13), and clients choose it so.

#include "frontends/lwip/hooks.h"

#include <lwip/priv/tcp_priv.h>

/// The old connection goes, and this segment with it: the client's next attempt, a second later, finds the port open.
extern "C" err_t xylem_lwip_segment(tcp_pcb* pcb, const tcp_hdr* header)
{
    const bool begins = (TCPH_FLAGS(header) & (TCP_SYN | TCP_ACK | TCP_RST)) == TCP_SYN;
    if (pcb->state != TIME_WAIT || !begins || !TCP_SEQ_GT(header->seqno, pcb->rcv_nxt))
        return ERR_OK;
    tcp_abort(pcb);
    return ERR_ABRT;
}
