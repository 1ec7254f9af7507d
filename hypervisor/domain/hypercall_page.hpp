// The hypercall page: 128 stubs of 32 bytes, for kernels that do not issue SYSCALL themselves.
#pragma once

#include "hypervisor/domain/domain.hpp"

namespace xylem {

/// Fills a page with the stubs. (docs/pv-abi.md 2.2)
void fill_hypercall_page(u8* page);
/// Fills frame `mfn` of the domain. @return Invalid  not its frame; NotPermitted  it cannot be written (a page table,
/// say)
Result<void> write_hypercall_page(Domain& domain, Mfn mfn);

}
