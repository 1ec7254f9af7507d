// The MSRs by groups: segment bases and the like, machine check, Intel's, AMD's, the hypervisor's own. Each group takes
// an index or passes it on; an index that none takes faults.

#include "hypervisor/domain/msr_policy.hpp"

#include "hypervisor/abi/x86_64/layout.hpp"

namespace xylem {
namespace {

namespace msr {
constexpr u32 tsc = 0x10, platform_id = 0x17, apic_base = 0x1b, feature_control = 0x3a, microcode_revision = 0x8b,
              p6_counter_first = 0xc1, p6_counter_last = 0xc8, platform_info = 0xce, mperf = 0xe7, aperf = 0xe8,
              arch_capabilities = 0x10a, misc_features_enables = 0x140, mcg_cap = 0x179, mcg_status = 0x17a,
              mcg_control = 0x17b, p6_event_first = 0x186, p6_event_last = 0x189, perf_status = 0x198,
              perf_control = 0x199, therm_status = 0x19c, misc_enable = 0x1a0, pat = 0x277, mci_control2_first = 0x280,
              mci_control2_last = 0x29f, fixed_counter_first = 0x309, fixed_counter_last = 0x30b,
              perf_capabilities = 0x345, perf_control_first = 0x38d, perf_control_last = 0x390, mci_first = 0x400,
              mci_last = 0x47f;
constexpr u32 hypervisor_first = 0x40000000, hypervisor_last = 0x400002ff;
constexpr u32 efer = 0xc0000080, fs_base = 0xc0000100, gs_base = 0xc0000101, kernel_gs_base = 0xc0000102,
              tsc_aux = 0xc0000103;
constexpr u32 k7_counter_first = 0xc0010000, k7_counter_last = 0xc0010007, syscfg = 0xc0010010, hwcr = 0xc0010015,
              iorr_first = 0xc0010016, top_mem = 0xc001001a, top_mem2 = 0xc001001d, nb_config = 0xc001001f,
              fidvid_control = 0xc0010041, fidvid_status = 0xc0010042, pstate_first = 0xc0010061,
              pstate_last = 0xc001006b, tseg_base = 0xc0010112, tseg_mask = 0xc0010113,
              fam15_counter_first = 0xc0010200, fam15_counter_last = 0xc001020b, de_config = 0xc0011029;
}

// The page attribute table that every PV guest runs with: WB WT UC- UC WC WP UC UC.
constexpr u64 page_attribute_table = 0x0000050100070406;
constexpr u64 apic_base_value = 0xfee00800, apic_base_boot_processor = 0x100;
constexpr u64 misc_enable_hidden = 1u << 7 | 1u << 18;            // performance monitoring, MONITOR
constexpr u64 misc_enable_shown = 1u << 11 | 1u << 12 | 1u << 23; // no branch traces, no sampling, no xTPR messages
constexpr u64 efer_svme = 1u << 12;
constexpr u64 syscfg_shown = 1u << 18 | 1u << 20 | 1u << 21 | 1u << 22; // those that tell of memory's layout
constexpr u64 de_config_lfence_dispatch = 1u << 1;
constexpr u64 platform_cpuid_faulting = u64{1} << 31;
// Intel's vMCE: software error recovery, threshold status, corrected-error interrupts.
constexpr u64 mcg_cap_intel = 1u << 24 | 1u << 11 | 1u << 10;

constexpr MsrReply done(u64 value = 0)
{
    return {MsrOutcome::Done, value, 0};
}

constexpr MsrReply fault()
{
    return {MsrOutcome::Fault, 0, 0};
}

constexpr MsrReply host(u64 mask = ~u64{0}, u64 set = 0)
{
    return {MsrOutcome::Host, set, mask};
}

constexpr bool within(u32 index, u32 first, u32 last)
{
    return index >= first && index <= last;
}

bool is_intel(const MsrContext& context)
{
    return context.policy.vendor == CpuVendor::Intel;
}

bool is_amd(const MsrContext& context)
{
    return context.policy.vendor == CpuVendor::Amd || context.policy.vendor == CpuVendor::Hygon;
}

bool is_performance_counter(u32 index, const MsrContext& context)
{
    if (is_intel(context))
        return within(index, msr::p6_counter_first, msr::p6_counter_last) ||
               within(index, msr::p6_event_first, msr::p6_event_last) ||
               within(index, msr::fixed_counter_first, msr::fixed_counter_last) ||
               within(index, msr::perf_control_first, msr::perf_control_last);
    return is_amd(context) && (within(index, msr::k7_counter_first, msr::k7_counter_last) ||
                               within(index, msr::fam15_counter_first, msr::fam15_counter_last));
}

// ---- machine check: a bank reads as empty and takes what a kernel writes to set it up

bool is_machine_check(u32 index)
{
    return within(index, msr::mcg_cap, msr::mcg_control) || within(index, msr::mci_first, msr::mci_last) ||
           within(index, msr::mci_control2_first, msr::mci_control2_last);
}

constexpr u32 mci_registers = 4; // CTL, STATUS, ADDR, MISC

u64 read_machine_check(u32 index, const MsrContext& context, const VcpuMsrs& msrs)
{
    switch (index) {
    case msr::mcg_cap:
        return vmce_banks | (is_intel(context) ? mcg_cap_intel : 0);
    case msr::mcg_status:
        return msrs.mcg_status;
    case msr::mcg_control:
        return 0;
    default:
        break;
    }
    if (index < msr::mci_first) {
        u32 bank = index - msr::mci_control2_first;
        return bank < vmce_banks ? msrs.mci_control2[bank] : 0;
    }
    u32 bank = (index - msr::mci_first) / mci_registers;
    bool control = (index - msr::mci_first) % mci_registers == 0;
    return bank < vmce_banks && control ? ~u64{0} : 0;
}

MsrReply write_machine_check(u32 index, u64 value, const MsrContext& context, VcpuMsrs& msrs)
{
    if (index == msr::mcg_status)
        msrs.mcg_status = value;
    if (within(index, msr::mci_control2_first, msr::mci_control2_last)) {
        u32 bank = index - msr::mci_control2_first;
        if (bank < vmce_banks && is_intel(context))
            msrs.mci_control2[bank] = value;
    }
    if (within(index, msr::mci_first, msr::mci_last)) {
        u32 bank = (index - msr::mci_first) / mci_registers;
        bool control = (index - msr::mci_first) % mci_registers == 0;
        if (bank < vmce_banks && !control && value != 0) // a status can be cleared, not made up
            return fault();
    }
    return done();
}

// ---- reads

bool read_common(u32 index, const MsrContext& context, const VcpuMsrs& msrs, MsrReply& reply)
{
    const CpuPolicy& policy = context.policy;
    const FeatureSet features = features_of(policy);
    switch (index) {
    case msr::fs_base:
        reply = {MsrOutcome::FsBase, 0, 0};
        return true;
    case msr::gs_base:
        reply = {MsrOutcome::GsBase, 0, 0};
        return true;
    case msr::kernel_gs_base:
        reply = {MsrOutcome::KernelGsBase, 0, 0};
        return true;
    case msr::tsc:
        reply = {MsrOutcome::Tsc, 0, 0};
        return true;
    case msr::efer:
        reply = done(context.machine_efer & ~efer_svme);
        return true;
    case msr::tsc_aux:
        reply = features.has(feature::rdtscp) || features.has(feature::rdpid) ? done(msrs.tsc_aux) : fault();
        return true;
    case msr::apic_base:
        reply = done(apic_base_value | (context.vcpu_id == 0 ? apic_base_boot_processor : 0));
        return true;
    case msr::pat:
        reply = done(page_attribute_table);
        return true;
    case msr::platform_info:
        reply = done(policy.platform_info);
        return true;
    case msr::arch_capabilities:
        reply = features.has(feature::arch_caps) ? done(policy.arch_capabilities) : fault();
        return true;
    case msr::misc_features_enables:
        reply = done(msrs.cpuid_faulting ? 1 : 0);
        return true;
    case msr::misc_enable:
        reply = host(~misc_enable_hidden, misc_enable_shown);
        return true;
    case msr::microcode_revision:
        reply = is_intel(context) || is_amd(context) ? host() : fault();
        return true;
    case msr::perf_capabilities:
    case msr::nb_config: // AMD's, but read as 0 everywhere
    case msr::hypervisor_first:
        reply = done();
        return true;
    default:
        return false;
    }
}

bool read_intel(u32 index, MsrReply& reply)
{
    switch (index) {
    case msr::platform_id:
        reply = host();
        return true;
    case msr::feature_control:
        reply = done(1); // locked, with nothing enabled
        return true;
    case msr::perf_status:
    case msr::perf_control:
    case msr::therm_status:
        reply = done();
        return true;
    default:
        return false;
    }
}

bool read_amd(u32 index, const MsrContext& context, MsrReply& reply)
{
    switch (index) {
    case msr::hwcr:
    case msr::fidvid_control:
    case msr::fidvid_status:
        reply = done();
        return true;
    case msr::de_config:
        reply = done(de_config_lfence_dispatch);
        return true;
    case msr::syscfg:
        reply = context.is_hardware_domain ? host(syscfg_shown) : fault();
        return true;
    case msr::top_mem:
    case msr::top_mem2:
    case msr::tseg_base:
    case msr::tseg_mask:
        reply = context.is_hardware_domain ? host() : fault();
        return true;
    default:
        break;
    }
    if (within(index, msr::iorr_first, msr::iorr_first + 3)) {
        reply = context.is_hardware_domain ? host() : fault();
        return true;
    }
    if (within(index, msr::pstate_first, msr::pstate_last)) {
        reply = done();
        return true;
    }
    return false;
}

// ---- writes

bool write_common(u32 index, u64 value, const MsrContext& context, VcpuMsrs& msrs, MsrReply& reply)
{
    auto base = [&](MsrOutcome outcome) {
        reply = abi::is_canonical(value) ? MsrReply{outcome, value, 0} : fault();
        return true;
    };
    const FeatureSet features = features_of(context.policy);
    switch (index) {
    case msr::fs_base:
        return base(MsrOutcome::FsBase);
    case msr::gs_base:
        return base(MsrOutcome::GsBase);
    case msr::kernel_gs_base:
        return base(MsrOutcome::KernelGsBase);
    case msr::efer:
        reply = value == (context.machine_efer & ~efer_svme) ? done() : fault();
        return true;
    case msr::tsc_aux:
        if ((!features.has(feature::rdtscp) && !features.has(feature::rdpid)) || value >> 32 != 0)
            return true; // faults
        msrs.tsc_aux = static_cast<u32>(value);
        reply = done();
        return true;
    case msr::misc_features_enables:
        if (value > 1 || (value == 1 && (context.policy.platform_info & platform_cpuid_faulting) == 0))
            return true; // faults
        msrs.cpuid_faulting = value & 1;
        reply = done();
        return true;
    case msr::misc_enable:
        reply = done();
        return true;
    case msr::mperf:
    case msr::aperf:
        reply = is_intel(context) || is_amd(context) ? done() : fault();
        return true;
    case msr::microcode_revision:
        reply = is_intel(context) && value == 0 ? done() : fault();
        return true;
    case msr::hypervisor_first:
        reply = (value & ~page_mask) == 0 ? MsrReply{MsrOutcome::HypercallPage, value, 0} : fault();
        return true;
    default:
        return false;
    }
}

bool write_is_dropped(u32 index, const MsrContext& context)
{
    if (index == msr::nb_config)
        return true;
    if (is_intel(context))
        return index == msr::perf_control;
    return is_amd(context) && (index == msr::hwcr || index == msr::fidvid_control || index == msr::fidvid_status ||
                               index == msr::de_config || within(index, msr::pstate_first, msr::pstate_last));
}

/// MSRs that exist here, though the access at hand is refused: no leniency for those.
bool is_read_only(u32 index, const MsrContext& context, const VcpuMsrs& msrs)
{
    MsrReply reply;
    return read_common(index, context, msrs, reply) || (is_intel(context) && read_intel(index, reply)) ||
           (is_amd(context) && read_amd(index, context, reply));
}

/// An access that nobody knows: fault, or, for a guest that is treated leniently, whatever the machine makes of it.
MsrReply unknown(u32 index, const MsrContext& context)
{
    bool ours = within(index, msr::hypervisor_first, msr::hypervisor_last);
    return context.relaxed && !ours ? MsrReply{MsrOutcome::HostProbe, 0, 0} : fault();
}

}

MsrReply read_guest_msr(u32 index, const MsrContext& context, const VcpuMsrs& msrs)
{
    MsrReply reply;
    bool known = read_common(index, context, msrs, reply) || (is_intel(context) && read_intel(index, reply)) ||
                 (is_amd(context) && read_amd(index, context, reply));
    if (!known && is_machine_check(index))
        return done(read_machine_check(index, context, msrs));
    if (!known && is_performance_counter(index, context))
        return done();
    return known && reply.outcome != MsrOutcome::Fault ? reply : unknown(index, context);
}

MsrReply write_guest_msr(u32 index, u64 value, const MsrContext& context, VcpuMsrs& msrs)
{
    MsrReply reply;
    if (write_common(index, value, context, msrs, reply))
        return reply;
    if (is_machine_check(index))
        return write_machine_check(index, value, context, msrs);
    if (is_performance_counter(index, context) || write_is_dropped(index, context))
        return done();
    return is_read_only(index, context, msrs) ? fault() : unknown(index, context);
}

}
