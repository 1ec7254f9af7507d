// Compares our wire ABI with the public headers of Debian's libxen-dev 4.17: what a guest kernel meets: start, traps,
// vCPUs, paging, memory, devices, version.
#include <gtest/gtest.h>

#include "hypervisor/abi/cpuid.hpp"
#include "hypervisor/abi/elfnote.hpp"
#include "hypervisor/abi/errno.hpp"
#include "hypervisor/abi/features.hpp"
#include "hypervisor/abi/hvm.hpp"
#include "hypervisor/abi/hypercall.hpp"
#include "hypervisor/abi/memory.hpp"
#include "hypervisor/abi/mmu.hpp"
#include "hypervisor/abi/physdev.hpp"
#include "hypervisor/abi/sched.hpp"
#include "hypervisor/abi/shared_info.hpp"
#include "hypervisor/abi/start_info.hpp"
#include "hypervisor/abi/trap.hpp"
#include "hypervisor/abi/types.hpp"
#include "hypervisor/abi/vcpu.hpp"
#include "hypervisor/abi/version.hpp"
#include "hypervisor/abi/x86_64/layout.hpp"
#include "hypervisor/abi/xenpmu.hpp"
#include "tests/unit/abi/same.hpp"

#include <xen/xen.h>

#include <xen/arch-x86/cpuid.h>
#include <xen/arch-x86/xen-mca.h>
#include <xen/callback.h>
#include <xen/elfnote.h>
#include <xen/errno.h>
#include <xen/features.h>
#include <xen/hvm/dm_op.h>
#include <xen/hvm/hvm_op.h>
#include <xen/hvm/params.h>
#include <xen/memory.h>
#include <xen/nmi.h>
#include <xen/physdev.h>
#include <xen/pmu.h>
#include <xen/sched.h>
#include <xen/trace.h>
#include <xen/vcpu.h>
#include <xen/version.h>

using namespace xylem::abi;

namespace {

TEST(Types, StructsHaveXensSizesAndOffsets)
{
    SAME_SIZE(DomainHandle, xen_domain_handle_t);
    SAME_STRUCT(Bitmap, struct xenctl_bitmap, bitmap, nr_bits);
}

TEST(Types, NumbersAreXens)
{
    SAME_NUMBER(domid_first_reserved, DOMID_FIRST_RESERVED);
    SAME_NUMBER(domid_self, DOMID_SELF);
    SAME_NUMBER(domid_io, DOMID_IO);
    SAME_NUMBER(domid_xen, DOMID_XEN);
    SAME_NUMBER(domid_cow, DOMID_COW);
    SAME_NUMBER(domid_invalid, DOMID_INVALID);
    SAME_NUMBER(domid_idle, DOMID_IDLE);
    SAME_NUMBER(domid_mask, DOMID_MASK);
}

TEST(Errno, NumbersAreXens)
{
    SAME_NUMBER(Errno::perm, XEN_EPERM);
    SAME_NUMBER(Errno::noent, XEN_ENOENT);
    SAME_NUMBER(Errno::srch, XEN_ESRCH);
    SAME_NUMBER(Errno::io, XEN_EIO);
    SAME_NUMBER(Errno::nxio, XEN_ENXIO);
    SAME_NUMBER(Errno::too_big, XEN_E2BIG);
    SAME_NUMBER(Errno::noexec, XEN_ENOEXEC);
    SAME_NUMBER(Errno::badf, XEN_EBADF);
    SAME_NUMBER(Errno::child, XEN_ECHILD);
    SAME_NUMBER(Errno::again, XEN_EAGAIN);
    SAME_NUMBER(Errno::nomem, XEN_ENOMEM);
    SAME_NUMBER(Errno::acces, XEN_EACCES);
    SAME_NUMBER(Errno::fault, XEN_EFAULT);
    SAME_NUMBER(Errno::busy, XEN_EBUSY);
    SAME_NUMBER(Errno::exist, XEN_EEXIST);
    SAME_NUMBER(Errno::xdev, XEN_EXDEV);
    SAME_NUMBER(Errno::nodev, XEN_ENODEV);
    SAME_NUMBER(Errno::notdir, XEN_ENOTDIR);
    SAME_NUMBER(Errno::isdir, XEN_EISDIR);
    SAME_NUMBER(Errno::inval, XEN_EINVAL);
    SAME_NUMBER(Errno::nfile, XEN_ENFILE);
    SAME_NUMBER(Errno::mfile, XEN_EMFILE);
    SAME_NUMBER(Errno::nospc, XEN_ENOSPC);
    SAME_NUMBER(Errno::rofs, XEN_EROFS);
    SAME_NUMBER(Errno::mlink, XEN_EMLINK);
    SAME_NUMBER(Errno::dom, XEN_EDOM);
    SAME_NUMBER(Errno::range, XEN_ERANGE);
    SAME_NUMBER(Errno::deadlk, XEN_EDEADLK);
    SAME_NUMBER(Errno::nametoolong, XEN_ENAMETOOLONG);
    SAME_NUMBER(Errno::nolck, XEN_ENOLCK);
    SAME_NUMBER(Errno::nosys, XEN_ENOSYS);
    SAME_NUMBER(Errno::notempty, XEN_ENOTEMPTY);
    SAME_NUMBER(Errno::nodata, XEN_ENODATA);
    SAME_NUMBER(Errno::time, XEN_ETIME);
    SAME_NUMBER(Errno::badmsg, XEN_EBADMSG);
    SAME_NUMBER(Errno::overflow, XEN_EOVERFLOW);
    SAME_NUMBER(Errno::ilseq, XEN_EILSEQ);
    SAME_NUMBER(Errno::notsock, XEN_ENOTSOCK);
    SAME_NUMBER(Errno::msgsize, XEN_EMSGSIZE);
    SAME_NUMBER(Errno::opnotsupp, XEN_EOPNOTSUPP);
    SAME_NUMBER(Errno::addrinuse, XEN_EADDRINUSE);
    SAME_NUMBER(Errno::addrnotavail, XEN_EADDRNOTAVAIL);
    SAME_NUMBER(Errno::nobufs, XEN_ENOBUFS);
    SAME_NUMBER(Errno::isconn, XEN_EISCONN);
    SAME_NUMBER(Errno::notconn, XEN_ENOTCONN);
    SAME_NUMBER(Errno::timedout, XEN_ETIMEDOUT);
    SAME_NUMBER(Errno::connrefused, XEN_ECONNREFUSED);
}

TEST(Hypercall, StructsHaveXensSizesAndOffsets)
{
    SAME_STRUCT(MulticallEntry, struct multicall_entry, op, result, args);
}

TEST(Hypercall, NumbersAreXens)
{
    SAME_NUMBER(HypercallNumber::set_trap_table, __HYPERVISOR_set_trap_table);
    SAME_NUMBER(HypercallNumber::mmu_update, __HYPERVISOR_mmu_update);
    SAME_NUMBER(HypercallNumber::set_gdt, __HYPERVISOR_set_gdt);
    SAME_NUMBER(HypercallNumber::stack_switch, __HYPERVISOR_stack_switch);
    SAME_NUMBER(HypercallNumber::set_callbacks, __HYPERVISOR_set_callbacks);
    SAME_NUMBER(HypercallNumber::fpu_taskswitch, __HYPERVISOR_fpu_taskswitch);
    SAME_NUMBER(HypercallNumber::sched_op_compat, __HYPERVISOR_sched_op_compat);
    SAME_NUMBER(HypercallNumber::platform_op, __HYPERVISOR_platform_op);
    SAME_NUMBER(HypercallNumber::set_debugreg, __HYPERVISOR_set_debugreg);
    SAME_NUMBER(HypercallNumber::get_debugreg, __HYPERVISOR_get_debugreg);
    SAME_NUMBER(HypercallNumber::update_descriptor, __HYPERVISOR_update_descriptor);
    SAME_NUMBER(HypercallNumber::memory_op, __HYPERVISOR_memory_op);
    SAME_NUMBER(HypercallNumber::multicall, __HYPERVISOR_multicall);
    SAME_NUMBER(HypercallNumber::update_va_mapping, __HYPERVISOR_update_va_mapping);
    SAME_NUMBER(HypercallNumber::set_timer_op, __HYPERVISOR_set_timer_op);
    SAME_NUMBER(HypercallNumber::event_channel_op_compat, __HYPERVISOR_event_channel_op_compat);
    SAME_NUMBER(HypercallNumber::xen_version, __HYPERVISOR_xen_version);
    SAME_NUMBER(HypercallNumber::console_io, __HYPERVISOR_console_io);
    SAME_NUMBER(HypercallNumber::physdev_op_compat, __HYPERVISOR_physdev_op_compat);
    SAME_NUMBER(HypercallNumber::grant_table_op, __HYPERVISOR_grant_table_op);
    SAME_NUMBER(HypercallNumber::vm_assist, __HYPERVISOR_vm_assist);
    SAME_NUMBER(HypercallNumber::update_va_mapping_otherdomain, __HYPERVISOR_update_va_mapping_otherdomain);
    SAME_NUMBER(HypercallNumber::iret, __HYPERVISOR_iret);
    SAME_NUMBER(HypercallNumber::vcpu_op, __HYPERVISOR_vcpu_op);
    SAME_NUMBER(HypercallNumber::set_segment_base, __HYPERVISOR_set_segment_base);
    SAME_NUMBER(HypercallNumber::mmuext_op, __HYPERVISOR_mmuext_op);
    SAME_NUMBER(HypercallNumber::xsm_op, __HYPERVISOR_xsm_op);
    SAME_NUMBER(HypercallNumber::nmi_op, __HYPERVISOR_nmi_op);
    SAME_NUMBER(HypercallNumber::sched_op, __HYPERVISOR_sched_op);
    SAME_NUMBER(HypercallNumber::callback_op, __HYPERVISOR_callback_op);
    SAME_NUMBER(HypercallNumber::xenoprof_op, __HYPERVISOR_xenoprof_op);
    SAME_NUMBER(HypercallNumber::event_channel_op, __HYPERVISOR_event_channel_op);
    SAME_NUMBER(HypercallNumber::physdev_op, __HYPERVISOR_physdev_op);
    SAME_NUMBER(HypercallNumber::hvm_op, __HYPERVISOR_hvm_op);
    SAME_NUMBER(HypercallNumber::sysctl, __HYPERVISOR_sysctl);
    SAME_NUMBER(HypercallNumber::domctl, __HYPERVISOR_domctl);
    SAME_NUMBER(HypercallNumber::kexec_op, __HYPERVISOR_kexec_op);
    SAME_NUMBER(HypercallNumber::tmem_op, __HYPERVISOR_tmem_op);
    SAME_NUMBER(HypercallNumber::argo_op, __HYPERVISOR_argo_op);
    SAME_NUMBER(HypercallNumber::xenpmu_op, __HYPERVISOR_xenpmu_op);
    SAME_NUMBER(HypercallNumber::dm_op, __HYPERVISOR_dm_op);
    SAME_NUMBER(HypercallNumber::hypfs_op, __HYPERVISOR_hypfs_op);
    SAME_NUMBER(HypercallNumber::mca, __HYPERVISOR_mca);
    SAME_NUMBER(HypercallNumber::arch_1, __HYPERVISOR_arch_1);
    SAME_NUMBER(HypercallNumber::arch_2, __HYPERVISOR_arch_2);
    SAME_NUMBER(HypercallNumber::arch_3, __HYPERVISOR_arch_3);
    SAME_NUMBER(HypercallNumber::arch_4, __HYPERVISOR_arch_4);
    SAME_NUMBER(HypercallNumber::arch_5, __HYPERVISOR_arch_5);
    SAME_NUMBER(HypercallNumber::arch_6, __HYPERVISOR_arch_6);
    SAME_NUMBER(HypercallNumber::arch_7, __HYPERVISOR_arch_7);
    SAME_NUMBER(ConsoleIoCmd::write, CONSOLEIO_write);
    SAME_NUMBER(ConsoleIoCmd::read, CONSOLEIO_read);
}

TEST(StartInfo, StructsHaveXensSizesAndOffsets)
{
    SAME_STRUCT(StartInfo, struct start_info, magic, nr_pages, shared_info, flags, store_mfn, store_evtchn, console,
                console.domU, console.domU.mfn, console.domU.evtchn, console.dom0, console.dom0.info_off,
                console.dom0.info_size, pt_base, nr_pt_frames, mfn_list, mod_start, mod_len, cmd_line, first_p2m_pfn,
                nr_p2m_frames);
    SAME_STRUCT(MultibootModList, struct xen_multiboot_mod_list, mod_start, mod_end, cmdline);
    SAME_STRUCT(Dom0VgaConsoleInfo, struct dom0_vga_console_info, video_type, u, u.text_mode_3,
                u.text_mode_3.font_height, u.text_mode_3.cursor_x, u.text_mode_3.cursor_y, u.text_mode_3.rows,
                u.text_mode_3.columns, u.vesa_lfb, u.vesa_lfb.width, u.vesa_lfb.height, u.vesa_lfb.bytes_per_line,
                u.vesa_lfb.bits_per_pixel, u.vesa_lfb.lfb_base, u.vesa_lfb.lfb_size, u.vesa_lfb.red_pos,
                u.vesa_lfb.red_size, u.vesa_lfb.green_pos, u.vesa_lfb.green_size, u.vesa_lfb.blue_pos,
                u.vesa_lfb.blue_size, u.vesa_lfb.rsvd_pos, u.vesa_lfb.rsvd_size, u.vesa_lfb.gbl_caps,
                u.vesa_lfb.mode_attrs, u.vesa_lfb.ext_lfb_base);
}

TEST(StartInfo, NumbersAreXens)
{
    SAME_NUMBER(VgaType::text_mode_3, XEN_VGATYPE_TEXT_MODE_3);
    SAME_NUMBER(VgaType::vesa_lfb, XEN_VGATYPE_VESA_LFB);
    SAME_NUMBER(VgaType::efi_lfb, XEN_VGATYPE_EFI_LFB);
    SAME_NUMBER(max_guest_cmdline, MAX_GUEST_CMDLINE);
    SAME_NUMBER(sif_privileged, SIF_PRIVILEGED);
    SAME_NUMBER(sif_initdomain, SIF_INITDOMAIN);
    SAME_NUMBER(sif_multiboot_mod, SIF_MULTIBOOT_MOD);
    SAME_NUMBER(sif_mod_start_pfn, SIF_MOD_START_PFN);
    SAME_NUMBER(sif_virt_p2m_4tools, SIF_VIRT_P2M_4TOOLS);
    SAME_NUMBER(sif_pm_mask, SIF_PM_MASK);
}

TEST(SharedInfo, StructsHaveXensSizesAndOffsets)
{
    SAME_STRUCT(VcpuTimeInfo, struct vcpu_time_info, version, tsc_timestamp, system_time, tsc_to_system_mul, tsc_shift,
                flags);
    SAME_STRUCT(ArchVcpuInfo, struct arch_vcpu_info, cr2);
    SAME_STRUCT(VcpuInfo, struct vcpu_info, evtchn_upcall_pending, evtchn_upcall_mask, evtchn_pending_sel, arch, time);
    SAME_STRUCT(ArchSharedInfo, struct arch_shared_info, max_pfn, pfn_to_mfn_frame_list_list, nmi_reason, p2m_cr3,
                p2m_vaddr, p2m_generation);
    SAME_STRUCT(SharedInfo, struct shared_info, vcpu_info, evtchn_pending, evtchn_mask, wc_version, wc_sec, wc_nsec,
                wc_sec_hi, arch);
}

TEST(SharedInfo, NumbersAreXens)
{
    SAME_NUMBER(legacy_max_vcpus, XEN_LEGACY_MAX_VCPUS);
    SAME_NUMBER(pvclock_tsc_stable, XEN_PVCLOCK_TSC_STABLE_BIT);
    SAME_NUMBER(pvclock_guest_stopped, XEN_PVCLOCK_GUEST_STOPPED);
    SAME_NUMBER(nmireason_io_error, XEN_NMIREASON_io_error);
    SAME_NUMBER(nmireason_pci_serr, XEN_NMIREASON_pci_serr);
}

TEST(Trap, StructsHaveXensSizesAndOffsets)
{
    SAME_STRUCT(TrapInfo, struct trap_info, vector, flags, cs, address);
    SAME_STRUCT(IretContext, struct iret_context, rax, r11, rcx, flags, rip, cs, rflags, rsp, ss);
    SAME_STRUCT(CpuUserRegs, struct cpu_user_regs, r15, r14, r13, r12, rbp, rbx, r11, r10, r9, r8, rax, rcx, rdx, rsi,
                rdi, error_code, entry_vector, rip, cs, saved_upcall_mask, rflags, rsp, ss, es, ds, fs, gs);
    SAME_STRUCT(CallbackRegister, struct callback_register, type, flags, address);
    SAME_STRUCT(CallbackUnregister, struct callback_unregister, type);
    SAME_STRUCT(NmiCallback, struct xennmi_callback, handler_address);
}

TEST(Trap, NumbersAreXens)
{
    SAME_NUMBER(CallbackCmd::register_callback, CALLBACKOP_register);
    SAME_NUMBER(CallbackCmd::unregister_callback, CALLBACKOP_unregister);
    SAME_NUMBER(CallbackType::event, CALLBACKTYPE_event);
    SAME_NUMBER(CallbackType::failsafe, CALLBACKTYPE_failsafe);
    SAME_NUMBER(CallbackType::syscall, CALLBACKTYPE_syscall);
    SAME_NUMBER(CallbackType::sysenter_deprecated, CALLBACKTYPE_sysenter_deprecated);
    SAME_NUMBER(CallbackType::nmi, CALLBACKTYPE_nmi);
    SAME_NUMBER(CallbackType::sysenter, CALLBACKTYPE_sysenter);
    SAME_NUMBER(CallbackType::syscall32, CALLBACKTYPE_syscall32);
    SAME_NUMBER(NmiCmd::register_callback, XENNMI_register_callback);
    SAME_NUMBER(NmiCmd::unregister_callback, XENNMI_unregister_callback);
    SAME_NUMBER(SegmentBase::fs, SEGBASE_FS);
    SAME_NUMBER(SegmentBase::gs_user, SEGBASE_GS_USER);
    SAME_NUMBER(SegmentBase::gs_kernel, SEGBASE_GS_KERNEL);
    SAME_NUMBER(SegmentBase::gs_user_sel, SEGBASE_GS_USER_SEL);
    SAME_NUMBER(vgcf_in_syscall, VGCF_in_syscall);
    SAME_NUMBER(callbackf_mask_events, CALLBACKF_mask_events);
}

TEST(Vcpu, StructsHaveXensSizesAndOffsets)
{
    SAME_STRUCT(VcpuRunstateInfo, struct vcpu_runstate_info, state, state_entry_time, time);
    SAME_STRUCT(VcpuRegisterRunstateMemoryArea, struct vcpu_register_runstate_memory_area, addr);
    SAME_STRUCT(VcpuSetPeriodicTimer, struct vcpu_set_periodic_timer, period_ns);
    SAME_STRUCT(VcpuSetSingleshotTimer, struct vcpu_set_singleshot_timer, timeout_abs_ns, flags);
    SAME_STRUCT(VcpuRegisterVcpuInfo, struct vcpu_register_vcpu_info, mfn, offset);
    SAME_STRUCT(VcpuGetPhysid, struct vcpu_get_physid, phys_id);
    SAME_STRUCT(VcpuRegisterTimeMemoryArea, struct vcpu_register_time_memory_area, addr);
    SAME_STRUCT(VcpuGuestContext, struct vcpu_guest_context, fpu_ctxt, fpu_ctxt.x, flags, user_regs, trap_ctxt,
                ldt_base, ldt_ents, gdt_frames, gdt_ents, kernel_ss, kernel_sp, ctrlreg, debugreg, event_callback_eip,
                failsafe_callback_eip, syscall_callback_eip, vm_assist, fs_base, gs_base_kernel, gs_base_user);
}

TEST(Vcpu, NumbersAreXens)
{
    SAME_NUMBER(VcpuCmd::initialise, VCPUOP_initialise);
    SAME_NUMBER(VcpuCmd::up, VCPUOP_up);
    SAME_NUMBER(VcpuCmd::down, VCPUOP_down);
    SAME_NUMBER(VcpuCmd::is_up, VCPUOP_is_up);
    SAME_NUMBER(VcpuCmd::get_runstate_info, VCPUOP_get_runstate_info);
    SAME_NUMBER(VcpuCmd::register_runstate_memory_area, VCPUOP_register_runstate_memory_area);
    SAME_NUMBER(VcpuCmd::set_periodic_timer, VCPUOP_set_periodic_timer);
    SAME_NUMBER(VcpuCmd::stop_periodic_timer, VCPUOP_stop_periodic_timer);
    SAME_NUMBER(VcpuCmd::set_singleshot_timer, VCPUOP_set_singleshot_timer);
    SAME_NUMBER(VcpuCmd::stop_singleshot_timer, VCPUOP_stop_singleshot_timer);
    SAME_NUMBER(VcpuCmd::register_vcpu_info, VCPUOP_register_vcpu_info);
    SAME_NUMBER(VcpuCmd::send_nmi, VCPUOP_send_nmi);
    SAME_NUMBER(VcpuCmd::get_physid, VCPUOP_get_physid);
    SAME_NUMBER(VcpuCmd::register_vcpu_time_memory_area, VCPUOP_register_vcpu_time_memory_area);
    SAME_NUMBER(Runstate::running, RUNSTATE_running);
    SAME_NUMBER(Runstate::runnable, RUNSTATE_runnable);
    SAME_NUMBER(Runstate::blocked, RUNSTATE_blocked);
    SAME_NUMBER(Runstate::offline, RUNSTATE_offline);
    SAME_NUMBER(runstate_update, XEN_RUNSTATE_UPDATE);
    SAME_NUMBER(vcpu_sshottmr_future, VCPU_SSHOTTMR_future);
    SAME_NUMBER(vgcf_i387_valid, VGCF_i387_valid);
    SAME_NUMBER(vgcf_in_kernel, VGCF_in_kernel);
    SAME_NUMBER(vgcf_failsafe_disables_events, VGCF_failsafe_disables_events);
    SAME_NUMBER(vgcf_syscall_disables_events, VGCF_syscall_disables_events);
    SAME_NUMBER(vgcf_online, VGCF_online);
}

TEST(Mmu, StructsHaveXensSizesAndOffsets)
{
    SAME_STRUCT(MmuUpdate, struct mmu_update, ptr, val);
    SAME_STRUCT(MmuextOp, struct mmuext_op, cmd, arg1, arg1.mfn, arg1.linear_addr, arg2, arg2.nr_ents, arg2.vcpumask,
                arg2.src_mfn);
}

TEST(Mmu, NumbersAreXens)
{
    SAME_NUMBER(MmuUpdateCmd::normal_pt_update, MMU_NORMAL_PT_UPDATE);
    SAME_NUMBER(MmuUpdateCmd::machphys_update, MMU_MACHPHYS_UPDATE);
    SAME_NUMBER(MmuUpdateCmd::pt_update_preserve_ad, MMU_PT_UPDATE_PRESERVE_AD);
    SAME_NUMBER(MmuUpdateCmd::pt_update_no_translate, MMU_PT_UPDATE_NO_TRANSLATE);
    SAME_NUMBER(MmuextCmd::pin_l1_table, MMUEXT_PIN_L1_TABLE);
    SAME_NUMBER(MmuextCmd::pin_l2_table, MMUEXT_PIN_L2_TABLE);
    SAME_NUMBER(MmuextCmd::pin_l3_table, MMUEXT_PIN_L3_TABLE);
    SAME_NUMBER(MmuextCmd::pin_l4_table, MMUEXT_PIN_L4_TABLE);
    SAME_NUMBER(MmuextCmd::unpin_table, MMUEXT_UNPIN_TABLE);
    SAME_NUMBER(MmuextCmd::new_baseptr, MMUEXT_NEW_BASEPTR);
    SAME_NUMBER(MmuextCmd::tlb_flush_local, MMUEXT_TLB_FLUSH_LOCAL);
    SAME_NUMBER(MmuextCmd::invlpg_local, MMUEXT_INVLPG_LOCAL);
    SAME_NUMBER(MmuextCmd::tlb_flush_multi, MMUEXT_TLB_FLUSH_MULTI);
    SAME_NUMBER(MmuextCmd::invlpg_multi, MMUEXT_INVLPG_MULTI);
    SAME_NUMBER(MmuextCmd::tlb_flush_all, MMUEXT_TLB_FLUSH_ALL);
    SAME_NUMBER(MmuextCmd::invlpg_all, MMUEXT_INVLPG_ALL);
    SAME_NUMBER(MmuextCmd::flush_cache, MMUEXT_FLUSH_CACHE);
    SAME_NUMBER(MmuextCmd::set_ldt, MMUEXT_SET_LDT);
    SAME_NUMBER(MmuextCmd::new_user_baseptr, MMUEXT_NEW_USER_BASEPTR);
    SAME_NUMBER(MmuextCmd::clear_page, MMUEXT_CLEAR_PAGE);
    SAME_NUMBER(MmuextCmd::copy_page, MMUEXT_COPY_PAGE);
    SAME_NUMBER(MmuextCmd::flush_cache_global, MMUEXT_FLUSH_CACHE_GLOBAL);
    SAME_NUMBER(MmuextCmd::mark_super, MMUEXT_MARK_SUPER);
    SAME_NUMBER(MmuextCmd::unmark_super, MMUEXT_UNMARK_SUPER);
    SAME_NUMBER(VmassistCmd::enable, VMASST_CMD_enable);
    SAME_NUMBER(VmassistCmd::disable, VMASST_CMD_disable);
    SAME_NUMBER(VmassistType::four_gb_segments, VMASST_TYPE_4gb_segments);
    SAME_NUMBER(VmassistType::four_gb_segments_notify, VMASST_TYPE_4gb_segments_notify);
    SAME_NUMBER(VmassistType::writable_pagetables, VMASST_TYPE_writable_pagetables);
    SAME_NUMBER(VmassistType::pae_extended_cr3, VMASST_TYPE_pae_extended_cr3);
    SAME_NUMBER(VmassistType::architectural_iopl, VMASST_TYPE_architectural_iopl);
    SAME_NUMBER(VmassistType::runstate_update_flag, VMASST_TYPE_runstate_update_flag);
    SAME_NUMBER(VmassistType::m2p_strict, VMASST_TYPE_m2p_strict);
    SAME_NUMBER(uvmf_none, UVMF_NONE);
    SAME_NUMBER(uvmf_tlb_flush, UVMF_TLB_FLUSH);
    SAME_NUMBER(uvmf_invlpg, UVMF_INVLPG);
    SAME_NUMBER(uvmf_flushtype_mask, UVMF_FLUSHTYPE_MASK);
    SAME_NUMBER(uvmf_multi, UVMF_MULTI);
    SAME_NUMBER(uvmf_local, UVMF_LOCAL);
    SAME_NUMBER(uvmf_all, UVMF_ALL);
}

TEST(Memory, StructsHaveXensSizesAndOffsets)
{
    SAME_STRUCT(MemoryReservation, struct xen_memory_reservation, extent_start, nr_extents, extent_order, mem_flags,
                domid);
    SAME_STRUCT(MemoryExchange, struct xen_memory_exchange, in, out, nr_exchanged);
    SAME_STRUCT(MemoryDomain, struct xen_memory_domain, domid);
    SAME_STRUCT(MachphysMfnList, struct xen_machphys_mfn_list, max_extents, extent_start, nr_extents);
    SAME_STRUCT(MachphysMapping, struct xen_machphys_mapping, v_start, v_end, max_mfn);
    SAME_STRUCT(AddToPhysmap, struct xen_add_to_physmap, domid, size, space, idx, gpfn);
    SAME_STRUCT(AddToPhysmapBatch, struct xen_add_to_physmap_batch, domid, space, size, idxs, gpfns, errs);
    SAME_STRUCT(RemoveFromPhysmap, struct xen_remove_from_physmap, domid, gpfn);
    SAME_STRUCT(MemoryMap, struct xen_memory_map, nr_entries, buffer);
    SAME_STRUCT(ForeignMemoryMap, struct xen_foreign_memory_map, domid, map);
    SAME_STRUCT(PodTarget, struct xen_pod_target, target_pages, tot_pages, pod_cache_pages, pod_entries, domid);
    SAME_STRUCT(ReservedDeviceMemory, struct xen_reserved_device_memory, start_pfn, nr_pages);
    SAME_STRUCT(ReservedDeviceMemoryMap, struct xen_reserved_device_memory_map, flags, nr_entries, buffer);
    SAME_STRUCT(MemAcquireResource, struct xen_mem_acquire_resource, domid, type, id, nr_frames, frame, frame_list);
    SAME_STRUCT(Vmemrange, struct xen_vmemrange, start, end, flags, nid);
    SAME_STRUCT(VnumaTopologyInfo, struct xen_vnuma_topology_info, domid, nr_vnodes, nr_vcpus, nr_vmemranges, vdistance,
                vcpu_to_vnode, vmemrange);
    SAME_FIELD_NAMED(AddToPhysmapBatch, foreign_domid, struct xen_add_to_physmap_batch, u.foreign_domid);
    SAME_FIELD_NAMED(ReservedDeviceMemoryMap, pci, struct xen_reserved_device_memory_map, dev.pci);
}

TEST(Memory, NumbersAreXens)
{
    SAME_NUMBER(MemoryCmd::increase_reservation, XENMEM_increase_reservation);
    SAME_NUMBER(MemoryCmd::decrease_reservation, XENMEM_decrease_reservation);
    SAME_NUMBER(MemoryCmd::maximum_ram_page, XENMEM_maximum_ram_page);
    SAME_NUMBER(MemoryCmd::current_reservation, XENMEM_current_reservation);
    SAME_NUMBER(MemoryCmd::maximum_reservation, XENMEM_maximum_reservation);
    SAME_NUMBER(MemoryCmd::machphys_mfn_list, XENMEM_machphys_mfn_list);
    SAME_NUMBER(MemoryCmd::populate_physmap, XENMEM_populate_physmap);
    SAME_NUMBER(MemoryCmd::add_to_physmap, XENMEM_add_to_physmap);
    SAME_NUMBER(MemoryCmd::memory_map, XENMEM_memory_map);
    SAME_NUMBER(MemoryCmd::machine_memory_map, XENMEM_machine_memory_map);
    SAME_NUMBER(MemoryCmd::exchange, XENMEM_exchange);
    SAME_NUMBER(MemoryCmd::machphys_mapping, XENMEM_machphys_mapping);
    SAME_NUMBER(MemoryCmd::set_memory_map, XENMEM_set_memory_map);
    SAME_NUMBER(MemoryCmd::maximum_gpfn, XENMEM_maximum_gpfn);
    SAME_NUMBER(MemoryCmd::remove_from_physmap, XENMEM_remove_from_physmap);
    SAME_NUMBER(MemoryCmd::set_pod_target, XENMEM_set_pod_target);
    SAME_NUMBER(MemoryCmd::get_pod_target, XENMEM_get_pod_target);
    SAME_NUMBER(MemoryCmd::get_sharing_freed_pages, XENMEM_get_sharing_freed_pages);
    SAME_NUMBER(MemoryCmd::get_sharing_shared_pages, XENMEM_get_sharing_shared_pages);
    SAME_NUMBER(MemoryCmd::paging_op, XENMEM_paging_op);
    SAME_NUMBER(MemoryCmd::access_op, XENMEM_access_op);
    SAME_NUMBER(MemoryCmd::sharing_op, XENMEM_sharing_op);
    SAME_NUMBER(MemoryCmd::add_to_physmap_batch, XENMEM_add_to_physmap_batch);
    SAME_NUMBER(MemoryCmd::claim_pages, XENMEM_claim_pages);
    SAME_NUMBER(MemoryCmd::machphys_compat_mfn_list, XENMEM_machphys_compat_mfn_list);
    SAME_NUMBER(MemoryCmd::get_vnumainfo, XENMEM_get_vnumainfo);
    SAME_NUMBER(MemoryCmd::reserved_device_memory_map, XENMEM_reserved_device_memory_map);
    SAME_NUMBER(MemoryCmd::acquire_resource, XENMEM_acquire_resource);
    SAME_NUMBER(MapSpace::shared_info, XENMAPSPACE_shared_info);
    SAME_NUMBER(MapSpace::grant_table, XENMAPSPACE_grant_table);
    SAME_NUMBER(MapSpace::gmfn, XENMAPSPACE_gmfn);
    SAME_NUMBER(MapSpace::gmfn_range, XENMAPSPACE_gmfn_range);
    SAME_NUMBER(MapSpace::gmfn_foreign, XENMAPSPACE_gmfn_foreign);
    SAME_NUMBER(MapSpace::dev_mmio, XENMAPSPACE_dev_mmio);
    SAME_NUMBER(ResourceType::ioreq_server, XENMEM_resource_ioreq_server);
    SAME_NUMBER(ResourceType::grant_table, XENMEM_resource_grant_table);
    SAME_NUMBER(ResourceType::vmtrace_buf, XENMEM_resource_vmtrace_buf);
    SAME_NUMBER(memf_populate_on_demand, XENMEMF_populate_on_demand);
    SAME_NUMBER(memf_exact_node_request, XENMEMF_exact_node_request);
    SAME_NUMBER(memf_vnode, XENMEMF_vnode);
    SAME_NUMBER(mapidx_grant_table_status, XENMAPIDX_grant_table_status);
    SAME_NUMBER(rdm_all, XENMEM_RDM_ALL);
    SAME_NUMBER(resource_grant_table_id_shared, XENMEM_resource_grant_table_id_shared);
    SAME_NUMBER(resource_grant_table_id_status, XENMEM_resource_grant_table_id_status);
}

TEST(Physdev, StructsHaveXensSizesAndOffsets)
{
    SAME_STRUCT(PhysdevEoi, struct physdev_eoi, irq);
    SAME_STRUCT(PhysdevPirqEoiGmfn, struct physdev_pirq_eoi_gmfn, gmfn);
    SAME_STRUCT(PhysdevIrqStatusQuery, struct physdev_irq_status_query, irq, flags);
    SAME_STRUCT(PhysdevSetIopl, struct physdev_set_iopl, iopl);
    SAME_STRUCT(PhysdevSetIobitmap, struct physdev_set_iobitmap, bitmap, nr_ports);
    SAME_STRUCT(PhysdevApic, struct physdev_apic, apic_physbase, reg, value);
    SAME_STRUCT(PhysdevIrq, struct physdev_irq, irq, vector);
    SAME_STRUCT(PhysdevMapPirq, struct physdev_map_pirq, domid, type, index, pirq, bus, devfn, entry_nr, table_base);
    SAME_STRUCT(PhysdevUnmapPirq, struct physdev_unmap_pirq, domid, pirq);
    SAME_STRUCT(PhysdevManagePci, struct physdev_manage_pci, bus, devfn);
    SAME_STRUCT(PhysdevManagePciExt, struct physdev_manage_pci_ext, bus, devfn, is_extfn, is_virtfn, physfn, physfn.bus,
                physfn.devfn);
    SAME_STRUCT(PhysdevOpCompat, struct physdev_op, cmd, u, u.irq_status_query, u.set_iopl, u.set_iobitmap, u.apic_op,
                u.irq_op);
    SAME_STRUCT(PhysdevSetupGsi, struct physdev_setup_gsi, gsi, triggering, polarity);
    SAME_STRUCT(PhysdevGetFreePirq, struct physdev_get_free_pirq, type, pirq);
    SAME_STRUCT(PhysdevPciMmcfgReserved, struct physdev_pci_mmcfg_reserved, address, segment, start_bus, end_bus,
                flags);
    SAME_STRUCT(PhysdevPciDeviceAdd, struct physdev_pci_device_add, seg, bus, devfn, flags, physfn, physfn.bus,
                physfn.devfn);
    SAME_STRUCT(PhysdevPciDevice, struct physdev_pci_device, seg, bus, devfn);
    SAME_STRUCT(PhysdevDbgpOp, struct physdev_dbgp_op, op, bus);
    SAME_FIELD_NAMED(PhysdevDbgpOp, pci, struct physdev_dbgp_op, u.pci);
}

TEST(Physdev, NumbersAreXens)
{
    SAME_NUMBER(PhysdevCmd::irq_unmask_notify, PHYSDEVOP_IRQ_UNMASK_NOTIFY);
    SAME_NUMBER(PhysdevCmd::irq_status_query, PHYSDEVOP_irq_status_query);
    SAME_NUMBER(PhysdevCmd::set_iopl, PHYSDEVOP_set_iopl);
    SAME_NUMBER(PhysdevCmd::set_iobitmap, PHYSDEVOP_set_iobitmap);
    SAME_NUMBER(PhysdevCmd::apic_read, PHYSDEVOP_apic_read);
    SAME_NUMBER(PhysdevCmd::apic_write, PHYSDEVOP_apic_write);
    SAME_NUMBER(PhysdevCmd::alloc_irq_vector, PHYSDEVOP_alloc_irq_vector);
    SAME_NUMBER(PhysdevCmd::free_irq_vector, PHYSDEVOP_free_irq_vector);
    SAME_NUMBER(PhysdevCmd::eoi, PHYSDEVOP_eoi);
    SAME_NUMBER(PhysdevCmd::map_pirq, PHYSDEVOP_map_pirq);
    SAME_NUMBER(PhysdevCmd::unmap_pirq, PHYSDEVOP_unmap_pirq);
    SAME_NUMBER(PhysdevCmd::manage_pci_add, PHYSDEVOP_manage_pci_add);
    SAME_NUMBER(PhysdevCmd::manage_pci_remove, PHYSDEVOP_manage_pci_remove);
    SAME_NUMBER(PhysdevCmd::pirq_eoi_gmfn_v1, PHYSDEVOP_pirq_eoi_gmfn_v1);
    SAME_NUMBER(PhysdevCmd::restore_msi, PHYSDEVOP_restore_msi);
    SAME_NUMBER(PhysdevCmd::manage_pci_add_ext, PHYSDEVOP_manage_pci_add_ext);
    SAME_NUMBER(PhysdevCmd::setup_gsi, PHYSDEVOP_setup_gsi);
    SAME_NUMBER(PhysdevCmd::get_free_pirq, PHYSDEVOP_get_free_pirq);
    SAME_NUMBER(PhysdevCmd::pci_mmcfg_reserved, PHYSDEVOP_pci_mmcfg_reserved);
    SAME_NUMBER(PhysdevCmd::pci_device_add, PHYSDEVOP_pci_device_add);
    SAME_NUMBER(PhysdevCmd::pci_device_remove, PHYSDEVOP_pci_device_remove);
    SAME_NUMBER(PhysdevCmd::restore_msi_ext, PHYSDEVOP_restore_msi_ext);
    SAME_NUMBER(PhysdevCmd::pirq_eoi_gmfn_v2, PHYSDEVOP_pirq_eoi_gmfn_v2);
    SAME_NUMBER(PhysdevCmd::dbgp_op, PHYSDEVOP_dbgp_op);
    SAME_NUMBER(PhysdevCmd::prepare_msix, PHYSDEVOP_prepare_msix);
    SAME_NUMBER(PhysdevCmd::release_msix, PHYSDEVOP_release_msix);
    SAME_NUMBER(MapPirqType::msi, MAP_PIRQ_TYPE_MSI);
    SAME_NUMBER(MapPirqType::gsi, MAP_PIRQ_TYPE_GSI);
    SAME_NUMBER(MapPirqType::unknown, MAP_PIRQ_TYPE_UNKNOWN);
    SAME_NUMBER(MapPirqType::msi_seg, MAP_PIRQ_TYPE_MSI_SEG);
    SAME_NUMBER(MapPirqType::multi_msi, MAP_PIRQ_TYPE_MULTI_MSI);
    SAME_NUMBER(irqstat_needs_eoi, XENIRQSTAT_needs_eoi);
    SAME_NUMBER(irqstat_shared, XENIRQSTAT_shared);
    SAME_NUMBER(pci_mmcfg_reserved_flag, XEN_PCI_MMCFG_RESERVED);
    SAME_NUMBER(pci_dev_extfn, XEN_PCI_DEV_EXTFN);
    SAME_NUMBER(pci_dev_virtfn, XEN_PCI_DEV_VIRTFN);
    SAME_NUMBER(pci_dev_pxm, XEN_PCI_DEV_PXM);
    SAME_NUMBER(dbgp_reset_prepare, PHYSDEVOP_DBGP_RESET_PREPARE);
    SAME_NUMBER(dbgp_reset_done, PHYSDEVOP_DBGP_RESET_DONE);
    SAME_NUMBER(dbgp_bus_unknown, PHYSDEVOP_DBGP_BUS_UNKNOWN);
    SAME_NUMBER(dbgp_bus_pci, PHYSDEVOP_DBGP_BUS_PCI);
}

TEST(Sched, StructsHaveXensSizesAndOffsets)
{
    SAME_STRUCT(SchedShutdown, struct sched_shutdown, reason);
    SAME_STRUCT(SchedPoll, struct sched_poll, ports, nr_ports, timeout);
    SAME_STRUCT(SchedRemoteShutdown, struct sched_remote_shutdown, domain_id, reason);
    SAME_STRUCT(SchedWatchdog, struct sched_watchdog, id, timeout);
    SAME_STRUCT(SchedPinOverride, struct sched_pin_override, pcpu);
}

TEST(Sched, NumbersAreXens)
{
    SAME_NUMBER(SchedCmd::yield, SCHEDOP_yield);
    SAME_NUMBER(SchedCmd::block, SCHEDOP_block);
    SAME_NUMBER(SchedCmd::shutdown, SCHEDOP_shutdown);
    SAME_NUMBER(SchedCmd::poll, SCHEDOP_poll);
    SAME_NUMBER(SchedCmd::remote_shutdown, SCHEDOP_remote_shutdown);
    SAME_NUMBER(SchedCmd::shutdown_code, SCHEDOP_shutdown_code);
    SAME_NUMBER(SchedCmd::watchdog, SCHEDOP_watchdog);
    SAME_NUMBER(SchedCmd::pin_override, SCHEDOP_pin_override);
    SAME_NUMBER(ShutdownReason::poweroff, SHUTDOWN_poweroff);
    SAME_NUMBER(ShutdownReason::reboot, SHUTDOWN_reboot);
    SAME_NUMBER(ShutdownReason::suspend, SHUTDOWN_suspend);
    SAME_NUMBER(ShutdownReason::crash, SHUTDOWN_crash);
    SAME_NUMBER(ShutdownReason::watchdog, SHUTDOWN_watchdog);
    SAME_NUMBER(ShutdownReason::soft_reset, SHUTDOWN_soft_reset);
    SAME_NUMBER(shutdown_max, SHUTDOWN_MAX);
}

TEST(Version, StructsHaveXensSizesAndOffsets)
{
    SAME_SIZE(Extraversion, xen_extraversion_t);
    SAME_STRUCT(CompileInfo, struct xen_compile_info, compiler, compile_by, compile_domain, compile_date);
    SAME_SIZE(CapabilitiesInfo, xen_capabilities_info_t);
    SAME_SIZE(ChangesetInfo, xen_changeset_info_t);
    SAME_STRUCT(PlatformParameters, struct xen_platform_parameters, virt_start);
    SAME_STRUCT(FeatureInfo, struct xen_feature_info, submap_idx, submap);
    SAME_SIZE(Commandline, xen_commandline_t);
    SAME_STRUCT(BuildId, struct xen_build_id, len);
}

TEST(Version, NumbersAreXens)
{
    SAME_NUMBER(VersionCmd::version, XENVER_version);
    SAME_NUMBER(VersionCmd::extraversion, XENVER_extraversion);
    SAME_NUMBER(VersionCmd::compile_info, XENVER_compile_info);
    SAME_NUMBER(VersionCmd::capabilities, XENVER_capabilities);
    SAME_NUMBER(VersionCmd::changeset, XENVER_changeset);
    SAME_NUMBER(VersionCmd::platform_parameters, XENVER_platform_parameters);
    SAME_NUMBER(VersionCmd::get_features, XENVER_get_features);
    SAME_NUMBER(VersionCmd::pagesize, XENVER_pagesize);
    SAME_NUMBER(VersionCmd::guest_handle, XENVER_guest_handle);
    SAME_NUMBER(VersionCmd::commandline, XENVER_commandline);
    SAME_NUMBER(VersionCmd::build_id, XENVER_build_id);
}

TEST(Features, NumbersAreXens)
{
    SAME_NUMBER(Feature::writable_page_tables, XENFEAT_writable_page_tables);
    SAME_NUMBER(Feature::writable_descriptor_tables, XENFEAT_writable_descriptor_tables);
    SAME_NUMBER(Feature::auto_translated_physmap, XENFEAT_auto_translated_physmap);
    SAME_NUMBER(Feature::supervisor_mode_kernel, XENFEAT_supervisor_mode_kernel);
    SAME_NUMBER(Feature::pae_pgdir_above_4gb, XENFEAT_pae_pgdir_above_4gb);
    SAME_NUMBER(Feature::mmu_pt_update_preserve_ad, XENFEAT_mmu_pt_update_preserve_ad);
    SAME_NUMBER(Feature::highmem_assist, XENFEAT_highmem_assist);
    SAME_NUMBER(Feature::gnttab_map_avail_bits, XENFEAT_gnttab_map_avail_bits);
    SAME_NUMBER(Feature::hvm_callback_vector, XENFEAT_hvm_callback_vector);
    SAME_NUMBER(Feature::hvm_safe_pvclock, XENFEAT_hvm_safe_pvclock);
    SAME_NUMBER(Feature::hvm_pirqs, XENFEAT_hvm_pirqs);
    SAME_NUMBER(Feature::dom0, XENFEAT_dom0);
    SAME_NUMBER(Feature::memory_op_vnode_supported, XENFEAT_memory_op_vnode_supported);
    SAME_NUMBER(Feature::arm_smccc_supported, XENFEAT_ARM_SMCCC_supported);
    SAME_NUMBER(Feature::linux_rsdp_unrestricted, XENFEAT_linux_rsdp_unrestricted);
    SAME_NUMBER(Feature::not_direct_mapped, XENFEAT_not_direct_mapped);
    SAME_NUMBER(Feature::direct_mapped, XENFEAT_direct_mapped);
    SAME_NUMBER(nr_feature_submaps, XENFEAT_NR_SUBMAPS);
}

TEST(Elfnote, NumbersAreXens)
{
    SAME_NUMBER(ElfNote::info, XEN_ELFNOTE_INFO);
    SAME_NUMBER(ElfNote::entry, XEN_ELFNOTE_ENTRY);
    SAME_NUMBER(ElfNote::hypercall_page, XEN_ELFNOTE_HYPERCALL_PAGE);
    SAME_NUMBER(ElfNote::virt_base, XEN_ELFNOTE_VIRT_BASE);
    SAME_NUMBER(ElfNote::paddr_offset, XEN_ELFNOTE_PADDR_OFFSET);
    SAME_NUMBER(ElfNote::xen_version, XEN_ELFNOTE_XEN_VERSION);
    SAME_NUMBER(ElfNote::guest_os, XEN_ELFNOTE_GUEST_OS);
    SAME_NUMBER(ElfNote::guest_version, XEN_ELFNOTE_GUEST_VERSION);
    SAME_NUMBER(ElfNote::loader, XEN_ELFNOTE_LOADER);
    SAME_NUMBER(ElfNote::pae_mode, XEN_ELFNOTE_PAE_MODE);
    SAME_NUMBER(ElfNote::features, XEN_ELFNOTE_FEATURES);
    SAME_NUMBER(ElfNote::bsd_symtab, XEN_ELFNOTE_BSD_SYMTAB);
    SAME_NUMBER(ElfNote::hv_start_low, XEN_ELFNOTE_HV_START_LOW);
    SAME_NUMBER(ElfNote::l1_mfn_valid, XEN_ELFNOTE_L1_MFN_VALID);
    SAME_NUMBER(ElfNote::suspend_cancel, XEN_ELFNOTE_SUSPEND_CANCEL);
    SAME_NUMBER(ElfNote::init_p2m, XEN_ELFNOTE_INIT_P2M);
    SAME_NUMBER(ElfNote::mod_start_pfn, XEN_ELFNOTE_MOD_START_PFN);
    SAME_NUMBER(ElfNote::supported_features, XEN_ELFNOTE_SUPPORTED_FEATURES);
    SAME_NUMBER(ElfNote::phys32_entry, XEN_ELFNOTE_PHYS32_ENTRY);
    SAME_NUMBER(elfnote_max, XEN_ELFNOTE_MAX);
}

TEST(Cpuid, StructsHaveXensSizesAndOffsets)
{
    SAME_STRUCT(CpuidLeaf, struct xen_cpuid_leaf, leaf, subleaf, a, b, c, d);
    SAME_STRUCT(MsrEntry, struct xen_msr_entry, idx, flags, val);
}

TEST(Cpuid, NumbersAreXens)
{
    SAME_NUMBER(cpuid_first_leaf, XEN_CPUID_FIRST_LEAF);
    SAME_NUMBER(cpuid_signature_ebx, XEN_CPUID_SIGNATURE_EBX);
    SAME_NUMBER(cpuid_signature_ecx, XEN_CPUID_SIGNATURE_ECX);
    SAME_NUMBER(cpuid_signature_edx, XEN_CPUID_SIGNATURE_EDX);
    SAME_NUMBER(cpuid_feat1_mmu_pt_update_preserve_ad, XEN_CPUID_FEAT1_MMU_PT_UPDATE_PRESERVE_AD);
    SAME_NUMBER(cpuid_machine_address_width_mask, XEN_CPUID_MACHINE_ADDRESS_WIDTH_MASK);
    SAME_NUMBER(cpuid_max_num_leaves, XEN_CPUID_MAX_NUM_LEAVES);
    SAME_NUMBER(cpuid_no_subleaf, XEN_CPUID_NO_SUBLEAF);
}

TEST(Hvm, StructsHaveXensSizesAndOffsets)
{
    SAME_STRUCT(HvmParam, struct xen_hvm_param, domid, index, value);
    SAME_STRUCT(HvmPagetableDying, struct xen_hvm_pagetable_dying, domid, gpa);
    SAME_STRUCT(HvmGetTime, struct xen_hvm_get_time, now);
    SAME_STRUCT(HvmXentrace, struct xen_hvm_xentrace, event, extra_bytes, extra);
    SAME_STRUCT(HvmGetMemType, struct xen_hvm_get_mem_type, domid, mem_type, pfn);
    SAME_STRUCT(DmOpBuf, struct xen_dm_op_buf, h, size);
}

TEST(Hvm, NumbersAreXens)
{
    SAME_NUMBER(HvmCmd::set_param, HVMOP_set_param);
    SAME_NUMBER(HvmCmd::get_param, HVMOP_get_param);
    SAME_NUMBER(HvmCmd::flush_tlbs, HVMOP_flush_tlbs);
    SAME_NUMBER(HvmCmd::pagetable_dying, HVMOP_pagetable_dying);
    SAME_NUMBER(HvmCmd::get_time, HVMOP_get_time);
    SAME_NUMBER(HvmCmd::xentrace, HVMOP_xentrace);
    SAME_NUMBER(HvmCmd::get_mem_type, HVMOP_get_mem_type);
    SAME_NUMBER(HvmCmd::set_evtchn_upcall_vector, HVMOP_set_evtchn_upcall_vector);
    SAME_NUMBER(HvmCmd::guest_request_vm_event, HVMOP_guest_request_vm_event);
    SAME_NUMBER(HvmCmd::altp2m, HVMOP_altp2m);
    SAME_NUMBER(hvm_nr_params, HVM_NR_PARAMS);
    SAME_NUMBER(hvm_xentrace_events, (1u << TRC_SUBCLS_SHIFT) - 1);
}

TEST(Xenpmu, StructsHaveXensSizesAndOffsets)
{
    SAME_STRUCT(XenpmuParams, struct xen_pmu_params, version, version.maj, version.min, val, vcpu);
}

TEST(Xenpmu, NumbersAreXens)
{
    SAME_NUMBER(XenpmuCmd::mode_get, XENPMU_mode_get);
    SAME_NUMBER(XenpmuCmd::mode_set, XENPMU_mode_set);
    SAME_NUMBER(XenpmuCmd::feature_get, XENPMU_feature_get);
    SAME_NUMBER(XenpmuCmd::feature_set, XENPMU_feature_set);
    SAME_NUMBER(XenpmuCmd::init, XENPMU_init);
    SAME_NUMBER(XenpmuCmd::finish, XENPMU_finish);
    SAME_NUMBER(XenpmuCmd::lvtpc_set, XENPMU_lvtpc_set);
    SAME_NUMBER(XenpmuCmd::flush, XENPMU_flush);
}

TEST(X8664Layout, NumbersAreXens)
{
    SAME_NUMBER(hypervisor_virt_start, HYPERVISOR_VIRT_START);
    SAME_NUMBER(hypervisor_virt_end, HYPERVISOR_VIRT_END);
    SAME_NUMBER(mach2phys_virt_start, MACH2PHYS_VIRT_START);
    SAME_NUMBER(mach2phys_virt_end, MACH2PHYS_VIRT_END);
    SAME_NUMBER(mach2phys_nr_entries, MACH2PHYS_NR_ENTRIES);
    SAME_NUMBER(flat_ring3_cs32, FLAT_RING3_CS32);
    SAME_NUMBER(flat_ring3_cs64, FLAT_RING3_CS64);
    SAME_NUMBER(flat_ring3_ds32, FLAT_RING3_DS32);
    SAME_NUMBER(flat_ring3_ds64, FLAT_RING3_DS64);
    SAME_NUMBER(flat_ring3_ss32, FLAT_RING3_SS32);
    SAME_NUMBER(flat_ring3_ss64, FLAT_RING3_SS64);
    SAME_NUMBER(first_reserved_gdt_page, FIRST_RESERVED_GDT_PAGE);
    SAME_NUMBER(first_reserved_gdt_byte, FIRST_RESERVED_GDT_BYTE);
    SAME_NUMBER(first_reserved_gdt_entry, FIRST_RESERVED_GDT_ENTRY);
}

}
