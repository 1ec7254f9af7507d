// Compares our wire ABI with the public headers of Debian's libxen-dev 4.17: what frontends and backends share:
// rings, block, network, console, the store.
#include <gtest/gtest.h>

#include "hypervisor/abi/io/blkif.hpp"
#include "hypervisor/abi/io/console.hpp"
#include "hypervisor/abi/io/netif.hpp"
#include "hypervisor/abi/io/ring.hpp"
#include "hypervisor/abi/io/xenbus.hpp"
#include "hypervisor/abi/io/xs_wire.hpp"
#include "tests/unit/abi/same.hpp"

#include <xen/xen.h>

#include <xen/io/blkif.h>
#include <xen/io/console.h>
#include <xen/io/netif.h>
#include <xen/io/protocols.h>
#include <xen/io/ring.h>
#include <xen/io/xenbus.h>
#include <xen/io/xs_wire.h>

using namespace xylem::abi;
using namespace xylem::abi::io;

namespace {

TEST(IoBlkif, StructsHaveXensSizesAndOffsets)
{
    SAME_STRUCT(BlkifRequestSegment, struct blkif_request_segment, gref, first_sect, last_sect);
    SAME_STRUCT(BlkifRequest, struct blkif_request, operation, nr_segments, handle, id, sector_number, seg);
    SAME_STRUCT(BlkifRequestDiscard, struct blkif_request_discard, operation, flag, handle, id, sector_number,
                nr_sectors);
    SAME_STRUCT(BlkifRequestIndirect, struct blkif_request_indirect, operation, indirect_op, nr_segments, id,
                sector_number, handle, indirect_grefs);
    SAME_STRUCT(BlkifResponse, struct blkif_response, id, operation, status);
}

TEST(IoBlkif, NumbersAreXens)
{
    SAME_NUMBER(BlkifOp::read, BLKIF_OP_READ);
    SAME_NUMBER(BlkifOp::write, BLKIF_OP_WRITE);
    SAME_NUMBER(BlkifOp::write_barrier, BLKIF_OP_WRITE_BARRIER);
    SAME_NUMBER(BlkifOp::flush_diskcache, BLKIF_OP_FLUSH_DISKCACHE);
    SAME_NUMBER(BlkifOp::discard, BLKIF_OP_DISCARD);
    SAME_NUMBER(BlkifOp::indirect, BLKIF_OP_INDIRECT);
    SAME_NUMBER(BlkifStatus::okay, BLKIF_RSP_OKAY);
    SAME_NUMBER(BlkifStatus::error, BLKIF_RSP_ERROR);
    SAME_NUMBER(BlkifStatus::eopnotsupp, BLKIF_RSP_EOPNOTSUPP);
    SAME_NUMBER(blkif_max_segments_per_request, BLKIF_MAX_SEGMENTS_PER_REQUEST);
    SAME_NUMBER(blkif_max_indirect_pages_per_request, BLKIF_MAX_INDIRECT_PAGES_PER_REQUEST);
    SAME_NUMBER(blkif_discard_secure, BLKIF_DISCARD_SECURE);
    SAME_NUMBER(vdisk_cdrom, VDISK_CDROM);
    SAME_NUMBER(vdisk_removable, VDISK_REMOVABLE);
    SAME_NUMBER(vdisk_readonly, VDISK_READONLY);
}

TEST(IoNetif, StructsHaveXensSizesAndOffsets)
{
    SAME_STRUCT(NetifTxRequest, struct netif_tx_request, gref, offset, flags, id, size);
    SAME_STRUCT(NetifTxResponse, struct netif_tx_response, id, status);
    SAME_STRUCT(NetifExtraInfo, struct netif_extra_info, type, flags, u, u.gso, u.gso.size, u.gso.type, u.gso.features,
                u.mcast, u.mcast.addr, u.hash, u.hash.type, u.hash.algorithm, u.hash.value);
    SAME_STRUCT(NetifRxRequest, struct netif_rx_request, id, gref);
    SAME_STRUCT(NetifRxResponse, struct netif_rx_response, id, offset, flags, status);
    SAME_STRUCT(NetifCtrlRequest, struct xen_netif_ctrl_request, id, type, data);
    SAME_STRUCT(NetifCtrlResponse, struct xen_netif_ctrl_response, id, type, status, data);
}

TEST(IoNetif, NumbersAreXens)
{
    SAME_NUMBER(NetifStatus::okay, NETIF_RSP_OKAY);
    SAME_NUMBER(NetifStatus::error, NETIF_RSP_ERROR);
    SAME_NUMBER(NetifStatus::dropped, NETIF_RSP_DROPPED);
    SAME_NUMBER(NetifStatus::null, NETIF_RSP_NULL);
    SAME_NUMBER(NetifExtraType::none, XEN_NETIF_EXTRA_TYPE_NONE);
    SAME_NUMBER(NetifExtraType::gso, XEN_NETIF_EXTRA_TYPE_GSO);
    SAME_NUMBER(NetifExtraType::mcast_add, XEN_NETIF_EXTRA_TYPE_MCAST_ADD);
    SAME_NUMBER(NetifExtraType::mcast_del, XEN_NETIF_EXTRA_TYPE_MCAST_DEL);
    SAME_NUMBER(NetifExtraType::hash, XEN_NETIF_EXTRA_TYPE_HASH);
    SAME_NUMBER(NetifGsoType::none, XEN_NETIF_GSO_TYPE_NONE);
    SAME_NUMBER(NetifGsoType::tcpv4, XEN_NETIF_GSO_TYPE_TCPV4);
    SAME_NUMBER(NetifGsoType::tcpv6, XEN_NETIF_GSO_TYPE_TCPV6);
    SAME_NUMBER(NetifCtrlType::invalid, XEN_NETIF_CTRL_TYPE_INVALID);
    SAME_NUMBER(NetifCtrlType::get_hash_flags, XEN_NETIF_CTRL_TYPE_GET_HASH_FLAGS);
    SAME_NUMBER(NetifCtrlType::set_hash_flags, XEN_NETIF_CTRL_TYPE_SET_HASH_FLAGS);
    SAME_NUMBER(NetifCtrlType::set_hash_key, XEN_NETIF_CTRL_TYPE_SET_HASH_KEY);
    SAME_NUMBER(NetifCtrlType::get_hash_mapping_size, XEN_NETIF_CTRL_TYPE_GET_HASH_MAPPING_SIZE);
    SAME_NUMBER(NetifCtrlType::set_hash_mapping_size, XEN_NETIF_CTRL_TYPE_SET_HASH_MAPPING_SIZE);
    SAME_NUMBER(NetifCtrlType::set_hash_mapping, XEN_NETIF_CTRL_TYPE_SET_HASH_MAPPING);
    SAME_NUMBER(NetifCtrlType::set_hash_algorithm, XEN_NETIF_CTRL_TYPE_SET_HASH_ALGORITHM);
    SAME_NUMBER(NetifCtrlType::get_gref_mapping_size, XEN_NETIF_CTRL_TYPE_GET_GREF_MAPPING_SIZE);
    SAME_NUMBER(NetifCtrlType::add_gref_mapping, XEN_NETIF_CTRL_TYPE_ADD_GREF_MAPPING);
    SAME_NUMBER(NetifCtrlType::del_gref_mapping, XEN_NETIF_CTRL_TYPE_DEL_GREF_MAPPING);
    SAME_NUMBER(NetifCtrlStatus::success, XEN_NETIF_CTRL_STATUS_SUCCESS);
    SAME_NUMBER(NetifCtrlStatus::not_supported, XEN_NETIF_CTRL_STATUS_NOT_SUPPORTED);
    SAME_NUMBER(NetifCtrlStatus::invalid_parameter, XEN_NETIF_CTRL_STATUS_INVALID_PARAMETER);
    SAME_NUMBER(NetifCtrlStatus::buffer_overflow, XEN_NETIF_CTRL_STATUS_BUFFER_OVERFLOW);
    SAME_NUMBER(netif_nr_slots_min, XEN_NETIF_NR_SLOTS_MIN);
    SAME_NUMBER(netif_max_tx_size, XEN_NETIF_MAX_TX_SIZE);
    SAME_NUMBER(nettxf_csum_blank, NETTXF_csum_blank);
    SAME_NUMBER(nettxf_data_validated, NETTXF_data_validated);
    SAME_NUMBER(nettxf_more_data, NETTXF_more_data);
    SAME_NUMBER(nettxf_extra_info, NETTXF_extra_info);
    SAME_NUMBER(netif_extra_type_max, XEN_NETIF_EXTRA_TYPE_MAX);
    SAME_NUMBER(netif_extra_flag_more, XEN_NETIF_EXTRA_FLAG_MORE);
    SAME_NUMBER(netrxf_data_validated, NETRXF_data_validated);
    SAME_NUMBER(netrxf_csum_blank, NETRXF_csum_blank);
    SAME_NUMBER(netrxf_more_data, NETRXF_more_data);
    SAME_NUMBER(netrxf_extra_info, NETRXF_extra_info);
    SAME_NUMBER(netrxf_gso_prefix, NETRXF_gso_prefix);
}

TEST(IoConsole, StructsHaveXensSizesAndOffsets)
{
    SAME_STRUCT(ConsoleInterface, struct xencons_interface, in, out, in_cons, in_prod, out_cons, out_prod);
}

TEST(IoXenbus, NumbersAreXens)
{
    SAME_NUMBER(xylem::abi::io::XenbusState::unknown, XenbusStateUnknown);
    SAME_NUMBER(xylem::abi::io::XenbusState::initialising, XenbusStateInitialising);
    SAME_NUMBER(xylem::abi::io::XenbusState::init_wait, XenbusStateInitWait);
    SAME_NUMBER(xylem::abi::io::XenbusState::initialised, XenbusStateInitialised);
    SAME_NUMBER(xylem::abi::io::XenbusState::connected, XenbusStateConnected);
    SAME_NUMBER(xylem::abi::io::XenbusState::closing, XenbusStateClosing);
    SAME_NUMBER(xylem::abi::io::XenbusState::closed, XenbusStateClosed);
    SAME_NUMBER(xylem::abi::io::XenbusState::reconfiguring, XenbusStateReconfiguring);
    SAME_NUMBER(xylem::abi::io::XenbusState::reconfigured, XenbusStateReconfigured);
}

TEST(IoXsWire, StructsHaveXensSizesAndOffsets)
{
    SAME_STRUCT(XsMessageHeader, struct xsd_sockmsg, type, req_id, tx_id, len);
    SAME_STRUCT(XenstoreDomainInterface, struct xenstore_domain_interface, req, rsp, req_cons, req_prod, rsp_cons,
                rsp_prod, server_features, connection, error);
}

TEST(IoXsWire, NumbersAreXens)
{
    SAME_NUMBER(XsMessageType::control, XS_CONTROL);
    SAME_NUMBER(XsMessageType::directory, XS_DIRECTORY);
    SAME_NUMBER(XsMessageType::read, XS_READ);
    SAME_NUMBER(XsMessageType::get_perms, XS_GET_PERMS);
    SAME_NUMBER(XsMessageType::watch, XS_WATCH);
    SAME_NUMBER(XsMessageType::unwatch, XS_UNWATCH);
    SAME_NUMBER(XsMessageType::transaction_start, XS_TRANSACTION_START);
    SAME_NUMBER(XsMessageType::transaction_end, XS_TRANSACTION_END);
    SAME_NUMBER(XsMessageType::introduce, XS_INTRODUCE);
    SAME_NUMBER(XsMessageType::release, XS_RELEASE);
    SAME_NUMBER(XsMessageType::get_domain_path, XS_GET_DOMAIN_PATH);
    SAME_NUMBER(XsMessageType::write, XS_WRITE);
    SAME_NUMBER(XsMessageType::mkdir, XS_MKDIR);
    SAME_NUMBER(XsMessageType::rm, XS_RM);
    SAME_NUMBER(XsMessageType::set_perms, XS_SET_PERMS);
    SAME_NUMBER(XsMessageType::watch_event, XS_WATCH_EVENT);
    SAME_NUMBER(XsMessageType::error, XS_ERROR);
    SAME_NUMBER(XsMessageType::is_domain_introduced, XS_IS_DOMAIN_INTRODUCED);
    SAME_NUMBER(XsMessageType::resume, XS_RESUME);
    SAME_NUMBER(XsMessageType::set_target, XS_SET_TARGET);
    SAME_NUMBER(XsMessageType::reset_watches, XS_RESET_WATCHES);
    SAME_NUMBER(XsMessageType::directory_part, XS_DIRECTORY_PART);
    SAME_NUMBER(XsMessageType::invalid, XS_INVALID);
    SAME_NUMBER(xs_type_count, XS_TYPE_COUNT);
    SAME_NUMBER(xenstore_payload_max, XENSTORE_PAYLOAD_MAX);
    SAME_NUMBER(xenstore_abs_path_max, XENSTORE_ABS_PATH_MAX);
    SAME_NUMBER(xenstore_rel_path_max, XENSTORE_REL_PATH_MAX);
    SAME_NUMBER(xenstore_ring_size, XENSTORE_RING_SIZE);
    SAME_NUMBER(xenstore_server_feature_reconnection, XENSTORE_SERVER_FEATURE_RECONNECTION);
    SAME_NUMBER(xenstore_server_feature_error, XENSTORE_SERVER_FEATURE_ERROR);
    SAME_NUMBER(xenstore_connected, XENSTORE_CONNECTED);
    SAME_NUMBER(xenstore_reconnect, XENSTORE_RECONNECT);
    SAME_NUMBER(xenstore_error_none, XENSTORE_ERROR_NONE);
    SAME_NUMBER(xenstore_error_comm, XENSTORE_ERROR_COMM);
    SAME_NUMBER(xenstore_error_ringidx, XENSTORE_ERROR_RINGIDX);
    SAME_NUMBER(xenstore_error_proto, XENSTORE_ERROR_PROTO);
    SAME_NUMBER(xs_watch_path, XS_WATCH_PATH);
    SAME_NUMBER(xs_watch_token, XS_WATCH_TOKEN);
}

}
