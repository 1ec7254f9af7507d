// The hypercalls, as data: number, name, handler. What has no handler answers -ENOSYS; docs/hypercalls.md says why.

#include "hypervisor/hypercall/table.hpp"

namespace xylem::hypercall {

constinit const Entry table[table_size] = {
    /* 0 */ {"set_trap_table", set_trap_table},
    /* 1 */ {"mmu_update", mmu_update},
    /* 2 */ {"set_gdt", set_gdt},
    /* 3 */ {"stack_switch", stack_switch},
    /* 4 */ {"set_callbacks", set_callbacks},
    /* 5 */ {"fpu_taskswitch", fpu_taskswitch},
    /* 6 */ {"sched_op_compat", sched_op_compat},
    /* 7 */ {"platform_op", platform_op},
    /* 8 */ {"set_debugreg", set_debugreg},
    /* 9 */ {"get_debugreg", get_debugreg},
    /* 10 */ {"update_descriptor", update_descriptor},
    /* 11 */ {"unused", nullptr},
    /* 12 */ {"memory_op", memory_op},
    /* 13 */ {"multicall", multicall},
    /* 14 */ {"update_va_mapping", update_va_mapping},
    /* 15 */ {"set_timer_op", set_timer_op},
    /* 16 */ {"event_channel_op_compat", event_channel_op_compat},
    /* 17 */ {"xen_version", xen_version},
    /* 18 */ {"console_io", console_io},
    /* 19 */ {"physdev_op_compat", physdev_op_compat},
    /* 20 */ {"grant_table_op", grant_table_op},
    /* 21 */ {"vm_assist", vm_assist},
    /* 22 */ {"update_va_mapping_otherdomain", update_va_mapping_otherdomain},
    /* 23 */ {"iret", iret},
    /* 24 */ {"vcpu_op", vcpu_op},
    /* 25 */ {"set_segment_base", set_segment_base},
    /* 26 */ {"mmuext_op", mmuext_op},
    /* 27 */ {"xsm_op", nullptr},
    /* 28 */ {"nmi_op", nmi_op},
    /* 29 */ {"sched_op", sched_op},
    /* 30 */ {"callback_op", callback_op},
    /* 31 */ {"xenoprof_op", nullptr},
    /* 32 */ {"event_channel_op", event_channel_op},
    /* 33 */ {"physdev_op", physdev_op},
    /* 34 */ {"hvm_op", hvm_op},
    /* 35 */ {"sysctl", sysctl},
    /* 36 */ {"domctl", domctl},
    /* 37 */ {"kexec_op", kexec_op},
    /* 38 */ {"tmem_op", nullptr},
    /* 39 */ {"argo_op", nullptr},
    /* 40 */ {"xenpmu_op", xenpmu_op},
    /* 41 */ {"dm_op", dm_op},
    /* 42 */ {"hypfs_op", hypfs_op},
    /* 43 */ {"unused", nullptr},
    /* 44 */ {"unused", nullptr},
    /* 45 */ {"unused", nullptr},
    /* 46 */ {"unused", nullptr},
    /* 47 */ {"unused", nullptr},
    /* 48 */ {"mca", mca_op},
    /* 49 */ {"unused", nullptr},
    /* 50 */ {"unused", nullptr},
    /* 51 */ {"unused", nullptr},
    /* 52 */ {"unused", nullptr},
    /* 53 */ {"unused", nullptr},
    /* 54 */ {"unused", nullptr},
    /* 55 */ {"xylem_op", xylem_op},
};

i64 call(Vcpu& self, u64 number, Arguments& args)
{
    if (number >= table_size || !table[number].handler) {
        // Tools try xsm_op at every turn, to learn that there is no security module.
        if (number != static_cast<u64>(abi::HypercallNumber::xsm_op))
            log_unknown_hypercall(self, number, number < table_size ? table[number].name : "unknown");
        return to_errno(Error::NotImplemented);
    }
    return table[number].handler(self, args);
}

}
