// Giving a frame away: it leaves its owner, and becomes another domain's, which has said by an entry of its table that
// it accepts one. The entry tells the number that the frame shall have there, and is told which frame it is.

#include "grant_tables/pin.hpp"

#include "hypervisor/base/bits.hpp"
#include "hypervisor/mm/m2p.hpp"
#include "hypervisor/mm/reservation.hpp"

namespace xylem::grant_tables {

namespace {

/// An entry whose domain waits for a frame.
struct Commitment {
    u32 version = 0; ///< of its table; 0: it accepts none
    u64 number = 0;  ///< that the frame shall have there
};

/// Marks an entry that accepts a frame of `giver`'s as committed.
Commitment commit(Table& recipient, abi::RawGrantRef ref, DomId giver)
{
    LockGuard guard(recipient.lock);
    volatile u32* header = words_of(recipient, ref).header;
    if (!header)
        return {};
    Header seen{atomic_load(header)};
    for (unsigned attempt = 0; attempt < mark_attempts; ++attempt) {
        if (seen.flags() != abi::gtf_accept_transfer || seen.domain() != giver)
            return {};
        if (atomic_compare_exchange(header, seen.word, seen.word | abi::gtf_transfer_committed))
            return {recipient.version, recipient.version == 1 ? atomic_load(&entry_v1(recipient, ref).frame)
                                                              : atomic_load(&entry_v2(recipient, ref).full_page.frame)};
    }
    return {};
}

/// Tells the entry which frame has come.
Status complete(Table& recipient, abi::RawGrantRef ref, u32 version, Mfn mfn)
{
    LockGuard guard(recipient.lock);
    const Words words = words_of(recipient, ref);
    if (!words.header || recipient.version != version)
        return Status::general_error; // the domain has changed its mind: the frame is its own, but nothing says so
    if (version == 1)
        atomic_store(&entry_v1(recipient, ref).frame, static_cast<u32>(mfn.value));
    else
        atomic_store(&entry_v2(recipient, ref).full_page.frame, mfn.value);
    atomic_or(words.header, u32{abi::gtf_transfer_completed});
    return Status::okay;
}

}

Transfer::~Transfer()
{
    if (mfn_ != invalid_mfn)
        mm::discard_frames(mfn_, 0);
}

Status Transfer::take(Mfn mfn)
{
    if (!mm::steal(giver_, mfn).ok())
        return Status::bad_page;
    mm::give_up_room(giver_, 1);
    mfn_ = mfn;
    return Status::okay;
}

Status Transfer::give(Table& recipient, abi::RawGrantRef ref)
{
    if (!mm::reserve_room(*recipient.owner, 1).ok())
        return Status::general_error;
    const Commitment commitment = commit(recipient, ref, giver_.id);
    if (commitment.version == 0) {
        mm::give_up_room(*recipient.owner, 1);
        return Status::general_error;
    }
    mm::m2p[mfn_.value] = commitment.number; // while it is nobody's: once it is the recipient's, it may be gone at once
    if (!mm::restore_frames(*recipient.owner, mfn_, 0).ok())
        return Status::general_error;
    return complete(recipient, ref, commitment.version, std::exchange(mfn_, invalid_mfn));
}

}
