// Calls of which a PV guest or its tools may expect an answer, but no more than that. (PV_ABI 4.7 and 7)

#include "hypervisor/abi/mca.hpp"
#include "hypervisor/core/guest_ptr.hpp"
#include "hypervisor/domain/domain.hpp"
#include "hypervisor/hypercall/hypercall.hpp"

namespace xylem::hypercall {

/// No virtual performance counters.
i64 xenpmu_op(Vcpu&, Arguments&) { return to_errno(Error::NotSupported); }

/// Parameters of HVM guests: there are none here.
i64 hvm_op(Vcpu&, Arguments&) { return to_errno(Error::Invalid); }

/// Device models serve HVM guests: there are none here.
i64 dm_op(Vcpu&, Arguments&) { return to_errno(Error::Invalid); }

i64 kexec_op(Vcpu& self, Arguments&) { return to_errno(self.domain->privileged() ? Error::NotImplemented : Error::NotPermitted); }

i64 mca_op(Vcpu& self, Arguments& args)
{
    if (!self.domain->privileged())
        return to_errno(Error::NotPermitted);
    // The command and the version, the two words that every request begins with.
    u32 header[2];
    if (!GuestIn<u32>(args.a[0]).copy_in_array(header, 2).ok())
        return to_errno(Error::Fault);
    if (header[1] != abi::mca_interface_version)
        return to_errno(Error::Access);
    return to_errno(Error::Invalid);
}

}
