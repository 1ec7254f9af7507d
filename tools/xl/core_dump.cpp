// See core_dump.hpp.
//
// Which pages a domain has is asked of the hypervisor, and never of the domain, whose own table may be damaged, hostile
// or not there: the M2P says which pfn each machine frame is to whoever owns it, and getpageframeinfo3 which frames are
// this domain's.
#include "tools/xl/core_dump.hpp"

#include "dom0/lib/foreign.hpp"
#include "tools/xl/core_file.hpp"
#include "tools/xl/environment.hpp"
#include "tools/xl/failure.hpp"
#include "tools/xl/interrupt.hpp"

#include <algorithm>
#include <cstring>
#include <filesystem>
#include <unistd.h>

namespace xylem::xl {

namespace {

using dom0::Hypervisor;

constexpr u64 window_frames = 1024; // mapped at a time, and the most that getpageframeinfo3 takes
constexpr u64 entries_a_chunk = Hypervisor::m2p_chunk_bytes / sizeof(u64);
constexpr u64 end_of_pfns = u64{1} << 40; // beyond it are the M2P's words for frames that have none

/// A domain that does not run, for the life of this object.
class Standstill {
public:
    Standstill(Hypervisor& hypervisor, DomId domain) : hypervisor_(hypervisor), domain_(domain)
    {
        hypervisor_.pause(domain_);
    }
    ~Standstill()
    {
        try {
            hypervisor_.unpause(domain_);
        } catch (const dom0::HypercallError&) {
            // It has been destroyed meanwhile.
        }
    }
    Standstill(const Standstill&) = delete;
    Standstill& operator=(const Standstill&) = delete;

private:
    Hypervisor& hypervisor_;
    DomId domain_;
};

/// How far the writing has come, where somebody is looking at a terminal.
class Progress {
public:
    explicit Progress(u64 pages) : pages_(pages), shown_(isatty(STDERR_FILENO) == 1) {}
    ~Progress()
    {
        if (shown_)
            fmt::print(stderr, "\r\033[K");
    }
    Progress(const Progress&) = delete;
    Progress& operator=(const Progress&) = delete;

    void at(u64 done) const
    {
        if (shown_)
            fmt::print(stderr, "\r{:3}% of {} MiB", 100 * done / std::max<u64>(pages_, 1), pages_ * page_size >> 20);
    }

private:
    u64 pages_;
    bool shown_;
};

/// Appends to `found` those of `candidates` that are the domain's.
void keep_owned(Hypervisor& hypervisor, DomId domain, std::vector<CoreFrame>& candidates, std::vector<CoreFrame>& found)
{
    if (candidates.empty())
        return;
    std::vector<u64> frames;
    for (const CoreFrame& frame : candidates)
        frames.push_back(frame.gmfn);
    hypervisor.page_types(domain, frames);
    for (std::size_t i = 0; i < candidates.size(); ++i)
        if (frames[i] != abi::pfinfo_xtab)
            found.push_back(candidates[i]);
    candidates.clear();
}

std::vector<CoreFrame> frames_of(Hypervisor& hypervisor, DomId domain, const InterruptGuard& interrupts)
{
    const u64 end = hypervisor.physinfo().max_mfn + 1;
    const std::vector<Mfn> chunks = hypervisor.m2p_chunks(end);
    std::vector<CoreFrame> candidates;
    std::vector<CoreFrame> found;
    std::vector<u64> entries(entries_a_chunk);
    for (std::size_t i = 0; i < chunks.size(); ++i) {
        if (chunks[i].value == 0 || (i > 0 && chunks[i] == chunks[i - 1]))
            continue; // a hole
        interrupts.check();
        std::vector<Mfn> frames;
        for (u64 page = 0; page < Hypervisor::m2p_chunk_bytes / page_size; ++page)
            frames.emplace_back(chunks[i].value + page);
        const auto chunk = dom0::map_foreign(hypervisor.privcmd(), domid_xen, frames, dom0::Protection::read);
        std::memcpy(entries.data(), chunk.data(), Hypervisor::m2p_chunk_bytes);
        const u64 first = i * entries_a_chunk;
        for (u64 entry = 0; entry < entries_a_chunk && first + entry < end; ++entry) {
            if (entries[entry] < end_of_pfns)
                candidates.push_back({entries[entry], first + entry});
            if (candidates.size() == window_frames)
                keep_owned(hypervisor, domain, candidates, found);
        }
    }
    keep_owned(hypervisor, domain, candidates, found);
    std::sort(found.begin(), found.end(), [](const CoreFrame& a, const CoreFrame& b) { return a.pfn < b.pfn; });
    return found;
}

template <std::size_t size> void copy_text(char (&to)[size], const std::string& from)
{
    from.copy(to, size - 1);
}

CoreVersion version_of(Hypervisor& hypervisor)
{
    const Hypervisor::Version version = hypervisor.version();
    CoreVersion core{};
    core.major = version.major;
    core.minor = version.minor;
    copy_text(core.extra.text, version.extra);
    core.compile_info = hypervisor.compile_info();
    copy_text(core.capabilities.text, hypervisor.capabilities());
    copy_text(core.changeset.text, hypervisor.changeset());
    core.platform.virt_start = hypervisor.virtual_start();
    core.page_size = page_size;
    return core;
}

CoreHead head_of(Hypervisor& hypervisor, const dom0::DomainInfo& info, const InterruptGuard& interrupts)
{
    const DomId domain(info.domain);
    CoreHead head;
    head.version = version_of(hypervisor);
    for (u32 vcpu = 0; info.max_vcpu_id != abi::invalid_max_vcpu_id && vcpu <= info.max_vcpu_id; ++vcpu)
        if (const auto context = hypervisor.vcpu_context(domain, vcpu))
            head.vcpus.push_back(*context);
    if (head.vcpus.empty())
        fail("domain {} has no vCPU that has run; there is nothing to dump", domain.value);
    const Mfn shared_info(info.shared_info_frame);
    const auto mapping = dom0::map_foreign(hypervisor.privcmd(), domain, {&shared_info, 1}, dom0::Protection::read);
    std::memcpy(head.shared_info.data(), mapping.data(), page_size);
    head.frames = frames_of(hypervisor, domain, interrupts);
    return head;
}

}

std::string crash_core_path(const std::string& name)
{
    return "/var/lib/xen/dump/" + name;
}

void dump_core(Session& session, DomId domain, const std::string& path)
{
    const InterruptGuard interrupts;
    Hypervisor& hypervisor = session.hypervisor;
    const Standstill standstill(hypervisor, domain);
    const auto info = hypervisor.domain(domain);
    if (!info)
        fail("domain {} has gone", domain.value);
    const CoreHead head = head_of(hypervisor, *info, interrupts);
    explain("domain {} has {} pages and {} vCPUs", domain.value, head.frames.size(), head.vcpus.size());
    CoreFile file(path, head);
    const Progress progress(head.frames.size());
    for (std::size_t done = 0; done < head.frames.size();) {
        interrupts.check();
        progress.at(done);
        std::vector<Mfn> window;
        for (; done < head.frames.size() && window.size() < window_frames; ++done)
            window.emplace_back(head.frames[done].gmfn);
        const auto mapping = dom0::map_foreign(hypervisor.privcmd(), domain, window, dom0::Protection::read);
        file.append({mapping.data(), mapping.size()});
    }
    file.finish();
}

}
