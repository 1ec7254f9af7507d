// The second part of the seam (domain/vcpu_machine.hpp), as far as the core's tests reach it.

#include "hypervisor/domain/vcpu_machine.hpp"

#include "tests/support/fake_machine.hpp"

namespace xylem::machine {

void load_ldt(Vcpu& current)
{
    test::FakeMachine::get().note({.kind = test::Event::Kind::load_ldt, .address = current.ldt_base});
}

}
