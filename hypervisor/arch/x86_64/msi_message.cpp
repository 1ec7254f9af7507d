// The message's form. (Intel's manual, volume 3, "Message Signalled Interrupts")

#include "hypervisor/arch/x86_64/msi.hpp"

namespace xylem::arch {

MsiMessage compose_message(u32 apic_id, u8 vector)
{
    constexpr u64 window = 0xfee00000;
    // Physical destination, no redirection hint; fixed delivery mode and edge trigger are zeroes in the data.
    return {window | u64{apic_id & 0xff} << 12, vector};
}

}
