// Which irq each device vector stands for. Vectors mean the same on all processors.
#pragma once

#include "hypervisor/arch/x86_64/irq.hpp"
#include "hypervisor/base/types.hpp"

namespace xylem::arch {

class VectorTable {
public:
    static constexpr u16 nothing = 0xffff;

    VectorTable()
    {
        for (u16& irq : irqs_)
            irq = nothing;
    }
    u16 irq_of(u8 vector) const { return irqs_[vector]; }
    /// Takes `count` consecutive vectors on a boundary of `count` (a power of two) for irqs from `first_irq` on.
    /// @return the first vector, or 0 if there is no such run
    u8 take(u16 first_irq, unsigned count)
    {
        for (unsigned vector = first_device_vector; vector + count - 1 <= last_device_vector; ++vector) {
            if (vector % count != 0 || !free(vector, count))
                continue;
            for (unsigned i = 0; i < count; ++i)
                irqs_[vector + i] = static_cast<u16>(first_irq + i);
            return static_cast<u8>(vector);
        }
        return 0;
    }
    void give_back(u8 vector) { irqs_[vector] = nothing; }

private:
    bool free(unsigned first, unsigned count) const
    {
        constexpr unsigned raised_by_guests = 0x80;
        for (unsigned vector = first; vector < first + count; ++vector)
            if (irqs_[vector] != nothing || vector == raised_by_guests)
                return false;
        return true;
    }

    u16 irqs_[256];
};

}
