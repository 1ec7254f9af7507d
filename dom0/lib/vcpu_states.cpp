// See vcpu_states.hpp.
#include "dom0/lib/vcpu_states.hpp"

#include "dom0/lib/hypervisor_support.hpp"
#include "hypervisor/abi/xylem.hpp"

#include <cerrno>

namespace xylem::dom0 {

std::optional<std::array<u64, 4>> vcpu_states(Privcmd& privcmd, DomId domain, u32 vcpu)
{
    Bounce<abi::XylemVcpuStates> argument(
        privcmd, abi::XylemVcpuStates{abi::XylemCmd::vcpu_states, 0, domain.value, 0, vcpu, {}});
    const i64 result = privcmd.call_long(number_of(abi::xylem_op_number), argument.address());
    if (result == -ENOSYS || result == -ENOENT || result == -ESRCH)
        return std::nullopt;
    checked(static_cast<int>(result), "xylem_op vcpu_states");
    return std::to_array(argument->ns);
}

}
