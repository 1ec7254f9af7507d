// Compares our wire ABI with the public headers of Debian's libxen-dev 4.17: what tools and the control domain speak:
// domctl, sysctl, platform_op, mca, hypfs.
#include <gtest/gtest.h>

#include "hypervisor/abi/domctl.hpp"
#include "hypervisor/abi/hypfs.hpp"
#include "hypervisor/abi/mca.hpp"
#include "hypervisor/abi/platform.hpp"
#include "hypervisor/abi/sysctl.hpp"
#include "tests/unit/abi/same.hpp"

#include <xen/xen.h>

#include <xen/arch-x86/xen-mca.h>
#include <xen/domctl.h>
#include <xen/hypfs.h>
#include <xen/platform.h>
#include <xen/sysctl.h>

using namespace xylem::abi;

namespace {

TEST(Domctl, StructsHaveXensSizesAndOffsets)
{
    SAME_STRUCT(ArchDomainConfig, struct xen_arch_domainconfig, emulation_flags, misc_flags);
    SAME_STRUCT(DomctlCreatedomain, struct xen_domctl_createdomain, ssidref, handle, flags, iommu_opts, max_vcpus,
                max_evtchn_port, max_grant_frames, max_maptrack_frames, grant_opts, vmtrace_size, cpupool_id, arch);
    SAME_STRUCT(DomctlGetdomaininfo, struct xen_domctl_getdomaininfo, domain, flags, tot_pages, max_pages,
                outstanding_pages, shr_pages, paged_pages, shared_info_frame, cpu_time, nr_online_vcpus, max_vcpu_id,
                ssidref, handle, cpupool, gpaddr_bits, arch_config);
    SAME_STRUCT(DomctlGetpageframeinfo3, struct xen_domctl_getpageframeinfo3, num, array);
    SAME_STRUCT(DomctlShadowOp, struct xen_domctl_shadow_op, op, mode, mb, dirty_bitmap, pages, stats,
                stats.fault_count, stats.dirty_count);
    SAME_STRUCT(DomctlMaxMem, struct xen_domctl_max_mem, max_memkb);
    SAME_STRUCT(DomctlVcpucontext, struct xen_domctl_vcpucontext, vcpu, ctxt);
    SAME_STRUCT(DomctlGetvcpuinfo, struct xen_domctl_getvcpuinfo, vcpu, online, blocked, running, cpu_time, cpu);
    SAME_STRUCT(DomctlNodeaffinity, struct xen_domctl_nodeaffinity, nodemap);
    SAME_STRUCT(DomctlVcpuaffinity, struct xen_domctl_vcpuaffinity, vcpu, flags, cpumap_hard, cpumap_soft);
    SAME_STRUCT(DomctlMaxVcpus, struct xen_domctl_max_vcpus, max);
    SAME_STRUCT(DomctlSchedCredit, struct xen_domctl_sched_credit, weight, cap);
    SAME_STRUCT(DomctlSchedRtds, struct xen_domctl_sched_rtds, period, budget, flags);
    SAME_STRUCT(DomctlSchedparamVcpu, struct xen_domctl_schedparam_vcpu, u, u.credit, u.credit2, u.rtds, vcpuid);
    SAME_STRUCT(DomctlSchedulerOp, struct xen_domctl_scheduler_op, sched_id, cmd, u, u.credit, u.credit2, u.rtds, u.v,
                u.v.vcpus, u.v.nr_vcpus, u.v.padding);
    SAME_STRUCT(DomctlSetdomainhandle, struct xen_domctl_setdomainhandle, handle);
    SAME_STRUCT(DomctlSetdebugging, struct xen_domctl_setdebugging, enable);
    SAME_STRUCT(DomctlIrqPermission, struct xen_domctl_irq_permission, pirq, allow_access);
    SAME_STRUCT(DomctlIomemPermission, struct xen_domctl_iomem_permission, first_mfn, nr_mfns, allow_access);
    SAME_STRUCT(DomctlIoportPermission, struct xen_domctl_ioport_permission, first_port, nr_ports, allow_access);
    SAME_STRUCT(DomctlHypercallInit, struct xen_domctl_hypercall_init, gmfn);
    SAME_STRUCT(DomctlSettimeoffset, struct xen_domctl_settimeoffset, time_offset_seconds);
    SAME_STRUCT(DomctlHvmcontext, struct xen_domctl_hvmcontext, size, buffer);
    SAME_STRUCT(DomctlAddressSize, struct xen_domctl_address_size, size);
    SAME_STRUCT(DomctlSendtrigger, struct xen_domctl_sendtrigger, trigger, vcpu);
    SAME_STRUCT(DomctlExtVcpucontext, struct xen_domctl_ext_vcpucontext, vcpu, size, syscall32_callback_eip,
                sysenter_callback_eip, syscall32_callback_cs, sysenter_callback_cs, syscall32_disables_events,
                sysenter_disables_events, vmce, vmce.caps, vmce.mci_ctl2_bank0, vmce.mci_ctl2_bank1, vmce.mcg_ext_ctl);
    SAME_STRUCT(DomctlSetTarget, struct xen_domctl_set_target, target);
    SAME_STRUCT(DomctlCpuPolicy, struct xen_domctl_cpu_policy, nr_leaves, nr_msrs, leaves, msrs, err_leaf, err_subleaf,
                err_msr);
    SAME_STRUCT(DomctlSubscribe, struct xen_domctl_subscribe, port);
    SAME_STRUCT(DomctlDebugOp, struct xen_domctl_debug_op, op, vcpu);
    SAME_STRUCT(DomctlTscInfo, struct xen_domctl_tsc_info, tsc_mode, gtsc_khz, incarnation, elapsed_nsec);
    SAME_STRUCT(DomctlSetVirqHandler, struct xen_domctl_set_virq_handler, virq);
    SAME_STRUCT(DomctlVcpuextstate, struct xen_domctl_vcpuextstate, vcpu, xfeature_mask, size, buffer);
    SAME_STRUCT(DomctlCacheflush, struct xen_domctl_cacheflush, start_pfn, nr_pfns);
    SAME_STRUCT(DomctlPagingMempool, struct xen_domctl_paging_mempool, size);
    SAME_STRUCT(DomctlVcpuMsr, struct xen_domctl_vcpu_msr, index, reserved, value);
    SAME_STRUCT(DomctlVcpuMsrs, struct xen_domctl_vcpu_msrs, vcpu, msr_count, msrs);
    SAME_STRUCT(DomctlVnuma, struct xen_domctl_vnuma, nr_vnodes, nr_vmemranges, nr_vcpus, vdistance, vcpu_to_vnode,
                vnode_to_pnode, vmemrange);
    SAME_STRUCT(Domctl, struct xen_domctl, cmd, interface_version, domain, u, u.createdomain, u.getdomaininfo,
                u.getpageframeinfo3, u.nodeaffinity, u.vcpuaffinity, u.shadow_op, u.max_mem, u.vcpucontext,
                u.getvcpuinfo, u.max_vcpus, u.scheduler_op, u.setdomainhandle, u.setdebugging, u.irq_permission,
                u.iomem_permission, u.ioport_permission, u.hypercall_init, u.settimeoffset, u.tsc_info, u.hvmcontext,
                u.address_size, u.sendtrigger, u.ext_vcpucontext, u.set_target, u.subscribe, u.debug_op, u.cpu_policy,
                u.vcpuextstate, u.vcpu_msrs, u.set_virq_handler, u.cacheflush, u.vnuma, u.paging_mempool);
}

TEST(Domctl, NumbersAreXens)
{
    SAME_NUMBER(DomctlCmd::createdomain, XEN_DOMCTL_createdomain);
    SAME_NUMBER(DomctlCmd::destroydomain, XEN_DOMCTL_destroydomain);
    SAME_NUMBER(DomctlCmd::pausedomain, XEN_DOMCTL_pausedomain);
    SAME_NUMBER(DomctlCmd::unpausedomain, XEN_DOMCTL_unpausedomain);
    SAME_NUMBER(DomctlCmd::getdomaininfo, XEN_DOMCTL_getdomaininfo);
    SAME_NUMBER(DomctlCmd::setvcpuaffinity, XEN_DOMCTL_setvcpuaffinity);
    SAME_NUMBER(DomctlCmd::shadow_op, XEN_DOMCTL_shadow_op);
    SAME_NUMBER(DomctlCmd::max_mem, XEN_DOMCTL_max_mem);
    SAME_NUMBER(DomctlCmd::setvcpucontext, XEN_DOMCTL_setvcpucontext);
    SAME_NUMBER(DomctlCmd::getvcpucontext, XEN_DOMCTL_getvcpucontext);
    SAME_NUMBER(DomctlCmd::getvcpuinfo, XEN_DOMCTL_getvcpuinfo);
    SAME_NUMBER(DomctlCmd::max_vcpus, XEN_DOMCTL_max_vcpus);
    SAME_NUMBER(DomctlCmd::scheduler_op, XEN_DOMCTL_scheduler_op);
    SAME_NUMBER(DomctlCmd::setdomainhandle, XEN_DOMCTL_setdomainhandle);
    SAME_NUMBER(DomctlCmd::setdebugging, XEN_DOMCTL_setdebugging);
    SAME_NUMBER(DomctlCmd::irq_permission, XEN_DOMCTL_irq_permission);
    SAME_NUMBER(DomctlCmd::iomem_permission, XEN_DOMCTL_iomem_permission);
    SAME_NUMBER(DomctlCmd::ioport_permission, XEN_DOMCTL_ioport_permission);
    SAME_NUMBER(DomctlCmd::hypercall_init, XEN_DOMCTL_hypercall_init);
    SAME_NUMBER(DomctlCmd::settimeoffset, XEN_DOMCTL_settimeoffset);
    SAME_NUMBER(DomctlCmd::getvcpuaffinity, XEN_DOMCTL_getvcpuaffinity);
    SAME_NUMBER(DomctlCmd::resumedomain, XEN_DOMCTL_resumedomain);
    SAME_NUMBER(DomctlCmd::sendtrigger, XEN_DOMCTL_sendtrigger);
    SAME_NUMBER(DomctlCmd::subscribe, XEN_DOMCTL_subscribe);
    SAME_NUMBER(DomctlCmd::gethvmcontext, XEN_DOMCTL_gethvmcontext);
    SAME_NUMBER(DomctlCmd::sethvmcontext, XEN_DOMCTL_sethvmcontext);
    SAME_NUMBER(DomctlCmd::set_address_size, XEN_DOMCTL_set_address_size);
    SAME_NUMBER(DomctlCmd::get_address_size, XEN_DOMCTL_get_address_size);
    SAME_NUMBER(DomctlCmd::assign_device, XEN_DOMCTL_assign_device);
    SAME_NUMBER(DomctlCmd::bind_pt_irq, XEN_DOMCTL_bind_pt_irq);
    SAME_NUMBER(DomctlCmd::memory_mapping, XEN_DOMCTL_memory_mapping);
    SAME_NUMBER(DomctlCmd::ioport_mapping, XEN_DOMCTL_ioport_mapping);
    SAME_NUMBER(DomctlCmd::set_ext_vcpucontext, XEN_DOMCTL_set_ext_vcpucontext);
    SAME_NUMBER(DomctlCmd::get_ext_vcpucontext, XEN_DOMCTL_get_ext_vcpucontext);
    SAME_NUMBER(DomctlCmd::test_assign_device, XEN_DOMCTL_test_assign_device);
    SAME_NUMBER(DomctlCmd::set_target, XEN_DOMCTL_set_target);
    SAME_NUMBER(DomctlCmd::deassign_device, XEN_DOMCTL_deassign_device);
    SAME_NUMBER(DomctlCmd::unbind_pt_irq, XEN_DOMCTL_unbind_pt_irq);
    SAME_NUMBER(DomctlCmd::get_device_group, XEN_DOMCTL_get_device_group);
    SAME_NUMBER(DomctlCmd::debug_op, XEN_DOMCTL_debug_op);
    SAME_NUMBER(DomctlCmd::gethvmcontext_partial, XEN_DOMCTL_gethvmcontext_partial);
    SAME_NUMBER(DomctlCmd::vm_event_op, XEN_DOMCTL_vm_event_op);
    SAME_NUMBER(DomctlCmd::mem_sharing_op, XEN_DOMCTL_mem_sharing_op);
    SAME_NUMBER(DomctlCmd::gettscinfo, XEN_DOMCTL_gettscinfo);
    SAME_NUMBER(DomctlCmd::settscinfo, XEN_DOMCTL_settscinfo);
    SAME_NUMBER(DomctlCmd::getpageframeinfo3, XEN_DOMCTL_getpageframeinfo3);
    SAME_NUMBER(DomctlCmd::setvcpuextstate, XEN_DOMCTL_setvcpuextstate);
    SAME_NUMBER(DomctlCmd::getvcpuextstate, XEN_DOMCTL_getvcpuextstate);
    SAME_NUMBER(DomctlCmd::set_access_required, XEN_DOMCTL_set_access_required);
    SAME_NUMBER(DomctlCmd::audit_p2m, XEN_DOMCTL_audit_p2m);
    SAME_NUMBER(DomctlCmd::set_virq_handler, XEN_DOMCTL_set_virq_handler);
    SAME_NUMBER(DomctlCmd::set_broken_page_p2m, XEN_DOMCTL_set_broken_page_p2m);
    SAME_NUMBER(DomctlCmd::setnodeaffinity, XEN_DOMCTL_setnodeaffinity);
    SAME_NUMBER(DomctlCmd::getnodeaffinity, XEN_DOMCTL_getnodeaffinity);
    SAME_NUMBER(DomctlCmd::cacheflush, XEN_DOMCTL_cacheflush);
    SAME_NUMBER(DomctlCmd::get_vcpu_msrs, XEN_DOMCTL_get_vcpu_msrs);
    SAME_NUMBER(DomctlCmd::set_vcpu_msrs, XEN_DOMCTL_set_vcpu_msrs);
    SAME_NUMBER(DomctlCmd::setvnumainfo, XEN_DOMCTL_setvnumainfo);
    SAME_NUMBER(DomctlCmd::psr_cmt_op, XEN_DOMCTL_psr_cmt_op);
    SAME_NUMBER(DomctlCmd::monitor_op, XEN_DOMCTL_monitor_op);
    SAME_NUMBER(DomctlCmd::psr_alloc, XEN_DOMCTL_psr_alloc);
    SAME_NUMBER(DomctlCmd::soft_reset, XEN_DOMCTL_soft_reset);
    SAME_NUMBER(DomctlCmd::vuart_op, XEN_DOMCTL_vuart_op);
    SAME_NUMBER(DomctlCmd::get_cpu_policy, XEN_DOMCTL_get_cpu_policy);
    SAME_NUMBER(DomctlCmd::set_cpu_policy, XEN_DOMCTL_set_cpu_policy);
    SAME_NUMBER(DomctlCmd::vmtrace_op, XEN_DOMCTL_vmtrace_op);
    SAME_NUMBER(DomctlCmd::get_paging_mempool_size, XEN_DOMCTL_get_paging_mempool_size);
    SAME_NUMBER(DomctlCmd::set_paging_mempool_size, XEN_DOMCTL_set_paging_mempool_size);
    SAME_NUMBER(DomctlCmd::gdbsx_guestmemio, XEN_DOMCTL_gdbsx_guestmemio);
    SAME_NUMBER(DomctlCmd::gdbsx_pausevcpu, XEN_DOMCTL_gdbsx_pausevcpu);
    SAME_NUMBER(DomctlCmd::gdbsx_unpausevcpu, XEN_DOMCTL_gdbsx_unpausevcpu);
    SAME_NUMBER(DomctlCmd::gdbsx_domstatus, XEN_DOMCTL_gdbsx_domstatus);
    SAME_NUMBER(ShadowCmd::off, XEN_DOMCTL_SHADOW_OP_OFF);
    SAME_NUMBER(ShadowCmd::enable_test, XEN_DOMCTL_SHADOW_OP_ENABLE_TEST);
    SAME_NUMBER(ShadowCmd::enable_logdirty, XEN_DOMCTL_SHADOW_OP_ENABLE_LOGDIRTY);
    SAME_NUMBER(ShadowCmd::clean, XEN_DOMCTL_SHADOW_OP_CLEAN);
    SAME_NUMBER(ShadowCmd::peek, XEN_DOMCTL_SHADOW_OP_PEEK);
    SAME_NUMBER(ShadowCmd::get_allocation, XEN_DOMCTL_SHADOW_OP_GET_ALLOCATION);
    SAME_NUMBER(ShadowCmd::set_allocation, XEN_DOMCTL_SHADOW_OP_SET_ALLOCATION);
    SAME_NUMBER(ShadowCmd::enable, XEN_DOMCTL_SHADOW_OP_ENABLE);
    SAME_NUMBER(SchedulerId::credit, XEN_SCHEDULER_CREDIT);
    SAME_NUMBER(SchedulerId::credit2, XEN_SCHEDULER_CREDIT2);
    SAME_NUMBER(SchedulerId::arinc653, XEN_SCHEDULER_ARINC653);
    SAME_NUMBER(SchedulerId::rtds, XEN_SCHEDULER_RTDS);
    SAME_NUMBER(SchedulerId::null, XEN_SCHEDULER_NULL);
    SAME_NUMBER(DomctlSchedopCmd::putinfo, XEN_DOMCTL_SCHEDOP_putinfo);
    SAME_NUMBER(DomctlSchedopCmd::getinfo, XEN_DOMCTL_SCHEDOP_getinfo);
    SAME_NUMBER(DomctlSchedopCmd::putvcpuinfo, XEN_DOMCTL_SCHEDOP_putvcpuinfo);
    SAME_NUMBER(DomctlSchedopCmd::getvcpuinfo, XEN_DOMCTL_SCHEDOP_getvcpuinfo);
    SAME_NUMBER(TriggerType::nmi, XEN_DOMCTL_SENDTRIGGER_NMI);
    SAME_NUMBER(TriggerType::reset, XEN_DOMCTL_SENDTRIGGER_RESET);
    SAME_NUMBER(TriggerType::init, XEN_DOMCTL_SENDTRIGGER_INIT);
    SAME_NUMBER(TriggerType::power, XEN_DOMCTL_SENDTRIGGER_POWER);
    SAME_NUMBER(TriggerType::sleep, XEN_DOMCTL_SENDTRIGGER_SLEEP);
    SAME_NUMBER(domctl_interface_version, XEN_DOMCTL_INTERFACE_VERSION);
    SAME_NUMBER(x86_emu_lapic, XEN_X86_EMU_LAPIC);
    SAME_NUMBER(x86_emu_hpet, XEN_X86_EMU_HPET);
    SAME_NUMBER(x86_emu_pm, XEN_X86_EMU_PM);
    SAME_NUMBER(x86_emu_rtc, XEN_X86_EMU_RTC);
    SAME_NUMBER(x86_emu_ioapic, XEN_X86_EMU_IOAPIC);
    SAME_NUMBER(x86_emu_pic, XEN_X86_EMU_PIC);
    SAME_NUMBER(x86_emu_vga, XEN_X86_EMU_VGA);
    SAME_NUMBER(x86_emu_iommu, XEN_X86_EMU_IOMMU);
    SAME_NUMBER(x86_emu_pit, XEN_X86_EMU_PIT);
    SAME_NUMBER(x86_emu_use_pirq, XEN_X86_EMU_USE_PIRQ);
    SAME_NUMBER(x86_emu_vpci, XEN_X86_EMU_VPCI);
    SAME_NUMBER(x86_emu_all, XEN_X86_EMU_ALL);
    SAME_NUMBER(x86_msr_relaxed, XEN_X86_MSR_RELAXED);
    SAME_NUMBER(cdf_hvm, XEN_DOMCTL_CDF_hvm);
    SAME_NUMBER(cdf_hap, XEN_DOMCTL_CDF_hap);
    SAME_NUMBER(cdf_s3_integrity, XEN_DOMCTL_CDF_s3_integrity);
    SAME_NUMBER(cdf_oos_off, XEN_DOMCTL_CDF_oos_off);
    SAME_NUMBER(cdf_xs_domain, XEN_DOMCTL_CDF_xs_domain);
    SAME_NUMBER(cdf_iommu, XEN_DOMCTL_CDF_iommu);
    SAME_NUMBER(cdf_nested_virt, XEN_DOMCTL_CDF_nested_virt);
    SAME_NUMBER(cdf_vpmu, XEN_DOMCTL_CDF_vpmu);
    SAME_NUMBER(cdf_max, XEN_DOMCTL_CDF_MAX);
    SAME_NUMBER(domctl_grant_version_mask, XEN_DOMCTL_GRANT_version_mask);
    SAME_NUMBER(dominf_dying, XEN_DOMINF_dying);
    SAME_NUMBER(dominf_hvm_guest, XEN_DOMINF_hvm_guest);
    SAME_NUMBER(dominf_shutdown, XEN_DOMINF_shutdown);
    SAME_NUMBER(dominf_paused, XEN_DOMINF_paused);
    SAME_NUMBER(dominf_blocked, XEN_DOMINF_blocked);
    SAME_NUMBER(dominf_running, XEN_DOMINF_running);
    SAME_NUMBER(dominf_debugged, XEN_DOMINF_debugged);
    SAME_NUMBER(dominf_xs_domain, XEN_DOMINF_xs_domain);
    SAME_NUMBER(dominf_hap, XEN_DOMINF_hap);
    SAME_NUMBER(dominf_shutdownmask, XEN_DOMINF_shutdownmask);
    SAME_NUMBER(dominf_shutdownshift, XEN_DOMINF_shutdownshift);
    SAME_NUMBER(invalid_max_vcpu_id, XEN_INVALID_MAX_VCPU_ID);
    SAME_NUMBER(pfinfo_notab, XEN_DOMCTL_PFINFO_NOTAB);
    SAME_NUMBER(pfinfo_l1tab, XEN_DOMCTL_PFINFO_L1TAB);
    SAME_NUMBER(pfinfo_l2tab, XEN_DOMCTL_PFINFO_L2TAB);
    SAME_NUMBER(pfinfo_l3tab, XEN_DOMCTL_PFINFO_L3TAB);
    SAME_NUMBER(pfinfo_l4tab, XEN_DOMCTL_PFINFO_L4TAB);
    SAME_NUMBER(pfinfo_ltabtype_mask, XEN_DOMCTL_PFINFO_LTABTYPE_MASK);
    SAME_NUMBER(pfinfo_lpintab, XEN_DOMCTL_PFINFO_LPINTAB);
    SAME_NUMBER(pfinfo_xtab, XEN_DOMCTL_PFINFO_XTAB);
    SAME_NUMBER(pfinfo_xalloc, XEN_DOMCTL_PFINFO_XALLOC);
    SAME_NUMBER(pfinfo_broken, XEN_DOMCTL_PFINFO_BROKEN);
    SAME_NUMBER(pfinfo_ltab_mask, XEN_DOMCTL_PFINFO_LTAB_MASK);
    SAME_NUMBER(vcpuaffinity_hard, XEN_VCPUAFFINITY_HARD);
    SAME_NUMBER(vcpuaffinity_soft, XEN_VCPUAFFINITY_SOFT);
    SAME_NUMBER(vcpuaffinity_force, XEN_VCPUAFFINITY_FORCE);
}

TEST(Sysctl, StructsHaveXensSizesAndOffsets)
{
    SAME_STRUCT(SysctlReadconsole, struct xen_sysctl_readconsole, clear, incremental, index, buffer, count);
    SAME_STRUCT(SysctlTbufOp, struct xen_sysctl_tbuf_op, cmd, cpu_mask, evt_mask, buffer_mfn, size);
    SAME_STRUCT(SysctlPhysinfo, struct xen_sysctl_physinfo, threads_per_core, cores_per_socket, nr_cpus, max_cpu_id,
                nr_nodes, max_node_id, cpu_khz, capabilities, arch_capabilities, total_pages, free_pages, scrub_pages,
                outstanding_pages, max_mfn, hw_cap);
    SAME_STRUCT(SysctlSchedId, struct xen_sysctl_sched_id, sched_id);
    SAME_STRUCT(SysctlPerfcDesc, struct xen_sysctl_perfc_desc, name, nr_vals);
    SAME_STRUCT(SysctlPerfcOp, struct xen_sysctl_perfc_op, cmd, nr_counters, nr_vals, desc, val);
    SAME_STRUCT(SysctlGetdomaininfolist, struct xen_sysctl_getdomaininfolist, first_domain, max_domains, buffer,
                num_domains);
    SAME_STRUCT(SysctlDebugKeys, struct xen_sysctl_debug_keys, keys, nr_keys);
    SAME_STRUCT(SysctlCpuinfo, struct xen_sysctl_cpuinfo, idletime);
    SAME_STRUCT(SysctlGetcpuinfo, struct xen_sysctl_getcpuinfo, max_cpus, info, nr_cpus);
    SAME_STRUCT(SysctlAvailheap, struct xen_sysctl_availheap, min_bitwidth, max_bitwidth, node, avail_bytes);
    SAME_STRUCT(SysctlCpuHotplug, struct xen_sysctl_cpu_hotplug, cpu, op);
    SAME_STRUCT(SysctlPageOfflineOp, struct xen_sysctl_page_offline_op, cmd, start, end, status);
    SAME_STRUCT(SysctlLockprofData, struct xen_sysctl_lockprof_data, name, type, idx, lock_cnt, block_cnt, lock_time,
                block_time);
    SAME_STRUCT(SysctlLockprofOp, struct xen_sysctl_lockprof_op, cmd, max_elem, nr_elem, time, data);
    SAME_STRUCT(SysctlCputopo, struct xen_sysctl_cputopo, core, socket, node);
    SAME_STRUCT(SysctlCputopoinfo, struct xen_sysctl_cputopoinfo, num_cpus, cputopo);
    SAME_STRUCT(SysctlMeminfo, struct xen_sysctl_meminfo, memsize, memfree);
    SAME_STRUCT(SysctlNumainfo, struct xen_sysctl_numainfo, num_nodes, meminfo, distance);
    SAME_STRUCT(SysctlCpupoolOp, struct xen_sysctl_cpupool_op, op, cpupool_id, sched_id, domid, cpu, n_dom, cpumap);
    SAME_STRUCT(SysctlSchedulerOp, struct xen_sysctl_scheduler_op, cpupool_id, sched_id, cmd, u, u.sched_arinc653,
                u.sched_arinc653.schedule, u.sched_credit, u.sched_credit.tslice_ms, u.sched_credit.ratelimit_us,
                u.sched_credit.vcpu_migr_delay_us, u.sched_credit2, u.sched_credit2.ratelimit_us);
    SAME_STRUCT(SysctlCoverageOp, struct xen_sysctl_coverage_op, cmd, size, buffer);
    SAME_STRUCT(SysctlPsrCmtOp, struct xen_sysctl_psr_cmt_op, cmd, flags, u, u.data, u.l3_cache, u.l3_cache.cpu);
    SAME_STRUCT(SysctlPcitopoinfo, struct xen_sysctl_pcitopoinfo, num_devs, devs, nodes);
    SAME_STRUCT(SysctlPsrAlloc, struct xen_sysctl_psr_alloc, cmd, target);
    SAME_STRUCT(SysctlCpuLevellingCaps, struct xen_sysctl_cpu_levelling_caps, caps);
    SAME_STRUCT(SysctlCpuFeatureset, struct xen_sysctl_cpu_featureset, index, nr_features, features);
    SAME_STRUCT(SysctlCpuPolicy, struct xen_sysctl_cpu_policy, index, nr_leaves, nr_msrs, leaves, msrs);
    SAME_STRUCT(Sysctl, struct xen_sysctl, cmd, interface_version, u, u.readconsole, u.tbuf_op, u.physinfo,
                u.cputopoinfo, u.pcitopoinfo, u.numainfo, u.sched_id, u.perfc_op, u.getdomaininfolist, u.debug_keys,
                u.getcpuinfo, u.availheap, u.cpu_hotplug, u.page_offline, u.lockprof_op, u.cpupool_op, u.scheduler_op,
                u.coverage_op, u.psr_cmt_op, u.psr_alloc, u.cpu_levelling_caps, u.cpu_featureset, u.cpu_policy);
    SAME_FIELD_NAMED(SysctlPsrAlloc, info, struct xen_sysctl_psr_alloc, u.cat_info);
}

TEST(Sysctl, NumbersAreXens)
{
    SAME_NUMBER(SysctlCmd::readconsole, XEN_SYSCTL_readconsole);
    SAME_NUMBER(SysctlCmd::tbuf_op, XEN_SYSCTL_tbuf_op);
    SAME_NUMBER(SysctlCmd::physinfo, XEN_SYSCTL_physinfo);
    SAME_NUMBER(SysctlCmd::sched_id, XEN_SYSCTL_sched_id);
    SAME_NUMBER(SysctlCmd::perfc_op, XEN_SYSCTL_perfc_op);
    SAME_NUMBER(SysctlCmd::getdomaininfolist, XEN_SYSCTL_getdomaininfolist);
    SAME_NUMBER(SysctlCmd::debug_keys, XEN_SYSCTL_debug_keys);
    SAME_NUMBER(SysctlCmd::getcpuinfo, XEN_SYSCTL_getcpuinfo);
    SAME_NUMBER(SysctlCmd::availheap, XEN_SYSCTL_availheap);
    SAME_NUMBER(SysctlCmd::get_pmstat, XEN_SYSCTL_get_pmstat);
    SAME_NUMBER(SysctlCmd::cpu_hotplug, XEN_SYSCTL_cpu_hotplug);
    SAME_NUMBER(SysctlCmd::pm_op, XEN_SYSCTL_pm_op);
    SAME_NUMBER(SysctlCmd::page_offline_op, XEN_SYSCTL_page_offline_op);
    SAME_NUMBER(SysctlCmd::lockprof_op, XEN_SYSCTL_lockprof_op);
    SAME_NUMBER(SysctlCmd::cputopoinfo, XEN_SYSCTL_cputopoinfo);
    SAME_NUMBER(SysctlCmd::numainfo, XEN_SYSCTL_numainfo);
    SAME_NUMBER(SysctlCmd::cpupool_op, XEN_SYSCTL_cpupool_op);
    SAME_NUMBER(SysctlCmd::scheduler_op, XEN_SYSCTL_scheduler_op);
    SAME_NUMBER(SysctlCmd::coverage_op, XEN_SYSCTL_coverage_op);
    SAME_NUMBER(SysctlCmd::psr_cmt_op, XEN_SYSCTL_psr_cmt_op);
    SAME_NUMBER(SysctlCmd::pcitopoinfo, XEN_SYSCTL_pcitopoinfo);
    SAME_NUMBER(SysctlCmd::psr_alloc, XEN_SYSCTL_psr_alloc);
    SAME_NUMBER(SysctlCmd::get_cpu_levelling_caps, XEN_SYSCTL_get_cpu_levelling_caps);
    SAME_NUMBER(SysctlCmd::get_cpu_featureset, XEN_SYSCTL_get_cpu_featureset);
    SAME_NUMBER(SysctlCmd::livepatch_op, XEN_SYSCTL_livepatch_op);
    SAME_NUMBER(SysctlCmd::get_cpu_policy, XEN_SYSCTL_get_cpu_policy);
    SAME_NUMBER(TbufCmd::get_info, XEN_SYSCTL_TBUFOP_get_info);
    SAME_NUMBER(TbufCmd::set_cpu_mask, XEN_SYSCTL_TBUFOP_set_cpu_mask);
    SAME_NUMBER(TbufCmd::set_evt_mask, XEN_SYSCTL_TBUFOP_set_evt_mask);
    SAME_NUMBER(TbufCmd::set_size, XEN_SYSCTL_TBUFOP_set_size);
    SAME_NUMBER(TbufCmd::enable, XEN_SYSCTL_TBUFOP_enable);
    SAME_NUMBER(TbufCmd::disable, XEN_SYSCTL_TBUFOP_disable);
    SAME_NUMBER(PerfcCmd::reset, XEN_SYSCTL_PERFCOP_reset);
    SAME_NUMBER(PerfcCmd::query, XEN_SYSCTL_PERFCOP_query);
    SAME_NUMBER(CpupoolCmd::create, XEN_SYSCTL_CPUPOOL_OP_CREATE);
    SAME_NUMBER(CpupoolCmd::destroy, XEN_SYSCTL_CPUPOOL_OP_DESTROY);
    SAME_NUMBER(CpupoolCmd::info, XEN_SYSCTL_CPUPOOL_OP_INFO);
    SAME_NUMBER(CpupoolCmd::addcpu, XEN_SYSCTL_CPUPOOL_OP_ADDCPU);
    SAME_NUMBER(CpupoolCmd::rmcpu, XEN_SYSCTL_CPUPOOL_OP_RMCPU);
    SAME_NUMBER(CpupoolCmd::movedomain, XEN_SYSCTL_CPUPOOL_OP_MOVEDOMAIN);
    SAME_NUMBER(CpupoolCmd::freeinfo, XEN_SYSCTL_CPUPOOL_OP_FREEINFO);
    SAME_NUMBER(SysctlSchedopCmd::putinfo, XEN_SYSCTL_SCHEDOP_putinfo);
    SAME_NUMBER(SysctlSchedopCmd::getinfo, XEN_SYSCTL_SCHEDOP_getinfo);
    SAME_NUMBER(FeaturesetIndex::raw, XEN_SYSCTL_cpu_featureset_raw);
    SAME_NUMBER(FeaturesetIndex::host, XEN_SYSCTL_cpu_featureset_host);
    SAME_NUMBER(FeaturesetIndex::pv, XEN_SYSCTL_cpu_featureset_pv);
    SAME_NUMBER(FeaturesetIndex::hvm, XEN_SYSCTL_cpu_featureset_hvm);
    SAME_NUMBER(FeaturesetIndex::pv_max, XEN_SYSCTL_cpu_featureset_pv_max);
    SAME_NUMBER(FeaturesetIndex::hvm_max, XEN_SYSCTL_cpu_featureset_hvm_max);
    SAME_NUMBER(CpuPolicyIndex::raw, XEN_SYSCTL_cpu_policy_raw);
    SAME_NUMBER(CpuPolicyIndex::host, XEN_SYSCTL_cpu_policy_host);
    SAME_NUMBER(CpuPolicyIndex::pv_max, XEN_SYSCTL_cpu_policy_pv_max);
    SAME_NUMBER(CpuPolicyIndex::hvm_max, XEN_SYSCTL_cpu_policy_hvm_max);
    SAME_NUMBER(CpuPolicyIndex::pv_default, XEN_SYSCTL_cpu_policy_pv_default);
    SAME_NUMBER(CpuPolicyIndex::hvm_default, XEN_SYSCTL_cpu_policy_hvm_default);
    SAME_NUMBER(sysctl_interface_version, XEN_SYSCTL_INTERFACE_VERSION);
    SAME_NUMBER(physcap_hvm, XEN_SYSCTL_PHYSCAP_hvm);
    SAME_NUMBER(physcap_pv, XEN_SYSCTL_PHYSCAP_pv);
    SAME_NUMBER(physcap_directio, XEN_SYSCTL_PHYSCAP_directio);
    SAME_NUMBER(physcap_hap, XEN_SYSCTL_PHYSCAP_hap);
    SAME_NUMBER(physcap_shadow, XEN_SYSCTL_PHYSCAP_shadow);
    SAME_NUMBER(physcap_iommu_hap_pt_share, XEN_SYSCTL_PHYSCAP_iommu_hap_pt_share);
    SAME_NUMBER(physcap_vmtrace, XEN_SYSCTL_PHYSCAP_vmtrace);
    SAME_NUMBER(physcap_vpmu, XEN_SYSCTL_PHYSCAP_vpmu);
    SAME_NUMBER(physcap_gnttab_v1, XEN_SYSCTL_PHYSCAP_gnttab_v1);
    SAME_NUMBER(physcap_gnttab_v2, XEN_SYSCTL_PHYSCAP_gnttab_v2);
    SAME_NUMBER(invalid_core_id, XEN_INVALID_CORE_ID);
    SAME_NUMBER(invalid_socket_id, XEN_INVALID_SOCKET_ID);
    SAME_NUMBER(invalid_node_id, XEN_INVALID_NODE_ID);
    SAME_NUMBER(invalid_mem_sz, XEN_INVALID_MEM_SZ);
    SAME_NUMBER(invalid_node_dist, XEN_INVALID_NODE_DIST);
    SAME_NUMBER(cpupool_par_any, XEN_SYSCTL_CPUPOOL_PAR_ANY);
    SAME_NUMBER(sched_ratelimit_max_us, XEN_SYSCTL_SCHED_RATELIMIT_MAX);
    SAME_NUMBER(sched_ratelimit_min_us, XEN_SYSCTL_SCHED_RATELIMIT_MIN);
    SAME_NUMBER(invalid_dev, XEN_INVALID_DEV);
}

TEST(Platform, StructsHaveXensSizesAndOffsets)
{
    SAME_STRUCT(PlatformSettime32, struct xenpf_settime32, secs, nsecs, system_time);
    SAME_STRUCT(PlatformSettime64, struct xenpf_settime64, secs, nsecs, mbz, system_time);
    SAME_STRUCT(PlatformAddMemtype, struct xenpf_add_memtype, mfn, nr_mfns, type, handle, reg);
    SAME_STRUCT(PlatformDelMemtype, struct xenpf_del_memtype, handle, reg);
    SAME_STRUCT(PlatformReadMemtype, struct xenpf_read_memtype, reg, mfn, nr_mfns, type);
    SAME_STRUCT(PlatformMicrocodeUpdate, struct xenpf_microcode_update, data, length);
    SAME_STRUCT(PlatformQuirk, struct xenpf_platform_quirk, quirk_id);
    SAME_STRUCT(PlatformFirmwareInfo, struct xenpf_firmware_info, type, index, u, u.disk_info, u.disk_info.device,
                u.disk_info.version, u.disk_info.interface_support, u.disk_info.legacy_max_cylinder,
                u.disk_info.legacy_max_head, u.disk_info.legacy_sectors_per_track, u.disk_info.edd_params,
                u.disk_mbr_signature, u.disk_mbr_signature.device, u.disk_mbr_signature.mbr_signature, u.vbeddc_info,
                u.vbeddc_info.capabilities, u.vbeddc_info.edid_transfer_time, u.vbeddc_info.edid, u.efi_info,
                u.efi_info.version, u.efi_info.cfg, u.efi_info.cfg.addr, u.efi_info.cfg.nent, u.efi_info.vendor,
                u.efi_info.vendor.revision, u.efi_info.vendor.bufsz, u.efi_info.vendor.name, u.efi_info.mem,
                u.efi_info.mem.addr, u.efi_info.mem.size, u.efi_info.mem.attr, u.efi_info.mem.type, u.efi_info.pci_rom,
                u.efi_info.pci_rom.segment, u.efi_info.pci_rom.bus, u.efi_info.pci_rom.devfn, u.efi_info.pci_rom.vendor,
                u.efi_info.pci_rom.devid, u.efi_info.pci_rom.address, u.efi_info.pci_rom.size, u.kbd_shift_flags);
    SAME_STRUCT(PlatformEnterAcpiSleep, struct xenpf_enter_acpi_sleep, val_a, val_b, sleep_state, flags);
    SAME_STRUCT(PlatformChangeFreq, struct xenpf_change_freq, flags, cpu, freq);
    SAME_STRUCT(PlatformGetidletime, struct xenpf_getidletime, cpumap_bitmap, cpumap_nr_cpus, idletime, now);
    SAME_STRUCT(PlatformSetProcessorPminfo, struct xenpf_set_processor_pminfo, id, type, u);
    SAME_STRUCT(PlatformPcpuinfo, struct xenpf_pcpuinfo, xen_cpuid, max_present, flags, apic_id, acpi_id);
    SAME_STRUCT(PlatformPcpuVersion, struct xenpf_pcpu_version, xen_cpuid, max_present, vendor_id, family, model,
                stepping);
    SAME_STRUCT(PlatformCpuOl, struct xenpf_cpu_ol, cpuid);
    SAME_STRUCT(PlatformCpuHotadd, struct xenpf_cpu_hotadd, apic_id, acpi_id, pxm);
    SAME_STRUCT(PlatformMemHotadd, struct xenpf_mem_hotadd, spfn, epfn, pxm, flags);
    SAME_STRUCT(PlatformCoreParking, struct xenpf_core_parking, type, idle_nums);
    SAME_STRUCT(PlatformResourceOp, struct xenpf_resource_op, nr_entries, cpu, entries);
    SAME_STRUCT(PlatformSymdata, struct xenpf_symdata, namelen, symnum, name, address, type);
    SAME_STRUCT(PlatformOp, struct xen_platform_op, cmd, interface_version, u, u.settime32, u.settime64, u.add_memtype,
                u.del_memtype, u.read_memtype, u.microcode, u.platform_quirk, u.firmware_info, u.enter_acpi_sleep,
                u.change_freq, u.getidletime, u.set_pminfo, u.pcpu_info, u.pcpu_version, u.cpu_ol, u.cpu_add, u.mem_add,
                u.core_parking, u.resource_op, u.symdata);
}

TEST(Platform, NumbersAreXens)
{
    SAME_NUMBER(PlatformCmd::settime32, XENPF_settime32);
    SAME_NUMBER(PlatformCmd::add_memtype, XENPF_add_memtype);
    SAME_NUMBER(PlatformCmd::del_memtype, XENPF_del_memtype);
    SAME_NUMBER(PlatformCmd::read_memtype, XENPF_read_memtype);
    SAME_NUMBER(PlatformCmd::microcode_update, XENPF_microcode_update);
    SAME_NUMBER(PlatformCmd::platform_quirk, XENPF_platform_quirk);
    SAME_NUMBER(PlatformCmd::get_cpu_version, XENPF_get_cpu_version);
    SAME_NUMBER(PlatformCmd::efi_runtime_call, XENPF_efi_runtime_call);
    SAME_NUMBER(PlatformCmd::firmware_info, XENPF_firmware_info);
    SAME_NUMBER(PlatformCmd::enter_acpi_sleep, XENPF_enter_acpi_sleep);
    SAME_NUMBER(PlatformCmd::change_freq, XENPF_change_freq);
    SAME_NUMBER(PlatformCmd::getidletime, XENPF_getidletime);
    SAME_NUMBER(PlatformCmd::set_processor_pminfo, XENPF_set_processor_pminfo);
    SAME_NUMBER(PlatformCmd::get_cpuinfo, XENPF_get_cpuinfo);
    SAME_NUMBER(PlatformCmd::cpu_online, XENPF_cpu_online);
    SAME_NUMBER(PlatformCmd::cpu_offline, XENPF_cpu_offline);
    SAME_NUMBER(PlatformCmd::cpu_hotadd, XENPF_cpu_hotadd);
    SAME_NUMBER(PlatformCmd::mem_hotadd, XENPF_mem_hotadd);
    SAME_NUMBER(PlatformCmd::core_parking, XENPF_core_parking);
    SAME_NUMBER(PlatformCmd::resource_op, XENPF_resource_op);
    SAME_NUMBER(PlatformCmd::settime64, XENPF_settime64);
    SAME_NUMBER(PlatformCmd::get_symbol, XENPF_get_symbol);
    SAME_NUMBER(FirmwareInfoType::disk_info, XEN_FW_DISK_INFO);
    SAME_NUMBER(FirmwareInfoType::disk_mbr_signature, XEN_FW_DISK_MBR_SIGNATURE);
    SAME_NUMBER(FirmwareInfoType::vbeddc_info, XEN_FW_VBEDDC_INFO);
    SAME_NUMBER(FirmwareInfoType::efi_info, XEN_FW_EFI_INFO);
    SAME_NUMBER(FirmwareInfoType::kbd_shift_flags, XEN_FW_KBD_SHIFT_FLAGS);
    SAME_NUMBER(PminfoType::cx, XEN_PM_CX);
    SAME_NUMBER(PminfoType::px, XEN_PM_PX);
    SAME_NUMBER(PminfoType::tx, XEN_PM_TX);
    SAME_NUMBER(PminfoType::pdc, XEN_PM_PDC);
    SAME_NUMBER(platform_interface_version, XENPF_INTERFACE_VERSION);
    SAME_NUMBER(acpi_sleep_extended, XENPF_ACPI_SLEEP_EXTENDED);
    SAME_NUMBER(pcpu_flags_online, XEN_PCPU_FLAGS_ONLINE);
    SAME_NUMBER(pcpu_flags_invalid, XEN_PCPU_FLAGS_INVALID);
}

TEST(Mca, StructsHaveXensSizesAndOffsets)
{
    SAME_STRUCT(McaFetch, struct xen_mc_fetch, flags, fetch_id, data);
    SAME_STRUCT(McaLogicalCpu, struct mcinfo_logical_cpu, mc_cpunr, mc_chipid, mc_coreid, mc_threadid, mc_apicid,
                mc_clusterid, mc_ncores, mc_ncores_active, mc_nthreads, mc_cpuid_level, mc_family, mc_vendor, mc_model,
                mc_step, mc_vendorid, mc_brandid, mc_cpu_caps, mc_cache_size, mc_cache_alignment, mc_nmsrvals,
                mc_msrvalues[8], mc_msrvalues[0].reg, mc_msrvalues[0].value);
    SAME_STRUCT(McaPhyscpuinfo, struct xen_mc_physcpuinfo, ncpus, info);
    SAME_STRUCT(McaOp, struct xen_mc, cmd, interface_version, u, u.mc_fetch, u.mc_physcpuinfo);
}

TEST(Mca, NumbersAreXens)
{
    SAME_NUMBER(McaCmd::fetch, XEN_MC_fetch);
    SAME_NUMBER(McaCmd::notifydomain, XEN_MC_notifydomain);
    SAME_NUMBER(McaCmd::physcpuinfo, XEN_MC_physcpuinfo);
    SAME_NUMBER(McaCmd::msrinject, XEN_MC_msrinject);
    SAME_NUMBER(McaCmd::mceinject, XEN_MC_mceinject);
    SAME_NUMBER(McaCmd::inject_v2, XEN_MC_inject_v2);
    SAME_NUMBER(mca_interface_version, XEN_MCA_INTERFACE_VERSION);
    SAME_NUMBER(mc_nonurgent, XEN_MC_NONURGENT);
    SAME_NUMBER(mc_urgent, XEN_MC_URGENT);
    SAME_NUMBER(mc_ack, XEN_MC_ACK);
    SAME_NUMBER(mc_ok, XEN_MC_OK);
    SAME_NUMBER(mc_fetchfailed, XEN_MC_FETCHFAILED);
    SAME_NUMBER(mc_nodata, XEN_MC_NODATA);
}

TEST(Hypfs, StructsHaveXensSizesAndOffsets)
{
    SAME_STRUCT(HypfsDirentry, struct xen_hypfs_direntry, type, encoding, content_len, max_write_len);
}

TEST(Hypfs, NumbersAreXens)
{
    SAME_NUMBER(HypfsCmd::get_version, XEN_HYPFS_OP_get_version);
    SAME_NUMBER(HypfsCmd::read, XEN_HYPFS_OP_read);
    SAME_NUMBER(HypfsCmd::write_contents, XEN_HYPFS_OP_write_contents);
    SAME_NUMBER(HypfsType::dir, XEN_HYPFS_TYPE_DIR);
    SAME_NUMBER(HypfsType::blob, XEN_HYPFS_TYPE_BLOB);
    SAME_NUMBER(HypfsType::string, XEN_HYPFS_TYPE_STRING);
    SAME_NUMBER(HypfsType::uint, XEN_HYPFS_TYPE_UINT);
    SAME_NUMBER(HypfsType::int_, XEN_HYPFS_TYPE_INT);
    SAME_NUMBER(HypfsType::boolean, XEN_HYPFS_TYPE_BOOL);
    SAME_NUMBER(HypfsEncoding::plain, XEN_HYPFS_ENC_PLAIN);
    SAME_NUMBER(HypfsEncoding::gzip, XEN_HYPFS_ENC_GZIP);
    SAME_NUMBER(hypfs_version, XEN_HYPFS_VERSION);
}

}
