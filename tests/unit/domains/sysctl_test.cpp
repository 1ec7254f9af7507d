// sysctl and platform_op: what tools and dom0's kernel ask of the machine as a whole. (docs/pv-abi.md 4.9, 5.6)

#include "hypervisor/abi/platform.hpp"
#include "hypervisor/abi/sysctl.hpp"
#include "hypervisor/mm/heap.hpp"
#include "hypervisor/mm/host_memory.hpp"
#include "tests/unit/domains/tools.hpp"

#include <vector>

namespace xylem::test {
namespace {

using abi::SysctlCmd;

struct Sysctls : Tools {
    abi::Sysctl request{};
    i64 sysctl(SysctlCmd cmd)
    {
        request.cmd = cmd;
        request.interface_version = abi::sysctl_interface_version;
        return call(*self, hypercall::sysctl, at(request));
    }
};

TEST_F(Sysctls, TheOrderOfErrorsIsVersionPrivilegeOperation)
{
    Vcpu& unprivileged = *make_guest().vcpus[0];
    EXPECT_EQ(call(*self, hypercall::sysctl, 0x100), efault);
    request.interface_version = 1;
    EXPECT_EQ(call(unprivileged, hypercall::sysctl, at(request)), eacces);
    request.interface_version = abi::sysctl_interface_version;
    EXPECT_EQ(call(unprivileged, hypercall::sysctl, at(request)), eperm);
    EXPECT_EQ(sysctl(SysctlCmd(1000)), enosys);
    EXPECT_EQ(sysctl(SysctlCmd::coverage_op), eopnotsupp);
    EXPECT_EQ(sysctl(SysctlCmd::livepatch_op), eopnotsupp);
    EXPECT_EQ(sysctl(SysctlCmd::perfc_op), enosys);
}

TEST_F(Sysctls, TheMachineIsDescribed)
{
    session.machine.set_cpu_count(2);
    const abi::E820Entry memory[] = {{0, 0x9fc00, u32(abi::E820Type::ram)},
                                     {0x9fc00, 0x400, u32(abi::E820Type::reserved)}};
    mm::set_host_memory_map(memory);
    ASSERT_EQ(sysctl(SysctlCmd::physinfo), 0);
    EXPECT_EQ(request.u.physinfo.nr_cpus, 2u);
    EXPECT_EQ(request.u.physinfo.free_pages, mm::free_frame_count());
    EXPECT_EQ(request.u.physinfo.total_pages, 0x9fu);
    EXPECT_EQ(request.u.physinfo.max_mfn + 1, machine::max_mfn.value);
    EXPECT_EQ(request.u.physinfo.capabilities, abi::physcap_pv | abi::physcap_gnttab_v1 | abi::physcap_gnttab_v2);
    EXPECT_EQ(sysctl(SysctlCmd::sched_id), 0);
    EXPECT_EQ(request.u.sched_id.sched_id, abi::SchedulerId::credit2);
    EXPECT_EQ(sysctl(SysctlCmd::availheap), 0);
    EXPECT_EQ(request.u.availheap.avail_bytes, mm::free_frame_count() << page_shift);

    request.u.cputopoinfo = {};
    EXPECT_EQ(sysctl(SysctlCmd::cputopoinfo), 0);
    EXPECT_EQ(request.u.cputopoinfo.num_cpus, 2u);
    std::vector<abi::SysctlCputopo> topology(4, {9, 9, 9});
    request.u.cputopoinfo = {4, {at(topology[0])}};
    EXPECT_EQ(sysctl(SysctlCmd::cputopoinfo), 0);
    EXPECT_EQ(request.u.cputopoinfo.num_cpus, 2u);
    EXPECT_EQ(topology[1].socket, 1u);
    EXPECT_EQ(topology[2].socket, 9u);

    request.u.numainfo = {};
    EXPECT_EQ(sysctl(SysctlCmd::numainfo), 0);
    EXPECT_EQ(request.u.numainfo.num_nodes, 1u);
    abi::SysctlMeminfo node{};
    u32 distance = 0;
    request.u.numainfo = {1, {at(node)}, {at(distance)}};
    EXPECT_EQ(sysctl(SysctlCmd::numainfo), 0);
    EXPECT_EQ(node.memsize, mm::total_frames() << page_shift);
    EXPECT_EQ(distance, 10u);

    std::vector<abi::SysctlCpuinfo> idle(4);
    request.u.getcpuinfo = {4, {at(idle[0])}, 0};
    EXPECT_EQ(sysctl(SysctlCmd::getcpuinfo), 0);
    EXPECT_EQ(request.u.getcpuinfo.nr_cpus, 2u);
    request.u.getcpuinfo = {4, {0x100}, 0};
    EXPECT_EQ(sysctl(SysctlCmd::getcpuinfo), efault);
}

TEST_F(Sysctls, DomainsAreListedAsFarAsThereIsRoom)
{
    const DomId first = make_guest().id;
    make_guest();
    std::vector<abi::DomctlGetdomaininfo> list(5);
    request.u.getdomaininfolist = {0, 5, {at(list[0])}, 0};
    ASSERT_EQ(sysctl(SysctlCmd::getdomaininfolist), 0);
    EXPECT_EQ(request.u.getdomaininfolist.num_domains, 3u);
    EXPECT_EQ(list[1].domain, first.value);
    request.u.getdomaininfolist = {first.value, 1, {at(list[0])}, 0};
    ASSERT_EQ(sysctl(SysctlCmd::getdomaininfolist), 0);
    EXPECT_EQ(request.u.getdomaininfolist.num_domains, 1u);
    request.u.getdomaininfolist = {0, 5, {0x100}, 0};
    EXPECT_EQ(sysctl(SysctlCmd::getdomaininfolist), efault);
}

TEST_F(Sysctls, ThereIsOnePoolAndOneScheduler)
{
    u64 cpus = 0;
    request.u.cpupool_op = {};
    request.u.cpupool_op.op = abi::CpupoolCmd::info;
    request.u.cpupool_op.cpumap = {{at(cpus)}, 64};
    ASSERT_EQ(sysctl(SysctlCmd::cpupool_op), 0);
    EXPECT_EQ(cpus, 1u);
    EXPECT_EQ(request.u.cpupool_op.n_dom, 1u);
    request.u.cpupool_op.cpupool_id = 1;
    EXPECT_EQ(sysctl(SysctlCmd::cpupool_op), enoent) << "tools ask until they get this";
    request.u.cpupool_op.op = abi::CpupoolCmd::create;
    EXPECT_EQ(sysctl(SysctlCmd::cpupool_op), eopnotsupp);
    request.u.scheduler_op = {0, abi::SchedulerId::credit2, abi::SysctlSchedopCmd::getinfo, {}};
    EXPECT_EQ(sysctl(SysctlCmd::scheduler_op), 0);
    EXPECT_EQ(request.u.scheduler_op.u.sched_credit2.ratelimit_us, 1000u);
    request.u.scheduler_op.cpupool_id = 3;
    EXPECT_EQ(sysctl(SysctlCmd::scheduler_op), esrch);
}

TEST_F(Sysctls, TheLogIsReadWholeOrFromWhereOneWas)
{
    FakeVcpuMachine::get().log = std::string(1000, 'a') + "end";
    std::string text(2000, ' ');
    request.u.readconsole = {0, 0, 0, 0, 0, {at(text[0])}, 2000};
    ASSERT_EQ(sysctl(SysctlCmd::readconsole), 0);
    EXPECT_EQ(request.u.readconsole.count, 1003u);
    EXPECT_EQ(text.substr(1000, 3), "end");
    FakeVcpuMachine::get().log += "more";
    request.u.readconsole = {1, 1, 0, 0, 1003, {at(text[0])}, 2000};
    ASSERT_EQ(sysctl(SysctlCmd::readconsole), 0);
    EXPECT_EQ(request.u.readconsole.count, 4u);
    EXPECT_EQ(request.u.readconsole.index, 1007u);
    request.u.readconsole = {0, 0, 0, 0, 0, {at(text[0])}, 2000};
    ASSERT_EQ(sysctl(SysctlCmd::readconsole), 0);
    EXPECT_EQ(request.u.readconsole.count, 0u) << "cleared";
}

TEST_F(Sysctls, PoliciesAndFeaturesByIndex)
{
    request.u.cpu_featureset = {};
    EXPECT_EQ(sysctl(SysctlCmd::get_cpu_featureset), 0);
    const u32 words = request.u.cpu_featureset.nr_features;
    EXPECT_EQ(words, 19u);
    std::vector<u32> features(words);
    request.u.cpu_featureset = {abi::FeaturesetIndex::host, words - 1, {at(features[0])}};
    EXPECT_EQ(sysctl(SysctlCmd::get_cpu_featureset), enobufs);
    request.u.cpu_featureset = {abi::FeaturesetIndex::hvm, words, {at(features[0])}};
    EXPECT_EQ(sysctl(SysctlCmd::get_cpu_featureset), eopnotsupp);
    request.u.cpu_featureset.index = abi::FeaturesetIndex(6);
    EXPECT_EQ(sysctl(SysctlCmd::get_cpu_featureset), einval);
    request.u.cpu_policy = {};
    EXPECT_EQ(sysctl(SysctlCmd::get_cpu_policy), 0);
    EXPECT_EQ(request.u.cpu_policy.nr_leaves, 120u);
    request.u.cpu_policy.rsvd = 1;
    EXPECT_EQ(sysctl(SysctlCmd::get_cpu_policy), einval);
    request.u.cpu_policy = {};
    request.u.cpu_policy.index = abi::CpuPolicyIndex::hvm_max;
    EXPECT_EQ(sysctl(SysctlCmd::get_cpu_policy), eopnotsupp);
    std::vector<abi::CpuidLeaf> leaves(1);
    request.u.cpu_policy = {};
    request.u.cpu_policy.nr_leaves = 1;
    request.u.cpu_policy.leaves = {at(leaves[0])};
    EXPECT_EQ(sysctl(SysctlCmd::get_cpu_policy), enobufs);
}

// ---- platform_op

struct Platform : Tools {
    abi::PlatformOp request{};
    i64 platform(abi::PlatformCmd cmd)
    {
        request.cmd = cmd;
        request.interface_version = abi::platform_interface_version;
        return call(*self, hypercall::platform_op, at(request));
    }
};

TEST_F(Platform, TheOrderOfErrorsIsVersionPrivilegeOperation)
{
    Vcpu& unprivileged = *make_guest().vcpus[0];
    EXPECT_EQ(call(*self, hypercall::platform_op, 0x100), efault);
    EXPECT_EQ(call(unprivileged, hypercall::platform_op, at(request)), eacces);
    request.interface_version = abi::platform_interface_version;
    EXPECT_EQ(call(unprivileged, hypercall::platform_op, at(request)), eperm);
    EXPECT_EQ(platform(abi::PlatformCmd(99)), enosys);
    EXPECT_EQ(platform(abi::PlatformCmd::cpu_offline), eopnotsupp);
}

TEST_F(Platform, SettingTheTimeReachesEveryDomain)
{
    Domain& guest = make_guest();
    request.u.settime64 = {1'800'000'000, 100, 0, 5'000'000'200};
    ASSERT_EQ(platform(abi::PlatformCmd::settime64), 0);
    EXPECT_EQ(guest.shared_info->wc_sec, 1'800'000'000u - 6);
    EXPECT_EQ(guest.shared_info->wc_nsec, 999'999'900u);
    EXPECT_EQ(guest.shared_info->wc_version % 2, 0u);
    EXPECT_EQ(dom0->shared_info->wc_sec, guest.shared_info->wc_sec);
    request.u.settime64.mbz = 1;
    EXPECT_EQ(platform(abi::PlatformCmd::settime64), einval);
    request.u.settime64 = {1, 1'000'000'000, 0, 0};
    EXPECT_EQ(platform(abi::PlatformCmd::settime64), einval);
    request.u.settime32 = {1'900'000'000, 0, 0};
    EXPECT_EQ(platform(abi::PlatformCmd::settime32), 0);
    EXPECT_EQ(guest.shared_info->wc_sec, 1'900'000'000u);
}

TEST_F(Platform, ProcessorsFirmwareAndTheOffSwitch)
{
    request.u.pcpu_info = {};
    ASSERT_EQ(platform(abi::PlatformCmd::get_cpuinfo), 0);
    EXPECT_EQ(request.u.pcpu_info.flags, abi::pcpu_flags_online);
    EXPECT_EQ(request.u.pcpu_info.max_present, 0u);
    request.u.pcpu_info.xen_cpuid = 5;
    ASSERT_EQ(platform(abi::PlatformCmd::get_cpuinfo), 0) << "an absent one is no error";
    EXPECT_EQ(request.u.pcpu_info.flags, abi::pcpu_flags_invalid);
    request.u.firmware_info.type = abi::FirmwareInfoType::disk_info;
    EXPECT_EQ(platform(abi::PlatformCmd::firmware_info), esrch) << "past the end of the list";
    request.u.firmware_info.type = abi::FirmwareInfoType::efi_info;
    EXPECT_EQ(platform(abi::PlatformCmd::firmware_info), enosys);
    request.u.firmware_info.type = abi::FirmwareInfoType(9);
    EXPECT_EQ(platform(abi::PlatformCmd::firmware_info), einval);
    request.u.enter_acpi_sleep = {0x3400, 0x12, 5, 2};
    EXPECT_EQ(platform(abi::PlatformCmd::enter_acpi_sleep), einval);
    request.u.enter_acpi_sleep = {0x3400, 0x12, 3, 0};
    EXPECT_EQ(platform(abi::PlatformCmd::enter_acpi_sleep), eopnotsupp);
    request.u.enter_acpi_sleep = {0x3400, 0x12, 5, 0};
    EXPECT_EQ(platform(abi::PlatformCmd::enter_acpi_sleep), eperm) << "the machine stayed on";
    EXPECT_EQ(FakeVcpuMachine::get().power, (std::vector<std::string>{"S5 3400 12"}));
}

}
}
