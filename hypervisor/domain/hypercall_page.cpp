// Each stub: push rcx; push r11; mov $number, eax; syscall; pop r11; pop rcx; ret. The one for iret pushes rax too and
// does not come back. (xen/include/public/arch-x86/xen-x86_64.h)

#include "hypervisor/domain/hypercall_page.hpp"

#include "hypervisor/abi/hypercall.hpp"
#include "hypervisor/mm/references.hpp"

#include <string.h>

namespace xylem {
namespace {

constexpr u8 push_rcx = 0x51, push_rax = 0x50, pop_rcx = 0x59, ret = 0xc3, mov_eax = 0xb8;

void fill_stub(u8* at, u32 number)
{
    const bool is_iret = number == static_cast<u32>(abi::HypercallNumber::iret);
    *at++ = push_rcx;
    *at++ = 0x41; // push r11
    *at++ = 0x53;
    if (is_iret)
        *at++ = push_rax;
    *at++ = mov_eax;
    memcpy(at, &number, sizeof number);
    at += sizeof number;
    *at++ = 0x0f; // syscall
    *at++ = 0x05;
    if (is_iret)
        return;
    *at++ = 0x41; // pop r11
    *at++ = 0x5b;
    *at++ = pop_rcx;
    *at++ = ret;
}

}

void fill_hypercall_page(u8* page)
{
    constexpr u8 breakpoint = 0xcc;
    memset(page, breakpoint, page_size);
    for (u32 i = 0; i < abi::hypercall_page_stubs; ++i)
        fill_stub(page + i * abi::hypercall_stub_bytes, i);
}

Result<void> write_hypercall_page(Domain& domain, Mfn mfn)
{
    Result<mm::PageRef> page = mm::get_page(mfn, domain.id);
    if (!page.ok())
        return Error::Invalid;
    if (!mm::get_type(mfn, mm::PageType::writable).ok())
        return Error::NotPermitted;
    fill_hypercall_page(machine::map(mfn));
    mm::put_type(mfn);
    return {};
}

}
