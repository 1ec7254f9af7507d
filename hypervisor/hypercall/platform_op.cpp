// platform_op: what dom0, which runs the platform's drivers and firmware, asks for. (xen/include/public/platform.h;
// docs/pv-abi.md 4.9)

#include "hypervisor/abi/platform.hpp"
#include "hypervisor/core/guest_ptr.hpp"
#include "hypervisor/core/log.hpp"
#include "hypervisor/domain/lifecycle.hpp"
#include "hypervisor/domain/time.hpp"
#include "hypervisor/domain/vcpu_machine.hpp"
#include "hypervisor/hypercall/hypercall.hpp"

namespace xylem::hypercall {
namespace {

/// The clock says `seconds` and `nanoseconds` at `system_time`; kept is what it said at system time zero.
void set_time(u64 seconds, u32 nanoseconds, u64 system_time)
{
    constexpr u64 billion = 1'000'000'000;
    u64 whole = system_time / billion;
    const u64 part = system_time % billion;
    u64 base_nanoseconds = nanoseconds;
    if (base_nanoseconds < part) {
        base_nanoseconds += billion;
        ++whole;
    }
    set_wall_clock({seconds - whole, static_cast<u32>(base_nanoseconds - part)});
    for (DomId next{0};;) {
        Result<DomainRef> domain = find_domain_from(next);
        if (!domain.ok())
            break;
        update_wall_clock(*domain.value());
        next = domain.value()->id + 1;
    }
}

Result<void> settime64(abi::PlatformOp& op)
{
    if (op.u.settime64.mbz != 0 || op.u.settime64.nsecs >= 1'000'000'000)
        return Error::Invalid;
    set_time(op.u.settime64.secs, op.u.settime64.nsecs, op.u.settime64.system_time);
    return {};
}

Result<void> settime32(abi::PlatformOp& op)
{
    if (op.u.settime32.nsecs >= 1'000'000'000)
        return Error::Invalid;
    set_time(op.u.settime32.secs, op.u.settime32.nsecs, op.u.settime32.system_time);
    return {};
}

/// What the BIOS knew: we ask it nothing at boot, so the lists are empty.
Result<void> firmware_info(const abi::PlatformOp& op)
{
    switch (op.u.firmware_info.type) {
    case abi::FirmwareInfoType::disk_info:
    case abi::FirmwareInfoType::disk_mbr_signature:
    case abi::FirmwareInfoType::vbeddc_info:
    case abi::FirmwareInfoType::kbd_shift_flags:
        return Error::NoSuchDomain; // ESRCH: past the end
    case abi::FirmwareInfoType::efi_info:
        return Error::NotImplemented;
    }
    return Error::Invalid;
}

Result<void> enter_acpi_sleep(const abi::PlatformOp& op)
{
    const abi::PlatformEnterAcpiSleep& sleep = op.u.enter_acpi_sleep;
    constexpr u32 soft_off = 5;
    if (sleep.flags & ~abi::acpi_sleep_extended || sleep.sleep_state == 0 || sleep.sleep_state > soft_off)
        return Error::Invalid;
    if (sleep.flags || sleep.sleep_state != soft_off)
        return Error::NotSupported; // sleeping and waking up again are not served
    log(LogLevel::info, "the control domain switches the machine off");
    machine::acpi_power_off(sleep.val_a, sleep.val_b);
    return Error::NotPermitted;
}

Result<void> get_cpuinfo(abi::PlatformOp& op)
{
    abi::PlatformPcpuinfo& info = op.u.pcpu_info;
    info.max_present = machine::cpu_count() - 1;
    if (info.xen_cpuid >= machine::cpu_count()) {
        info.flags = abi::pcpu_flags_invalid;
        return {};
    }
    info.flags = abi::pcpu_flags_online;
    const machine::ProcessorIds ids = machine::processor_ids(CpuId(info.xen_cpuid));
    info.apic_id = ids.apic;
    info.acpi_id = ids.acpi;
    return {};
}

Result<void> operate(const Domain& caller, abi::PlatformOp& op)
{
    switch (op.cmd) {
    case abi::PlatformCmd::settime32:
        return settime32(op);
    case abi::PlatformCmd::settime64:
        return settime64(op);
    case abi::PlatformCmd::firmware_info:
        return firmware_info(op);
    case abi::PlatformCmd::enter_acpi_sleep:
        return enter_acpi_sleep(op);
    case abi::PlatformCmd::get_cpuinfo:
        return get_cpuinfo(op);
    case abi::PlatformCmd::cpu_online:
    case abi::PlatformCmd::cpu_offline:
    case abi::PlatformCmd::cpu_hotadd:
    case abi::PlatformCmd::mem_hotadd:
        return Error::NotSupported;
    case abi::PlatformCmd::get_symbol:
    case abi::PlatformCmd::set_processor_pminfo:
    default:
        return unknown_operation(caller, "platform_op", static_cast<u32>(op.cmd));
    }
}

}

i64 platform_op(Vcpu& self, Arguments& args)
{
    const GuestInOut<abi::PlatformOp> argument(args.a[0]);
    Result<abi::PlatformOp> read = argument.copy_in();
    if (!read.ok())
        return to_errno(Error::Fault);
    abi::PlatformOp& op = read.value();
    if (op.interface_version != abi::platform_interface_version)
        return to_errno(Error::Access);
    if (!self.domain->privileged())
        return to_errno(Error::NotPermitted);
    const Result<void> result = operate(*self.domain, op);
    if (result.ok() && !argument.copy_out(op).ok())
        return to_errno(Error::Fault);
    return to_wire(result);
}

}
