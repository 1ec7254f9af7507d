#include "tests/unit/sharing_ops/op_domain.hpp"

#include <map>

namespace xylem {

namespace {
std::map<u16, Domain*>& known_domains()
{
    static std::map<u16, Domain*> domains;
    return domains;
}
}

DomainRef::~DomainRef() = default;

Result<DomainRef> find_domain(DomId id)
{
    const auto at = known_domains().find(id.value);
    if (at == known_domains().end())
        return Error::NoSuchDomain;
    return DomainRef(at->second);
}

Result<DomainRef> find_domain_or_self(Domain& caller, DomId id)
{
    return id == domid_self ? Result<DomainRef>(DomainRef(&caller)) : find_domain(id);
}

// Nobody is scheduled here.
namespace sched {
void wake(Unit&) {}
void kick(Unit&) {}
}

namespace hypercall::test {

OpDomain::OpDomain(u16 id, Privilege privilege)
{
    domain.id = domain.memory.id = DomId(id);
    domain.privilege = privilege;
    domain.memory.max_pages = 1000;
    domain.memory.dirty_cpus = CpuMask{1};
    domain.controller_pauses = 0;
    mm::register_owner(domain.memory);
    known_domains()[id] = &domain;
    EXPECT_TRUE(domain.grants.initialise(domain.id, domain.memory, 3, 4).ok());
    event_channels::initialise(domain.events, domain.id, 1023, shared.get(), domain.memory);

    l1 = page();
    Mfn lower = l1;
    for (unsigned level = 2; level <= 4; ++level) {
        const Mfn table = page();
        machine::map<u64>(table)[abi::page_table_index(window, level)] =
            address_of(lower).value | abi::pte::present | abi::pte::writable | abi::pte::user;
        lower = table;
    }
    l4 = lower;
    EXPECT_TRUE(mm::take_root(domain.memory, l4).ok());

    vcpu.domain = &domain;
    vcpu.kernel_root = address_of(l4).value;
    vcpu.info = &shared->vcpu_info[0];
    domain.vcpus[0] = &vcpu;
    domain.vcpu_limit = 1;
    event_channels::attach_vcpu(domain.events, vcpu.events, VcpuId(0), &vcpu.info, vcpu.unit);
}

OpDomain::~OpDomain()
{
    known_domains().erase(domain.id.value);
    while (!event_channels::destroy(domain.events).ok()) {
    }
    while (!domain.grants.release_mappings().ok()) {
    }
    domain.memory.dying = true;
    mm::put_root(l4);
    while (!mm::relinquish(domain.memory).ok()) {
    }
    domain.grants.release_frames();
    EXPECT_TRUE(mm::drained(domain.memory)) << "others still hold frames of domain " << domain.id.value;
    domain.grants.free_storage();
    event_channels::release_memory(domain.events);
    mm::unregister_owner(domain.memory);
}

i64 OpDomain::call(Handler handler, u64 a0, u64 a1, u64 a2)
{
    Arguments args{{a0, a1, a2, 0, 0, 0}};
    continuations = 0;
    for (;;) {
        const i64 result = handler(vcpu, args);
        if (result != preempted)
            return result;
        ++continuations;
    }
}

}

}
