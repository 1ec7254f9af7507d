// A domain's life: made, given vCPUs, paused, shut down, ended.
#pragma once

#include "hypervisor/domain/domain.hpp"

namespace xylem {

struct DomainLimits {
    unsigned vcpus = 1;
    u32 event_ports = 1023; ///< the highest port it may have
    u32 grant_frames = 64;
    u32 maptrack_frames = 1024;
    u32 grant_version = 2; ///< the highest of its grant table
};

/// Makes an empty domain, paused once by its controller, known under `id`. One at a time: by domctl, or at boot.
/// @return Exists  the id is taken; NoMemory
Result<Domain*> create_domain(DomId id, Privilege privilege, const DomainLimits& limits);
/// The next free id after the one given out last. @return NoMemory  all are taken
Result<DomId> choose_domid();
/// Adds vCPU `id`: offline, not initialised. @return NoMemory
Result<Vcpu*> create_vcpu(Domain& domain, VcpuId id);

/// The domain with the lowest id that is at least `from`. @return NoSuchDomain
Result<DomainRef> find_domain_from(DomId from);
void domain_get(Domain& domain);
void domain_put(Domain& domain);

/// By the toolstack, counted. @return Invalid  more unpauses than pauses
void controller_pause(Domain& domain);
Result<void> controller_unpause(Domain& domain);
/// Stops all of its vCPUs but the caller's own, and waits until they have. Undone by resume_vcpus. Only with the turn
/// of control operations (hypercall/control_turn.hpp): else two vCPUs could wait for each other to stop.
void pause_vcpus(Domain& domain, const Vcpu* but = nullptr);
void resume_vcpus(Domain& domain, const Vcpu* but = nullptr);

/// The domain ends by its own word (or for its fault): its vCPUs stop; the first reason stays.
void shut_down(Domain& domain, u8 reason);
/// After a vCPU of a domain that is shutting down has left its processor: once all have, its controller is told.
void note_vcpu_stopped(Domain& domain);
/// Undoes a shutdown (a cancelled suspend).
void resume_domain(Domain& domain);

/// Ends a domain and gives back all it has. @return Preempted  call again
Result<void> end_domain(Domain& domain);

/// Makes an NMI pending on a vCPU.
void send_nmi(Vcpu& vcpu);

/// The control domain, once it has been built.
Domain* control_domain();
/// The domain of idle vCPUs.
Domain& idle_domain();
/// Tells the control domain (VIRQ_DOM_EXC) that some domain's state has changed.
void announce_domain_change();

}
