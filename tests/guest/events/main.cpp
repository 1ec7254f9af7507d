// Event channels in two levels: the life of a port, loops to oneself, IPIs, the timer's virtual interrupt; delivery,
// masks and polls. At last the switch to FIFO queues.

#include "frontends/guest/test.hpp"
#include "frontends/guest/time.hpp"

#include "hypervisor/abi/vcpu.hpp"

using namespace xylem;
using namespace xylem::guest;
using abi::EvtchnCmd;
using abi::HypercallNumber;
using abi::RawPort;

namespace {

template <typename T> i64 event_op(EvtchnCmd cmd, T& argument)
{
    return hypercall(HypercallNumber::event_channel_op, static_cast<u64>(cmd), address_of(argument));
}

abi::VcpuInfo& vcpu_info()
{
    return shared_info().vcpu_info[0];
}

unsigned upcalls;

bool count_upcall(TrapFrame&)
{
    ++upcalls;
    vcpu_info().evtchn_upcall_pending = 0;
    __atomic_store_n(&vcpu_info().evtchn_pending_sel, 0, __ATOMIC_SEQ_CST);
    return true;
}

bool bit(const u64* words, RawPort port)
{
    return __atomic_load_n(&words[port / 64], __ATOMIC_SEQ_CST) >> port % 64 & 1;
}
bool pending(RawPort port)
{
    return bit(shared_info().evtchn_pending, port);
}
void clear_pending(RawPort port)
{
    __atomic_and_fetch(&shared_info().evtchn_pending[port / 64], ~(u64{1} << port % 64), __ATOMIC_SEQ_CST);
}
void set_mask(RawPort port, bool masked)
{
    u64& word = shared_info().evtchn_mask[port / 64];
    masked ? __atomic_or_fetch(&word, u64{1} << port % 64, __ATOMIC_SEQ_CST)
           : __atomic_and_fetch(&word, ~(u64{1} << port % 64), __ATOMIC_SEQ_CST);
}

i64 send(RawPort port)
{
    abi::EvtchnSend request{port};
    return event_op(EvtchnCmd::send, request);
}
i64 close(RawPort port)
{
    abi::EvtchnClose request{port};
    return event_op(EvtchnCmd::close, request);
}
abi::EvtchnStatus status(RawPort port)
{
    abi::EvtchnStatus request{};
    request.dom = abi::domid_self;
    request.port = port;
    EXPECT(event_op(EvtchnCmd::status, request), 0);
    return request;
}
RawPort unbound()
{
    abi::EvtchnAllocUnbound request{abi::domid_self, abi::domid_self, 0};
    EXPECT(event_op(EvtchnCmd::alloc_unbound, request), 0);
    return request.port;
}
RawPort ipi()
{
    abi::EvtchnBindIpi request{0, 0};
    EXPECT(event_op(EvtchnCmd::bind_ipi, request), 0);
    return request.port;
}

void delivery()
{
    set_trap_handler(vector_event, count_upcall);
    const RawPort port = ipi();
    EXPECT_TRUE(status(port).status == abi::EvtchnStat::ipi);
    set_mask(port, false);
    vcpu_info().evtchn_upcall_mask = 1;
    upcalls = 0;
    EXPECT(send(port), 0);
    EXPECT(upcalls, 0);
    EXPECT_TRUE(pending(port));
    EXPECT(vcpu_info().evtchn_upcall_pending, 1);
    EXPECT(vcpu_info().evtchn_pending_sel, u64{1} << port / 64);
    vcpu_info().evtchn_upcall_mask = 0;
    hypercall(HypercallNumber::xen_version, 0); // any hypercall lets it in
    EXPECT(upcalls, 1);
    EXPECT(vcpu_info().evtchn_upcall_mask, 0); // as it was, after the handler
    EXPECT(send(port), 0);                     // still pending: no news
    EXPECT(upcalls, 1);
    clear_pending(port);
    EXPECT(send(port), 0);
    EXPECT(upcalls, 2);
    clear_pending(port);
    // A masked port waits for unmask.
    set_mask(port, true);
    EXPECT(send(port), 0);
    EXPECT(upcalls, 2);
    EXPECT_TRUE(pending(port));
    abi::EvtchnUnmask unmask{port};
    EXPECT(event_op(EvtchnCmd::unmask, unmask), 0);
    EXPECT(upcalls, 3);
    EXPECT_TRUE(!bit(shared_info().evtchn_mask, port));
    EXPECT(close(port), 0);
    EXPECT_TRUE(!pending(port));
    EXPECT_ERROR(close(port), inval);
    EXPECT_ERROR(send(port), inval);
}

void loops()
{
    const RawPort first = unbound();
    EXPECT_TRUE(status(first).status == abi::EvtchnStat::unbound);
    EXPECT(send(first), 0); // to nobody
    abi::EvtchnBindInterdomain bind{abi::domid_self, first, 0};
    EXPECT(event_op(EvtchnCmd::bind_interdomain, bind), 0);
    const RawPort second = bind.local_port;
    EXPECT_TRUE(pending(second)); // an event may have been lost before
    clear_pending(second);
    const abi::EvtchnStatus of_first = status(first);
    EXPECT_TRUE(of_first.status == abi::EvtchnStat::interdomain);
    EXPECT(of_first.u.interdomain.port, second);
    EXPECT_ERROR(event_op(EvtchnCmd::bind_interdomain, bind), inval); // taken
    EXPECT(send(first), 0);
    EXPECT_TRUE(pending(second) && !pending(first));
    clear_pending(second);
    EXPECT(send(second), 0);
    EXPECT_TRUE(pending(first) && !pending(second));
    EXPECT(close(second), 0);
    EXPECT_TRUE(status(first).status == abi::EvtchnStat::unbound);
    EXPECT(close(first), 0);
    bind = {1234, 1, 0};
    EXPECT_ERROR(event_op(EvtchnCmd::bind_interdomain, bind), srch);
    abi::EvtchnAllocUnbound alloc{1234, 0, 0};
    EXPECT_ERROR(event_op(EvtchnCmd::alloc_unbound, alloc), srch);
    alloc = {abi::domid_self, 1234, 0}; // nobody need be there yet
    EXPECT(event_op(EvtchnCmd::alloc_unbound, alloc), 0);
    EXPECT(close(alloc.port), 0);
}

void errors()
{
    EXPECT_ERROR(send(0), inval);
    EXPECT_ERROR(send(4000), inval);
    EXPECT_ERROR(send(~0U), inval);
    EXPECT_ERROR(close(~0U), inval);
    abi::EvtchnBindIpi bind_ipi{100, 0};
    EXPECT_ERROR(event_op(EvtchnCmd::bind_ipi, bind_ipi), noent);
    abi::EvtchnBindVirq virq{24, 0, 0};
    EXPECT_ERROR(event_op(EvtchnCmd::bind_virq, virq), inval);
    virq = {static_cast<u32>(abi::Virq::timer), 100, 0};
    EXPECT_ERROR(event_op(EvtchnCmd::bind_virq, virq), noent);
    virq = {static_cast<u32>(abi::Virq::dom_exc), 1, 0};
    EXPECT_ERROR(event_op(EvtchnCmd::bind_virq, virq), inval);
    const RawPort port = ipi();
    abi::EvtchnBindVcpu move{port, 0};
    EXPECT_ERROR(event_op(EvtchnCmd::bind_vcpu, move), inval);
    move = {port, 100};
    EXPECT_ERROR(event_op(EvtchnCmd::bind_vcpu, move), noent);
    EXPECT(close(port), 0);
    abi::EvtchnUnmask unmask{~0U};
    EXPECT_ERROR(event_op(EvtchnCmd::unmask, unmask), inval);
    abi::EvtchnSetPriority priority{1, 7};
    EXPECT_ERROR(event_op(EvtchnCmd::set_priority, priority), nosys);
    abi::EvtchnExpandArray expand{0};
    EXPECT_ERROR(event_op(EvtchnCmd::expand_array, expand), opnotsupp);
    EXPECT_ERROR(event_op(static_cast<EvtchnCmd>(15), expand), nosys);
    EXPECT_ERROR(hypercall(HypercallNumber::event_channel_op, static_cast<u64>(EvtchnCmd::send), 0x5000), fault);
}

i64 poll(RawPort* ports, u32 count, u64 timeout)
{
    abi::SchedPoll request{{reinterpret_cast<u64>(ports)}, count, timeout};
    return hypercall(HypercallNumber::sched_op, static_cast<u64>(abi::SchedCmd::poll), address_of(request));
}

/// The timer's virtual interrupt, waited for in three ways.
void timer()
{
    const auto vcpu_op = [](abi::VcpuCmd cmd, u64 argument) {
        return hypercall(HypercallNumber::vcpu_op, static_cast<u64>(cmd), 0, argument);
    };
    EXPECT(vcpu_op(abi::VcpuCmd::stop_periodic_timer, 0), 0);
    abi::EvtchnBindVirq bind{static_cast<u32>(abi::Virq::timer), 0, 0};
    EXPECT(event_op(EvtchnCmd::bind_virq, bind), 0);
    EXPECT_ERROR(event_op(EvtchnCmd::bind_virq, bind), exist);
    RawPort port = bind.port;
    for (u64& mask : shared_info().evtchn_mask)
        mask = ~u64{0}; // an event of any port that is not masked, such as the console's, ends a poll on Xen
    vcpu_info().evtchn_upcall_mask = 1;

    u64 begin = system_time();
    EXPECT(poll(&port, 1, begin + 3 * millisecond), 0); // nothing comes: the time limit ends it
    EXPECT_TRUE(system_time() >= begin + 3 * millisecond);
    EXPECT_TRUE(!pending(port));

    begin = system_time();
    abi::VcpuSetSingleshotTimer shot{begin + 2 * millisecond, 0};
    EXPECT(vcpu_op(abi::VcpuCmd::set_singleshot_timer, address_of(shot)), 0);
    EXPECT(poll(&port, 1, 0), 0);
    EXPECT_TRUE(pending(port) && system_time() >= begin + 2 * millisecond);
    EXPECT(poll(&port, 1, 0), 0); // at once: it is pending
    clear_pending(port);

    set_mask(port, false);
    upcalls = 0;
    shot.timeout_abs_ns = 1; // long past: now
    EXPECT(vcpu_op(abi::VcpuCmd::set_singleshot_timer, address_of(shot)), 0);
    EXPECT(hypercall(HypercallNumber::sched_op, static_cast<u64>(abi::SchedCmd::block)), 0);
    EXPECT(upcalls, 1);
    EXPECT(vcpu_info().evtchn_upcall_mask, 0); // block opens it
    EXPECT_TRUE(pending(port));
    clear_pending(port);
    vcpu_info().evtchn_upcall_mask = 1; // an upcall before the block would leave nothing that ends it
    EXPECT(hypercall(HypercallNumber::set_timer_op, system_time() + millisecond), 0);
    EXPECT(hypercall(HypercallNumber::sched_op, static_cast<u64>(abi::SchedCmd::block)), 0);
    EXPECT(upcalls, 2);
    vcpu_info().evtchn_upcall_mask = 1;

    static RawPort many[129];
    EXPECT_ERROR(poll(many, 129, 1), inval);
    RawPort bad = ~0U;
    EXPECT_ERROR(poll(&bad, 1, 1), inval);
    EXPECT_ERROR(poll(reinterpret_cast<RawPort*>(0x5000), 1, 1), fault);
    clear_pending(port);
    EXPECT(close(port), 0);
    EXPECT_ERROR(hypercall(HypercallNumber::sched_op, 8), nosys);
    EXPECT(hypercall(HypercallNumber::sched_op, static_cast<u64>(abi::SchedCmd::yield)), 0);
}

/// After this no port is in two levels any more.
void fifo()
{
    auto* control = static_cast<abi::EvtchnFifoControlBlock*>(allocate_page());
    auto* words = static_cast<u32*>(allocate_page());
    const RawPort port = ipi();
    abi::EvtchnInitControl init{mfn_of_address(control), 4, 0, 0, {}};
    EXPECT_ERROR(event_op(EvtchnCmd::init_control, init), inval);
    init.offset = 4032;
    EXPECT_ERROR(event_op(EvtchnCmd::init_control, init), inval);
    init.offset = 0;
    init.vcpu = 100;
    EXPECT_ERROR(event_op(EvtchnCmd::init_control, init), noent);
    init.vcpu = 0;
    EXPECT(event_op(EvtchnCmd::init_control, init), 0);
    EXPECT(init.link_bits, abi::evtchn_fifo_link_bits);
    EXPECT_ERROR(event_op(EvtchnCmd::init_control, init), inval);
    abi::EvtchnExpandArray expand{mfn_of_address(words)};
    EXPECT(event_op(EvtchnCmd::expand_array, expand), 0);

    constexpr u32 pending_bit = 1U << abi::evtchn_fifo_pending, linked_bit = 1U << abi::evtchn_fifo_linked,
                  masked_bit = 1U << abi::evtchn_fifo_masked;
    vcpu_info().evtchn_upcall_mask = 1;
    EXPECT(send(port), 0);
    EXPECT(words[port], pending_bit | linked_bit);
    EXPECT(control->ready, 1U << abi::evtchn_fifo_priority_default);
    EXPECT(control->head[abi::evtchn_fifo_priority_default], port);
    const RawPort second = ipi();
    EXPECT(send(second), 0);
    EXPECT(words[port] & abi::evtchn_fifo_link_mask, second);
    words[port] = words[second] = 0;
    control->ready = 0;
    control->head[abi::evtchn_fifo_priority_default] = 0;
    words[port] = masked_bit;
    EXPECT(send(port), 0);
    EXPECT(words[port], masked_bit | pending_bit);
    EXPECT(control->ready, 0);
    abi::EvtchnSetPriority priority{port, 16};
    EXPECT_ERROR(event_op(EvtchnCmd::set_priority, priority), inval);
    priority.priority = 2;
    EXPECT(event_op(EvtchnCmd::set_priority, priority), 0);
    abi::EvtchnUnmask unmask{port};
    EXPECT(event_op(EvtchnCmd::unmask, unmask), 0);
    EXPECT(control->ready, 1U << 2);
    EXPECT(control->head[2], port);
    priority = {2000, 2};
    EXPECT_TRUE(event_op(EvtchnCmd::set_priority, priority) < 0);
}

}

void xylem_main()
{
    delivery();
    loops();
    errors();
    timer();
    fifo();
    finish_test();
}
