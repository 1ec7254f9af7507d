// MSRs of PV guests against real Xen: what reads, with which value, and which writes are taken, dropped or refused.

#include "hypervisor/domain/msr_policy.hpp"
#include "tests/unit/cpu_policy/recording.hpp"

#include <gtest/gtest.h>

#include <set>

namespace xylem {
namespace {

struct Guest {
    std::string machine, who;
};

void PrintTo(const Guest& guest, std::ostream* out)
{
    *out << guest.machine << ' ' << guest.who;
}

class MsrsAgainstXen : public testing::TestWithParam<Guest> {
protected:
    MsrsAgainstXen() : recording_(GetParam().machine)
    {
        make_cpu_policies(policies_, recording_.machine(), {});
        if (GetParam().who == "dom0")
            make_dom0_policy(policy_, policies_);
        else
            make_guest_policy(policy_, policies_);
    }

    MsrContext context() const
    {
        return {.policy = policy_, .is_hardware_domain = GetParam().who == "dom0", .machine_efer = 0x1d01};
    }
    const std::vector<MsrAccess>& accesses() const { return recording_.accesses.at(GetParam().who); }

    /// "ok" or "fault", as the recorder would have seen it.
    static std::string seen(const MsrReply& reply) { return reply.outcome == MsrOutcome::Fault ? "fault" : "ok"; }

    Recording recording_;
    CpuPolicies policies_;
    CpuPolicy policy_;
};

TEST_P(MsrsAgainstXen, ReadsAreTheSame)
{
    for (const MsrAccess& access : accesses()) {
        VcpuMsrs msrs;
        MsrReply reply = read_guest_msr(access.index, context(), msrs);
        EXPECT_EQ(seen(reply), access.readable ? "ok" : "fault") << std::hex << access.index;
        if (reply.outcome == MsrOutcome::Done) {
            EXPECT_EQ(reply.value, access.value) << std::hex << access.index;
        }
        if (reply.outcome == MsrOutcome::Host) { // with what QEMU's processors have set, nothing hidden is seen
            EXPECT_EQ(access.value & ~reply.mask & ~reply.value, 0u) << std::hex << access.index;
            EXPECT_EQ(access.value & reply.value, reply.value) << std::hex << access.index;
        }
    }
}

TEST_P(MsrsAgainstXen, WritesAreTheSame)
{
    // Linux answers writes to these itself; and at 0x40000000 it is not the index but frame 0 that was refused.
    const std::set<u32> not_xens = {0x174, 0xc0000081, 0xc0000082, 0xc0000084, 0x40000000};
    for (const MsrAccess& access : accesses()) {
        if (not_xens.contains(access.index))
            continue;
        VcpuMsrs msrs;
        auto write = [&](u64 value) { return seen(write_guest_msr(access.index, value, context(), msrs)); };
        if (access.same != "-") {
            EXPECT_EQ(write(access.value), access.same) << std::hex << access.index;
        }
        if (access.zero != "-") {
            EXPECT_EQ(write(0), access.zero) << std::hex << access.index;
        }
        if (access.ones != "-") {
            EXPECT_EQ(write(~u64{0}), access.ones) << std::hex << access.index;
            MsrReply reply = read_guest_msr(access.index, context(), msrs);
            if (reply.outcome == MsrOutcome::Done) {
                EXPECT_EQ(reply.value, access.back) << std::hex << access.index;
            }
        }
    }
}

INSTANTIATE_TEST_SUITE_P(Recorded, MsrsAgainstXen,
                         testing::Values(Guest{"qemu64", "dom0"}, Guest{"qemu64", "guest"}, Guest{"haswell", "dom0"},
                                         Guest{"haswell", "guest"}, Guest{"max", "dom0"}, Guest{"max", "guest"}),
                         [](const auto& guest) { return guest.param.machine + "_" + guest.param.who; });

class MsrPolicy : public testing::Test {
protected:
    MsrPolicy()
    {
        policy_.vendor = CpuVendor::Amd;
        FeatureSet features;
        features.set(feature::rdtscp);
        set_features(policy_, features);
    }
    MsrOutcome read(u32 index) { return read_guest_msr(index, context_, msrs_).outcome; }
    MsrOutcome write(u32 index, u64 value) { return write_guest_msr(index, value, context_, msrs_).outcome; }

    CpuPolicy policy_;
    MsrContext context_{.policy = policy_};
    VcpuMsrs msrs_;
};

// The first thing a Linux kernel does is to write its GS base; a fault there has nobody to handle it.
TEST_F(MsrPolicy, SegmentBasesAreTakenWhenCanonical)
{
    const std::pair<u32, MsrOutcome> bases[] = {
        {0xc0000100, MsrOutcome::FsBase}, {0xc0000101, MsrOutcome::GsBase}, {0xc0000102, MsrOutcome::KernelGsBase}};
    for (auto [index, outcome] : bases) {
        EXPECT_EQ(read(index), outcome);
        EXPECT_EQ(write(index, 0xffffffff83000000), outcome);
        EXPECT_EQ(write_guest_msr(index, 0x7fffffffffff, context_, msrs_).value, 0x7fffffffffffu);
        EXPECT_EQ(write(index, 0x800000000000), MsrOutcome::Fault);
        EXPECT_EQ(write(index, 0xffff7fffffffffff), MsrOutcome::Fault);
    }
}

TEST_F(MsrPolicy, EferTakesOnlyWhatItHas)
{
    context_.machine_efer = 0x1d01;
    EXPECT_EQ(read_guest_msr(0xc0000080, context_, msrs_).value, 0xd01u);
    EXPECT_EQ(write(0xc0000080, 0xd01), MsrOutcome::Done);
    EXPECT_EQ(write(0xc0000080, 0x1d01), MsrOutcome::Fault);
}

TEST_F(MsrPolicy, OnlyTheFirstVcpuIsTheBootProcessor)
{
    EXPECT_EQ(read_guest_msr(0x1b, context_, msrs_).value, 0xfee00900u);
    context_.vcpu_id = 1;
    EXPECT_EQ(read_guest_msr(0x1b, context_, msrs_).value, 0xfee00800u);
}

// No machine-check MSR may fault while MCE is shown: Linux panics on that.
TEST_F(MsrPolicy, MachineCheckNeverFaultsOnWhatLinuxDoes)
{
    for (CpuVendor vendor : {CpuVendor::Amd, CpuVendor::Intel}) {
        policy_.vendor = vendor;
        u64 banks = read_guest_msr(0x179, context_, msrs_).value & 0xff;
        EXPECT_EQ(banks, vmce_banks);
        for (u32 bank = 0; bank < banks; ++bank) {
            EXPECT_EQ(write(0x400 + 4 * bank, ~u64{0}), MsrOutcome::Done);
            EXPECT_EQ(write(0x401 + 4 * bank, 0), MsrOutcome::Done);
            EXPECT_NE(read_guest_msr(0x400 + 4 * bank, context_, msrs_).value, 0u); // 0 would disable the bank
            for (u32 reg = 1; reg < 4; ++reg)
                EXPECT_EQ(read_guest_msr(0x400 + 4 * bank + reg, context_, msrs_).value, 0u);
        }
        EXPECT_EQ(read(0x17a), MsrOutcome::Done);
    }
}

TEST_F(MsrPolicy, TscAuxNeedsItsInstruction)
{
    EXPECT_EQ(write(0xc0000103, 0x12345), MsrOutcome::Done);
    EXPECT_EQ(read_guest_msr(0xc0000103, context_, msrs_).value, 0x12345u);
    EXPECT_EQ(write(0xc0000103, u64{1} << 32), MsrOutcome::Fault);
    set_features(policy_, {});
    EXPECT_EQ(read(0xc0000103), MsrOutcome::Fault);
    EXPECT_EQ(write(0xc0000103, 0), MsrOutcome::Fault);
}

TEST_F(MsrPolicy, CpuidFaultingNeedsThePolicy)
{
    EXPECT_EQ(write(0x140, 1), MsrOutcome::Fault);
    policy_.platform_info = u64{1} << 31;
    EXPECT_EQ(write(0x140, 1), MsrOutcome::Done);
    EXPECT_TRUE(msrs_.cpuid_faulting);
    EXPECT_EQ(read_guest_msr(0x140, context_, msrs_).value, 1u);
    EXPECT_EQ(write(0x140, 3), MsrOutcome::Fault);
}

TEST_F(MsrPolicy, HypercallPageIsNamedByItsFrame)
{
    EXPECT_EQ(write(0x40000000, 0x1234000), MsrOutcome::HypercallPage);
    EXPECT_EQ(write(0x40000000, 0x1234001), MsrOutcome::Fault); // there is one page, of index 0
    EXPECT_EQ(read_guest_msr(0x40000000, context_, msrs_).value, 0u);
    for (u32 index : {0x40000001u, 0x400002ffu}) {
        EXPECT_EQ(read(index), MsrOutcome::Fault);
        EXPECT_EQ(write(index, 0), MsrOutcome::Fault);
    }
}

// msr_relaxed, and reads by a kernel without a #GP handler, meet the machine instead of a fault; our own MSRs do not.
TEST_F(MsrPolicy, LeniencyIsForUnknownMsrsAlone)
{
    EXPECT_EQ(read(0x1d9), MsrOutcome::Fault);
    context_.relaxed = true;
    EXPECT_EQ(read(0x1d9), MsrOutcome::HostProbe);
    EXPECT_EQ(write(0x1d9, 1), MsrOutcome::HostProbe);
    EXPECT_EQ(read(0x40000001), MsrOutcome::Fault);
    EXPECT_EQ(write(0x1b, 0), MsrOutcome::Fault);
    EXPECT_EQ(write(0xc0000101, 0x800000000000), MsrOutcome::Fault);
}

}
}
