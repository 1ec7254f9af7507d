// Compares our wire ABI with the public headers of Debian's libxen-dev 4.17: what domains share with one another:
// event channels and grant tables.
#include <gtest/gtest.h>

#include "hypervisor/abi/event_channel.hpp"
#include "hypervisor/abi/grant_table.hpp"
#include "tests/unit/abi/same.hpp"

#include <xen/xen.h>

#include <xen/arch-x86/xen-mca.h>
#include <xen/event_channel.h>
#include <xen/grant_table.h>

using namespace xylem::abi;

namespace {

TEST(EventChannel, StructsHaveXensSizesAndOffsets)
{
    SAME_STRUCT(EvtchnAllocUnbound, struct evtchn_alloc_unbound, dom, remote_dom, port);
    SAME_STRUCT(EvtchnBindInterdomain, struct evtchn_bind_interdomain, remote_dom, remote_port, local_port);
    SAME_STRUCT(EvtchnBindVirq, struct evtchn_bind_virq, virq, vcpu, port);
    SAME_STRUCT(EvtchnBindPirq, struct evtchn_bind_pirq, pirq, flags, port);
    SAME_STRUCT(EvtchnBindIpi, struct evtchn_bind_ipi, vcpu, port);
    SAME_STRUCT(EvtchnClose, struct evtchn_close, port);
    SAME_STRUCT(EvtchnSend, struct evtchn_send, port);
    SAME_STRUCT(EvtchnStatus, struct evtchn_status, dom, port, status, vcpu, u, u.unbound, u.unbound.dom, u.interdomain,
                u.interdomain.dom, u.interdomain.port, u.pirq, u.virq);
    SAME_STRUCT(EvtchnBindVcpu, struct evtchn_bind_vcpu, port, vcpu);
    SAME_STRUCT(EvtchnUnmask, struct evtchn_unmask, port);
    SAME_STRUCT(EvtchnReset, struct evtchn_reset, dom);
    SAME_STRUCT(EvtchnInitControl, struct evtchn_init_control, control_gfn, offset, vcpu, link_bits);
    SAME_STRUCT(EvtchnExpandArray, struct evtchn_expand_array, array_gfn);
    SAME_STRUCT(EvtchnSetPriority, struct evtchn_set_priority, port, priority);
    SAME_STRUCT(EvtchnOpCompat, struct evtchn_op, cmd, u, u.alloc_unbound, u.bind_interdomain, u.bind_virq, u.bind_pirq,
                u.bind_ipi, u.close, u.send, u.status, u.bind_vcpu, u.unmask);
    SAME_STRUCT(EvtchnFifoControlBlock, struct evtchn_fifo_control_block, ready, head);
}

TEST(EventChannel, NumbersAreXens)
{
    SAME_NUMBER(Virq::timer, VIRQ_TIMER);
    SAME_NUMBER(Virq::debug, VIRQ_DEBUG);
    SAME_NUMBER(Virq::console, VIRQ_CONSOLE);
    SAME_NUMBER(Virq::dom_exc, VIRQ_DOM_EXC);
    SAME_NUMBER(Virq::tbuf, VIRQ_TBUF);
    SAME_NUMBER(Virq::debugger, VIRQ_DEBUGGER);
    SAME_NUMBER(Virq::xenoprof, VIRQ_XENOPROF);
    SAME_NUMBER(Virq::con_ring, VIRQ_CON_RING);
    SAME_NUMBER(Virq::pcpu_state, VIRQ_PCPU_STATE);
    SAME_NUMBER(Virq::mem_event, VIRQ_MEM_EVENT);
    SAME_NUMBER(Virq::argo, VIRQ_ARGO);
    SAME_NUMBER(Virq::enomem, VIRQ_ENOMEM);
    SAME_NUMBER(Virq::xenpmu, VIRQ_XENPMU);
    SAME_NUMBER(Virq::mca, VIRQ_MCA);
    SAME_NUMBER(Virq::arch_1, VIRQ_ARCH_1);
    SAME_NUMBER(Virq::arch_2, VIRQ_ARCH_2);
    SAME_NUMBER(Virq::arch_3, VIRQ_ARCH_3);
    SAME_NUMBER(Virq::arch_4, VIRQ_ARCH_4);
    SAME_NUMBER(Virq::arch_5, VIRQ_ARCH_5);
    SAME_NUMBER(Virq::arch_6, VIRQ_ARCH_6);
    SAME_NUMBER(Virq::arch_7, VIRQ_ARCH_7);
    SAME_NUMBER(EvtchnCmd::bind_interdomain, EVTCHNOP_bind_interdomain);
    SAME_NUMBER(EvtchnCmd::bind_virq, EVTCHNOP_bind_virq);
    SAME_NUMBER(EvtchnCmd::bind_pirq, EVTCHNOP_bind_pirq);
    SAME_NUMBER(EvtchnCmd::close, EVTCHNOP_close);
    SAME_NUMBER(EvtchnCmd::send, EVTCHNOP_send);
    SAME_NUMBER(EvtchnCmd::status, EVTCHNOP_status);
    SAME_NUMBER(EvtchnCmd::alloc_unbound, EVTCHNOP_alloc_unbound);
    SAME_NUMBER(EvtchnCmd::bind_ipi, EVTCHNOP_bind_ipi);
    SAME_NUMBER(EvtchnCmd::bind_vcpu, EVTCHNOP_bind_vcpu);
    SAME_NUMBER(EvtchnCmd::unmask, EVTCHNOP_unmask);
    SAME_NUMBER(EvtchnCmd::reset, EVTCHNOP_reset);
    SAME_NUMBER(EvtchnCmd::init_control, EVTCHNOP_init_control);
    SAME_NUMBER(EvtchnCmd::expand_array, EVTCHNOP_expand_array);
    SAME_NUMBER(EvtchnCmd::set_priority, EVTCHNOP_set_priority);
    SAME_NUMBER(EvtchnStat::closed, EVTCHNSTAT_closed);
    SAME_NUMBER(EvtchnStat::unbound, EVTCHNSTAT_unbound);
    SAME_NUMBER(EvtchnStat::interdomain, EVTCHNSTAT_interdomain);
    SAME_NUMBER(EvtchnStat::pirq, EVTCHNSTAT_pirq);
    SAME_NUMBER(EvtchnStat::virq, EVTCHNSTAT_virq);
    SAME_NUMBER(EvtchnStat::ipi, EVTCHNSTAT_ipi);
    SAME_NUMBER(nr_virqs, NR_VIRQS);
    SAME_NUMBER(bind_pirq_will_share, BIND_PIRQ__WILL_SHARE);
    SAME_NUMBER(evtchn_2l_nr_channels, EVTCHN_2L_NR_CHANNELS);
    SAME_NUMBER(evtchn_fifo_priority_max, EVTCHN_FIFO_PRIORITY_MAX);
    SAME_NUMBER(evtchn_fifo_priority_default, EVTCHN_FIFO_PRIORITY_DEFAULT);
    SAME_NUMBER(evtchn_fifo_priority_min, EVTCHN_FIFO_PRIORITY_MIN);
    SAME_NUMBER(evtchn_fifo_max_queues, EVTCHN_FIFO_MAX_QUEUES);
    SAME_NUMBER(evtchn_fifo_pending, EVTCHN_FIFO_PENDING);
    SAME_NUMBER(evtchn_fifo_masked, EVTCHN_FIFO_MASKED);
    SAME_NUMBER(evtchn_fifo_linked, EVTCHN_FIFO_LINKED);
    SAME_NUMBER(evtchn_fifo_busy, EVTCHN_FIFO_BUSY);
    SAME_NUMBER(evtchn_fifo_link_bits, EVTCHN_FIFO_LINK_BITS);
    SAME_NUMBER(evtchn_fifo_link_mask, EVTCHN_FIFO_LINK_MASK);
    SAME_NUMBER(evtchn_fifo_nr_channels, EVTCHN_FIFO_NR_CHANNELS);
}

TEST(GrantTable, StructsHaveXensSizesAndOffsets)
{
    SAME_STRUCT(GrantEntryV1, struct grant_entry_v1, flags, domid, frame);
    SAME_STRUCT(GrantEntryHeader, struct grant_entry_header, flags, domid);
    SAME_STRUCT(GrantEntryV2, union grant_entry_v2, hdr, full_page, full_page.hdr, full_page.frame, sub_page,
                sub_page.hdr, sub_page.page_off, sub_page.length, sub_page.frame, transitive, transitive.hdr,
                transitive.trans_domid, transitive.gref);
    SAME_STRUCT(GnttabMapGrantRef, struct gnttab_map_grant_ref, host_addr, flags, ref, dom, status, handle,
                dev_bus_addr);
    SAME_STRUCT(GnttabUnmapGrantRef, struct gnttab_unmap_grant_ref, host_addr, dev_bus_addr, handle, status);
    SAME_STRUCT(GnttabSetupTable, struct gnttab_setup_table, dom, nr_frames, status, frame_list);
    SAME_STRUCT(GnttabDumpTable, struct gnttab_dump_table, dom, status);
    SAME_STRUCT(GnttabTransfer, struct gnttab_transfer, mfn, domid, ref, status);
    SAME_STRUCT(GnttabCopy, struct gnttab_copy, source, source.u, source.u.ref, source.u.gmfn, source.domid,
                source.offset, dest, dest.u, dest.u.ref, dest.u.gmfn, dest.domid, dest.offset, len, flags, status);
    SAME_STRUCT(GnttabQuerySize, struct gnttab_query_size, dom, nr_frames, max_nr_frames, status);
    SAME_STRUCT(GnttabUnmapAndReplace, struct gnttab_unmap_and_replace, host_addr, new_addr, handle, status);
    SAME_STRUCT(GnttabSetVersion, struct gnttab_set_version, version);
    SAME_STRUCT(GnttabGetStatusFrames, struct gnttab_get_status_frames, nr_frames, dom, status, frame_list);
    SAME_STRUCT(GnttabGetVersion, struct gnttab_get_version, dom, version);
    SAME_STRUCT(GnttabSwapGrantRef, struct gnttab_swap_grant_ref, ref_a, ref_b, status);
    SAME_STRUCT(GnttabCacheFlush, struct gnttab_cache_flush, a, a.dev_bus_addr, a.ref, offset, length, op);
}

TEST(GrantTable, NumbersAreXens)
{
    SAME_NUMBER(GnttabCmd::map_grant_ref, GNTTABOP_map_grant_ref);
    SAME_NUMBER(GnttabCmd::unmap_grant_ref, GNTTABOP_unmap_grant_ref);
    SAME_NUMBER(GnttabCmd::setup_table, GNTTABOP_setup_table);
    SAME_NUMBER(GnttabCmd::dump_table, GNTTABOP_dump_table);
    SAME_NUMBER(GnttabCmd::transfer, GNTTABOP_transfer);
    SAME_NUMBER(GnttabCmd::copy, GNTTABOP_copy);
    SAME_NUMBER(GnttabCmd::query_size, GNTTABOP_query_size);
    SAME_NUMBER(GnttabCmd::unmap_and_replace, GNTTABOP_unmap_and_replace);
    SAME_NUMBER(GnttabCmd::set_version, GNTTABOP_set_version);
    SAME_NUMBER(GnttabCmd::get_status_frames, GNTTABOP_get_status_frames);
    SAME_NUMBER(GnttabCmd::get_version, GNTTABOP_get_version);
    SAME_NUMBER(GnttabCmd::swap_grant_ref, GNTTABOP_swap_grant_ref);
    SAME_NUMBER(GnttabCmd::cache_flush, GNTTABOP_cache_flush);
    SAME_NUMBER(GnttabStatus::okay, GNTST_okay);
    SAME_NUMBER(GnttabStatus::general_error, GNTST_general_error);
    SAME_NUMBER(GnttabStatus::bad_domain, GNTST_bad_domain);
    SAME_NUMBER(GnttabStatus::bad_gntref, GNTST_bad_gntref);
    SAME_NUMBER(GnttabStatus::bad_handle, GNTST_bad_handle);
    SAME_NUMBER(GnttabStatus::bad_virt_addr, GNTST_bad_virt_addr);
    SAME_NUMBER(GnttabStatus::bad_dev_addr, GNTST_bad_dev_addr);
    SAME_NUMBER(GnttabStatus::no_device_space, GNTST_no_device_space);
    SAME_NUMBER(GnttabStatus::permission_denied, GNTST_permission_denied);
    SAME_NUMBER(GnttabStatus::bad_page, GNTST_bad_page);
    SAME_NUMBER(GnttabStatus::bad_copy_arg, GNTST_bad_copy_arg);
    SAME_NUMBER(GnttabStatus::address_too_big, GNTST_address_too_big);
    SAME_NUMBER(GnttabStatus::eagain, GNTST_eagain);
    SAME_NUMBER(GnttabStatus::no_space, GNTST_no_space);
    SAME_NUMBER(grant_nr_reserved_entries, GNTTAB_NR_RESERVED_ENTRIES);
    SAME_NUMBER(grant_reserved_console, GNTTAB_RESERVED_CONSOLE);
    SAME_NUMBER(grant_reserved_xenstore, GNTTAB_RESERVED_XENSTORE);
    SAME_NUMBER(gtf_invalid, GTF_invalid);
    SAME_NUMBER(gtf_permit_access, GTF_permit_access);
    SAME_NUMBER(gtf_accept_transfer, GTF_accept_transfer);
    SAME_NUMBER(gtf_transitive, GTF_transitive);
    SAME_NUMBER(gtf_type_mask, GTF_type_mask);
    SAME_NUMBER(gtf_readonly, GTF_readonly);
    SAME_NUMBER(gtf_reading, GTF_reading);
    SAME_NUMBER(gtf_writing, GTF_writing);
    SAME_NUMBER(gtf_pwt, GTF_PWT);
    SAME_NUMBER(gtf_pcd, GTF_PCD);
    SAME_NUMBER(gtf_pat, GTF_PAT);
    SAME_NUMBER(gtf_sub_page, GTF_sub_page);
    SAME_NUMBER(gtf_transfer_committed, GTF_transfer_committed);
    SAME_NUMBER(gtf_transfer_completed, GTF_transfer_completed);
    SAME_NUMBER(gntmap_device_map, GNTMAP_device_map);
    SAME_NUMBER(gntmap_host_map, GNTMAP_host_map);
    SAME_NUMBER(gntmap_readonly, GNTMAP_readonly);
    SAME_NUMBER(gntmap_application_map, GNTMAP_application_map);
    SAME_NUMBER(gntmap_contains_pte, GNTMAP_contains_pte);
    SAME_NUMBER(gntmap_guest_avail0, _GNTMAP_guest_avail0);
    SAME_NUMBER(gntmap_guest_avail_mask, GNTMAP_guest_avail_mask);
    SAME_NUMBER(gntcopy_source_gref, GNTCOPY_source_gref);
    SAME_NUMBER(gntcopy_dest_gref, GNTCOPY_dest_gref);
    SAME_NUMBER(gnttab_cache_clean, GNTTAB_CACHE_CLEAN);
    SAME_NUMBER(gnttab_cache_inval, GNTTAB_CACHE_INVAL);
    SAME_NUMBER(gnttab_cache_source_gref, GNTTAB_CACHE_SOURCE_GREF);
}

}
