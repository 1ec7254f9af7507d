// xen_version, vm_assist, console_io and multicall; and what unknown and malformed calls are answered.

#include "frontends/guest/test.hpp"

#include "hypervisor/abi/features.hpp"
#include "hypervisor/abi/version.hpp"

using namespace xylem;
using namespace xylem::guest;
using abi::HypercallNumber;

namespace {

constexpr u64 hypervisor_address = 0xffff830000000000, unmapped_address = 0x1000;

i64 version(abi::VersionCmd cmd, u64 argument = 0)
{
    return hypercall(HypercallNumber::xen_version, static_cast<u64>(cmd), argument);
}

void versions()
{
    EXPECT(version(abi::VersionCmd::version), 4 << 16 | 17);
    EXPECT(version(abi::VersionCmd::pagesize), page_size);
    EXPECT_ERROR(version(abi::VersionCmd::pagesize, unmapped_address), inval);
    EXPECT_ERROR(version(static_cast<abi::VersionCmd>(11)), nosys);
    EXPECT_ERROR(version(abi::VersionCmd::extraversion, unmapped_address), fault);
    EXPECT_ERROR(version(abi::VersionCmd::extraversion, hypervisor_address), fault);

    static abi::CapabilitiesInfo capabilities;
    EXPECT(version(abi::VersionCmd::capabilities, address_of(capabilities)), 0);
    EXPECT(__builtin_memcmp(capabilities.text, "xen-3.0-x86_64 ", 15), 0);
    abi::PlatformParameters platform{};
    EXPECT(version(abi::VersionCmd::platform_parameters, address_of(platform)), 0);
    EXPECT(platform.virt_start, abi::hypervisor_virt_start);
    abi::DomainHandle handle{};
    EXPECT(version(abi::VersionCmd::guest_handle, address_of(handle)), 0);
    static abi::Commandline words;
    EXPECT(version(abi::VersionCmd::commandline, address_of(words)), 0);
}

void features()
{
    abi::FeatureInfo info{0, 0};
    EXPECT(version(abi::VersionCmd::get_features, address_of(info)), 0);
    for (const abi::Feature always :
         {abi::Feature::mmu_pt_update_preserve_ad, abi::Feature::highmem_assist, abi::Feature::gnttab_map_avail_bits,
          abi::Feature::memory_op_vnode_supported, abi::Feature::direct_mapped})
        EXPECT_TRUE(info.submap & abi::feature_bit(always));
    for (const abi::Feature never : {abi::Feature::writable_page_tables, abi::Feature::writable_descriptor_tables,
                                     abi::Feature::auto_translated_physmap, abi::Feature::supervisor_mode_kernel})
        EXPECT(info.submap & abi::feature_bit(never), 0);
    EXPECT_TRUE(is_dom0() == !!(info.submap & abi::feature_bit(abi::Feature::dom0)));
    info.submap_idx = 1;
    EXPECT_ERROR(version(abi::VersionCmd::get_features, address_of(info)), inval);
}

void assists()
{
    const auto assist = [](u64 cmd, u64 type) { return hypercall(HypercallNumber::vm_assist, cmd, type); };
    EXPECT(assist(0, static_cast<u64>(abi::VmassistType::writable_pagetables)), 0);
    EXPECT(assist(1, static_cast<u64>(abi::VmassistType::writable_pagetables)), 0);
    EXPECT(assist(0, static_cast<u64>(abi::VmassistType::runstate_update_flag)), 0);
    EXPECT_ERROR(assist(0, 6), inval);
    EXPECT_ERROR(assist(0, 33), inval);
    EXPECT_ERROR(assist(2, 0), nosys);
}

void console()
{
    const auto call = [](u64 cmd, u64 count, u64 text) {
        return hypercall(HypercallNumber::console_io, cmd, count, text);
    };
    char text[16] = "";
    if (!is_dom0()) {
        EXPECT_ERROR(call(1, sizeof text, address_of(text)), perm);
        return;
    }
    EXPECT(call(1, sizeof text, address_of(text)), 0);
    EXPECT_ERROR(call(0, 1, unmapped_address), fault);
    constexpr u64 above_int = u64{1} << 31;
    EXPECT_ERROR(call(1, above_int, address_of(text)), too_big);
    EXPECT_ERROR(call(0, above_int, unmapped_address), fault);
    EXPECT_ERROR(call(2, above_int, address_of(text)), nosys);
    EXPECT_ERROR(call(2, 1, address_of(text)), nosys);
}

void unknown_calls()
{
    for (const u64 number : {11, 38, 39, 43, 44, 45, 46, 47, 50, 54, 56, 63, 64, 1000})
        EXPECT_ERROR(hypercall(number, 1, 2, 3, 4, 5), nosys);
    EXPECT_ERROR(hypercall(~u64{0}), nosys);
    EXPECT_ERROR(hypercall(u64{1} << 32 | 63), nosys);
    EXPECT_ERROR(hypercall(HypercallNumber::xsm_op), nosys);
}

void privileged_calls()
{
    static u64 request[18];
    const auto call = [](HypercallNumber number, u32 cmd, u32 interface_version, u64 domid = 0) {
        request[0] = u64{interface_version} << 32 | cmd;
        request[1] = domid;
        return hypercall(number, address_of(request));
    };
    EXPECT_ERROR(call(HypercallNumber::domctl, 5, 0x14), acces);
    EXPECT_ERROR(call(HypercallNumber::domctl, 3, 0x15, 1234), srch);
    EXPECT_ERROR(call(HypercallNumber::sysctl, 3, 0x14), acces);
    EXPECT_ERROR(call(HypercallNumber::platform_op, 55, 0x14), acces);
    EXPECT_ERROR(hypercall(HypercallNumber::domctl, unmapped_address), fault);
    EXPECT_ERROR(hypercall(HypercallNumber::sysctl, unmapped_address), fault);
    EXPECT_ERROR(hypercall(HypercallNumber::platform_op, unmapped_address), fault);
    if (is_dom0()) {
        EXPECT_ERROR(call(HypercallNumber::domctl, 999, 0x15), nosys);
        EXPECT_ERROR(call(HypercallNumber::sysctl, 999, 0x15), nosys);
        EXPECT_ERROR(call(HypercallNumber::platform_op, 999, 0x03000001), nosys);
    } else {
        for (const u32 cmd : {2, 3, 5, 14, 999}) // destroydomain, pausedomain, getdomaininfo, max_mem, none
            EXPECT_ERROR(call(HypercallNumber::domctl, cmd, 0x15), perm);
        EXPECT_ERROR(call(HypercallNumber::sysctl, 3, 0x15), perm);
        EXPECT_ERROR(call(HypercallNumber::platform_op, 55, 0x03000001), perm);
    }
}

i64 multicall(abi::MulticallEntry* list, u64 count)
{
    return hypercall(HypercallNumber::multicall, reinterpret_cast<u64>(list), count);
}

constexpr abi::MulticallEntry version_entry{static_cast<u64>(HypercallNumber::xen_version), 7, {}};

void multicalls()
{
    abi::MulticallEntry list[3] = {version_entry, {63, 7, {}}, version_entry};
    EXPECT(multicall(list, 3), 0);
    EXPECT(list[0].result, 4 << 16 | 17);
    EXPECT_ERROR(list[1].result, nosys);
    EXPECT(list[2].result, 4 << 16 | 17);
    EXPECT(multicall(list, 0), 0);
    EXPECT_ERROR(hypercall(HypercallNumber::multicall, unmapped_address, 1), fault);
    EXPECT_ERROR(hypercall(HypercallNumber::multicall, hypervisor_address, 1), fault);

    abi::MulticallEntry inner = version_entry;
    abi::MulticallEntry outer{static_cast<u64>(HypercallNumber::multicall), 7, {address_of(inner), 1}};
    EXPECT(multicall(&outer, 1), 0);
    EXPECT_ERROR(outer.result, inval);
    EXPECT(inner.result, 7);
}

/// An iret among the calls is the last that is made.
void iret_in_a_multicall()
{
    static abi::MulticallEntry list[3];
    list[0] = list[2] = version_entry;
    list[1] = {static_cast<u64>(HypercallNumber::iret), 7, {}};
    static abi::IretContext frame;
    constexpr u64 kernel_cs = abi::flat_ring3_cs64 & ~3; // RPL 0 to 2 mean the guest's kernel
    frame = {1234, 0, 0, 0, 0, kernel_cs, 0x202, 0, abi::flat_ring3_ss64};
    shared_info().vcpu_info[0].evtchn_upcall_mask = 1;
    u64 result = static_cast<u64>(HypercallNumber::multicall);
    asm volatile("lea 1f(%%rip), %%rbx\n"
                 "mov %%rbx, 32(%[frame])\n"
                 "mov %%rsp, 56(%[frame])\n"
                 "mov %[frame], %%rsp\n"
                 "syscall\n"
                 "ud2\n"
                 "1:\n"
                 : "+a"(result)
                 : [frame] "r"(&frame), "D"(list), "S"(u64{3})
                 : "rbx", "rcx", "r11", "rdx", "memory");
    EXPECT(result, 1234);
    EXPECT(list[0].result, 4 << 16 | 17);
    EXPECT(list[2].result, 7);
    EXPECT(shared_info().vcpu_info[0].evtchn_upcall_mask, 0);
}

}

void xylem_main()
{
    versions();
    features();
    assists();
    console();
    unknown_calls();
    privileged_calls();
    multicalls();
    iret_in_a_multicall();
    finish_test();
}
