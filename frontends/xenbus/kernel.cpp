// See kernel.hpp.

#include "frontends/xenbus/kernel.hpp"

namespace xylem::frontends {

Result<void> GrantedPages::acquire(Kernel& kernel, DomId peer, u32 count)
{
    kernel_ = &kernel;
    pages_ = kernel.allocate_pages(count);
    if (!pages_)
        return Error::NoMemory;
    refs_ = new GrantRef[count];
    for (u32 i = 0; i < count; ++i) {
        const Result<GrantRef> ref = kernel.grant(peer, pages_ + i * page_size, Kernel::Access::read_write);
        if (!ref.ok()) {
            count_ = i; // what was granted is taken back, and all pages with it
            for (u32 rest = i; rest < count; ++rest)
                kernel.free_pages(pages_ + rest * page_size, 1);
            release();
            return ref.error();
        }
        refs_[i] = ref.value();
    }
    count_ = count;
    return {};
}

void GrantedPages::release()
{
    if (!pages_)
        return;
    bool all = true;
    for (u32 i = 0; i < count_; ++i)
        all &= kernel_->end_grant(refs_[i]);
    if (all && count_ > 0)
        kernel_->free_pages(pages_, count_);
    delete[] refs_;
    refs_ = nullptr;
    pages_ = nullptr;
    count_ = 0;
}

Result<void> PeerPort::acquire(Kernel& kernel, DomId peer, Kernel::Handler handler, void* context)
{
    port_ = TRY(kernel.allocate_port(peer, handler, context));
    kernel_ = &kernel;
    return {};
}

void PeerPort::release()
{
    if (kernel_)
        kernel_->close_port(port_);
    kernel_ = nullptr;
}

}
