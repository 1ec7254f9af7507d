// The hypervisor's boot, as an ordered list of steps.

#include "hypervisor/arch/x86_64/acpi.hpp"
#include "hypervisor/arch/x86_64/apic.hpp"
#include "hypervisor/arch/x86_64/boot_info.hpp"
#include "hypervisor/arch/x86_64/command_line.hpp"
#include "hypervisor/arch/x86_64/console.hpp"
#include "hypervisor/arch/x86_64/control_domain.hpp"
#include "hypervisor/arch/x86_64/irq.hpp"
#include "hypervisor/arch/x86_64/machine.hpp"
#include "hypervisor/arch/x86_64/paging.hpp"
#include "hypervisor/arch/x86_64/processor.hpp"
#include "hypervisor/arch/x86_64/runtime.hpp"
#include "hypervisor/arch/x86_64/smp.hpp"
#include "hypervisor/arch/x86_64/time.hpp"
#include "hypervisor/arch/x86_64/welcome.hpp"

namespace xylem::arch {

/// On the first processor's own stack, in the hypervisor's own address space.
static void start_on_own_stack()
{
    initialise_processor(CpuId(0));
    choose_smap();
    read_acpi();
    choose_apic_access();
    initialise_local_apic();
    initialise_interrupts();
    initialise_time();
    initialise_timer();
    create_idle_vcpu(CpuId(0));
    announce_processor();
    start_other_processors();
    make_policies();
    start_control_domain();
    start_idle();
}

/// From boot.S: on the boot stack, with the early page tables.
extern "C" void hypervisor_main(u32 magic, u32 information)
{
    new (&cpu()) Cpu;
    run_constructors();
    read_boot_information(magic, information);
    read_command_line();
    open_console();
    greet();
    build_address_space();
    choose_features();
    create_cpu_block(CpuId(0), 0);
    switch_to_block_stack(CpuId(0), start_on_own_stack);
}

}
