// physdev_op: who may ask for interrupts and devices, and what is refused. (docs/pv-abi.md 4.8)

#include "hypervisor/abi/event_channel.hpp"
#include "hypervisor/abi/physdev.hpp"
#include "hypervisor/mm/page_type.hpp"
#include "hypervisor/mm/references.hpp"
#include "hypervisor/mm/reservation.hpp"
#include "tests/unit/domains/tools.hpp"

namespace xylem::test {
namespace {

using abi::PhysdevCmd;

struct Physdev : Tools {
    Domain& guest = make_guest();
    Vcpu& vcpu = *guest.vcpus[0];
    FakeVcpuMachine& machine = FakeVcpuMachine::get();

    Physdev() { EXPECT_TRUE(dom0->irqs.add(1, 15).ok()); }
    template <typename Argument> i64 physdev(Vcpu& caller, PhysdevCmd cmd, Argument& argument)
    {
        return call(caller, hypercall::physdev_op, static_cast<u64>(cmd), at(argument));
    }
    template <typename Argument> i64 physdev(PhysdevCmd cmd, Argument&& argument)
    {
        return physdev(*self, cmd, argument);
    }
};

TEST_F(Physdev, GuestsAreRefusedWhatBelongsToTheMachine)
{
    abi::PhysdevApic apic{0xfec00000, 1, 0};
    EXPECT_EQ(physdev(vcpu, PhysdevCmd::apic_read, apic), eperm);
    EXPECT_EQ(physdev(vcpu, PhysdevCmd::apic_write, apic), eperm);
    abi::PhysdevIrq irq{3, 0};
    EXPECT_EQ(physdev(vcpu, PhysdevCmd::alloc_irq_vector, irq), eperm);
    abi::PhysdevSetupGsi gsi{5, 1, 1};
    EXPECT_EQ(physdev(vcpu, PhysdevCmd::setup_gsi, gsi), eperm);
    gsi.gsi = -1;
    EXPECT_EQ(physdev(vcpu, PhysdevCmd::setup_gsi, gsi), einval) << "whether there is such a GSI is told first";
    abi::PhysdevPciDeviceAdd device{};
    EXPECT_EQ(physdev(vcpu, PhysdevCmd::pci_device_add, device), eperm);
    abi::PhysdevMapPirq pirq{domid_self.value, abi::MapPirqType::gsi, 5, 5, 0, 0, 0, 0};
    EXPECT_EQ(physdev(vcpu, PhysdevCmd::map_pirq, pirq), eperm) << "no permission for it";
    pirq.type = abi::MapPirqType::msi_seg;
    EXPECT_EQ(physdev(vcpu, PhysdevCmd::map_pirq, pirq), eperm);
    pirq.domid = 0;
    EXPECT_EQ(physdev(vcpu, PhysdevCmd::map_pirq, pirq), eperm);
    pirq.domid = 77;
    EXPECT_EQ(physdev(vcpu, PhysdevCmd::map_pirq, pirq), esrch);
    EXPECT_EQ(call(vcpu, hypercall::physdev_op, 99, 0x100), enosys);
    EXPECT_EQ(call(*self, hypercall::physdev_op, static_cast<u64>(PhysdevCmd::eoi), 0x100), efault);
    abi::PhysdevEoi eoi{3};
    EXPECT_EQ(physdev(vcpu, PhysdevCmd::eoi, eoi), einval);
}

TEST_F(Physdev, AGsiIsMappedBoundAndEnded)
{
    abi::PhysdevMapPirq pirq{domid_self.value, abi::MapPirqType::gsi, 5, -1, 0, 0, 0, 0};
    ASSERT_EQ(physdev(PhysdevCmd::map_pirq, pirq), 0);
    EXPECT_EQ(pirq.pirq, 5) << "a pirq has its GSI's number";
    EXPECT_EQ(physdev(PhysdevCmd::map_pirq, pirq), 0) << "again is no error";
    EXPECT_EQ(physdev(PhysdevCmd::eoi, abi::PhysdevEoi{5}), 0);
    EXPECT_EQ(machine.ended, (std::vector<u32>{5}));
    pirq.pirq = 6;
    EXPECT_EQ(physdev(PhysdevCmd::map_pirq, pirq), einval);
    pirq = {domid_self.value, abi::MapPirqType::gsi, 16, -1, 0, 0, 0, 0};
    EXPECT_EQ(physdev(PhysdevCmd::map_pirq, pirq), einval);
    pirq = {domid_self.value, abi::MapPirqType::gsi, 0, -1, 0, 0, 0, 0};
    EXPECT_EQ(physdev(PhysdevCmd::map_pirq, pirq), eperm) << "the timer's";
    pirq.type = abi::MapPirqType::unknown;
    EXPECT_EQ(physdev(PhysdevCmd::map_pirq, pirq), einval);
    abi::PhysdevIrqStatusQuery query{5, 0};
    EXPECT_EQ(physdev(PhysdevCmd::irq_status_query, query), 0);
    EXPECT_EQ(query.flags, abi::irqstat_needs_eoi);
    query.irq = 64;
    EXPECT_EQ(physdev(PhysdevCmd::irq_status_query, query), einval);
    abi::PhysdevIrq irq{5, 0};
    EXPECT_EQ(physdev(PhysdevCmd::alloc_irq_vector, irq), 0);
    abi::PhysdevUnmapPirq unmap{domid_self.value, 5};
    EXPECT_EQ(physdev(PhysdevCmd::unmap_pirq, unmap), 0);
    EXPECT_EQ(physdev(PhysdevCmd::unmap_pirq, unmap), einval);
}

TEST_F(Physdev, ThePageOfBitsTellsWhichPirqsNeedAnEoi)
{
    const Mfn page = mm::assign_new_frames(dom0->memory, 0).value();
    machine.level[9] = true;
    EXPECT_EQ(physdev(PhysdevCmd::pirq_eoi_gmfn_v2, abi::PhysdevPirqEoiGmfn{3}), einval);
    ASSERT_EQ(physdev(PhysdevCmd::pirq_eoi_gmfn_v2, abi::PhysdevPirqEoiGmfn{page.value}), 0);
    EXPECT_EQ(*machine::map<u64>(page), u64{1} << 9);
    EXPECT_EQ(physdev(PhysdevCmd::pirq_eoi_gmfn_v2, abi::PhysdevPirqEoiGmfn{page.value}), ebusy);
    EXPECT_EQ(mm::type_count(page), 1u);
    EXPECT_EQ(physdev(PhysdevCmd::setup_gsi, abi::PhysdevSetupGsi{10, 1, 1}), 0);
    EXPECT_EQ(*machine::map<u64>(page), u64{3} << 9);
    EXPECT_EQ(physdev(PhysdevCmd::setup_gsi, abi::PhysdevSetupGsi{-1, 1, 1}), einval);
}

TEST_F(Physdev, MessagesNeedADeviceThatIsKnown)
{
    abi::PhysdevMapPirq pirq{domid_self.value, abi::MapPirqType::msi_seg, -1, -1, 2, 8, 0, 0xfe000000};
    EXPECT_EQ(physdev(PhysdevCmd::map_pirq, pirq), enodev);
    EXPECT_EQ(physdev(PhysdevCmd::prepare_msix, abi::PhysdevPciDevice{0, 2, 8}), enodev);
    EXPECT_EQ(physdev(PhysdevCmd::restore_msi_ext, abi::PhysdevPciDevice{0, 2, 8}), enodev);
    ASSERT_EQ(physdev(PhysdevCmd::pci_device_add, abi::PhysdevPciDeviceAdd{0, 2, 8, 0, {}}), 0);
    ASSERT_EQ(physdev(PhysdevCmd::map_pirq, pirq), 0);
    EXPECT_GE(pirq.pirq, 16);
    EXPECT_EQ(physdev(PhysdevCmd::prepare_msix, abi::PhysdevPciDevice{0, 2, 8}), 0);
    for (const int count : {0, 33, -5}) {
        pirq = {domid_self.value, abi::MapPirqType::multi_msi, -1, -1, 2, 8, count, 0};
        EXPECT_EQ(physdev(PhysdevCmd::map_pirq, pirq), einval) << count;
    }
    EXPECT_EQ(physdev(PhysdevCmd::manage_pci_remove, abi::PhysdevManagePci{2, 8}), 0);
    EXPECT_EQ(physdev(PhysdevCmd::pci_device_remove, abi::PhysdevPciDevice{0, 2, 8}), enodev);
    EXPECT_EQ(physdev(PhysdevCmd::pci_mmcfg_reserved, abi::PhysdevPciMmcfgReserved{0xb0000000, 0, 0, 255, 1}), 0);
    EXPECT_EQ(physdev(PhysdevCmd::pci_mmcfg_reserved, abi::PhysdevPciMmcfgReserved{0xc0000000, 0, 0, 255, 1}), enodev);
    EXPECT_EQ(physdev(PhysdevCmd::dbgp_op, abi::PhysdevDbgpOp{1, 0, {}}), 0);
    EXPECT_EQ(physdev(PhysdevCmd::dbgp_op, abi::PhysdevDbgpOp{7, 0, {}}), 0) << "there is none to do anything with";
    abi::PhysdevGetFreePirq fresh{};
    EXPECT_EQ(physdev(PhysdevCmd::get_free_pirq, fresh), 0);
    EXPECT_FALSE(machine.mapped.contains(fresh.pirq));
}

TEST_F(Physdev, IoApicsAreReadByTheirAddress)
{
    abi::PhysdevApic apic{0xfec00000, 4, 0};
    EXPECT_EQ(physdev(PhysdevCmd::apic_read, apic), 0);
    EXPECT_EQ(apic.value, 12u);
    apic.apic_physbase = 0xfed00000;
    EXPECT_EQ(physdev(PhysdevCmd::apic_read, apic), einval);
    EXPECT_EQ(physdev(PhysdevCmd::apic_write, apic), 0) << "registers below the table take no writes";
    apic.reg = 0x10;
    EXPECT_EQ(physdev(PhysdevCmd::apic_write, apic), einval);
}

TEST_F(Physdev, IoPrivilegeIsTheCallersOwn)
{
    abi::PhysdevSetIopl iopl{3};
    EXPECT_EQ(physdev(vcpu, PhysdevCmd::set_iopl, iopl), 0);
    EXPECT_EQ(vcpu.iopl, 3);
    iopl.iopl = 4;
    EXPECT_EQ(physdev(vcpu, PhysdevCmd::set_iopl, iopl), einval);
    abi::PhysdevSetIobitmap bitmap{{0x10000}, 65536};
    EXPECT_EQ(physdev(vcpu, PhysdevCmd::set_iobitmap, bitmap), 0);
    EXPECT_EQ(vcpu.io_bitmap_ports, 65536u);
    bitmap.nr_ports = 65537;
    EXPECT_EQ(physdev(vcpu, PhysdevCmd::set_iobitmap, bitmap), einval);
    bitmap = {{guest_low_end - 10}, 65536};
    EXPECT_EQ(physdev(vcpu, PhysdevCmd::set_iobitmap, bitmap), einval);

    abi::PhysdevOpCompat compat{};
    compat.cmd = PhysdevCmd::set_iopl;
    compat.u.set_iopl.iopl = 1;
    EXPECT_EQ(call(vcpu, hypercall::physdev_op_compat, at(compat)), 0);
    EXPECT_EQ(vcpu.iopl, 1);
    compat.cmd = PhysdevCmd::irq_unmask_notify;
    EXPECT_EQ(call(vcpu, hypercall::physdev_op_compat, at(compat)), 0);
    compat.cmd = PhysdevCmd(18);
    EXPECT_EQ(call(vcpu, hypercall::physdev_op_compat, at(compat)), enosys);
    EXPECT_EQ(call(vcpu, hypercall::physdev_op_compat, 0x100), efault);
}

}
}
