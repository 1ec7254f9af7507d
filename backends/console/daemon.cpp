// See daemon.hpp.
#include "backends/console/daemon.hpp"

#include "backends/console/pty.hpp"
#include "hypervisor/abi/grant_table.hpp"

#include <set>

namespace xylem::backends::console {

class Daemon::Attachment {
public:
    Attachment(Daemon& daemon, DomId domain)
        : daemon_(daemon), domain_(domain), folder_(fmt::format("/local/domain/{}/console", domain.value))
    {
        daemon_.store_.watch(folder_, [this](const std::string& path) {
            // "tty" is ours; what matters is where the ring and its port are.
            if (path == folder_ || path.ends_with("/port") || path.ends_with("/ring-ref"))
                update();
        });
    }
    ~Attachment() { daemon_.store_.unwatch(folder_); }

    void detach();
    void reopen_log()
    {
        if (guest_)
            guest_->reopen_log();
    }

private:
    struct Place {
        u64 ring;
        u32 port;
        bool operator==(const Place&) const = default;
    };

    std::optional<Place> place() const;
    void update();
    void attach(const Place& place);
    std::byte* map(u64 frame);

    Daemon& daemon_;
    DomId domain_;
    std::string folder_;
    std::optional<Place> seen_; // also of a console that could not be had, so as to complain once
    dom0::GrantMapping granted_;
    dom0::ForeignMapping foreign_;
    std::unique_ptr<Pty> pty_;
    std::unique_ptr<Guest> guest_; // before the page and the terminal in the order of ends
};

std::optional<Daemon::Attachment::Place> Daemon::Attachment::place() const
{
    Store& store = daemon_.store_;
    const auto ring = read_number(store, folder_ + "/ring-ref");
    const auto port = read_number(store, folder_ + "/port");
    const std::string type = store.read(folder_ + "/type").value_or("");
    if (!ring || !port || (!type.empty() && type != "xenconsoled"))
        return std::nullopt;
    return Place{*ring, static_cast<u32>(*port)};
}

void Daemon::Attachment::update()
{
    const auto now = place();
    if (now == seen_)
        return;
    detach();
    seen_ = now;
    if (!now)
        return;
    try {
        attach(*now);
    } catch (const std::exception& error) {
        detach();
        log("domain {}: no console: {}", domain_.value, error.what());
    }
}

/// The toolstack grants us the page by a reserved reference; where it did not, the right of a control domain serves.
std::byte* Daemon::Attachment::map(u64 frame)
{
    try {
        granted_ = daemon_.grants_.map(domain_, GrantRef(abi::grant_reserved_console), dom0::Protection::read_write);
        return granted_.data();
    } catch (const std::system_error&) {
        const Mfn mfn(frame);
        foreign_ = dom0::map_foreign(daemon_.hypervisor_.privcmd(), domain_, {&mfn, 1}, dom0::Protection::read_write);
        return foreign_.data();
    }
}

void Daemon::Attachment::attach(const Place& place)
{
    pty_ = std::make_unique<Pty>(daemon_.loop_, backlog_limit(daemon_.store_, folder_));
    guest_ = std::make_unique<Guest>(
        GuestParts{daemon_.loop_, map(place.ring), *pty_, daemon_.log_path(domain_), daemon_.options_.log_limit,
                   fmt::format("domain {}", domain_.value),
                   [&daemon = daemon_, domain = domain_](const char*) { daemon.detach_soon(domain); }});
    guest_->set_signal(daemon_.events_.bind(
        domain_, Port(place.port), [this] { guest_->serve(); }, EventHub::Unmask::by_owner));
    daemon_.store_.update(folder_, {{"tty", pty_->path()}});
    log("domain {}: console on {}", domain_.value, pty_->path());
    guest_->serve();
}

void Daemon::Attachment::detach()
{
    guest_.reset();
    pty_.reset();
    granted_ = {};
    foreign_ = {};
}

Daemon::Daemon(EventLoop& loop, Store& store, EventHub& events, dom0::GrantDevice& grants, dom0::Hypervisor& hypervisor,
               Options options)
    : loop_(loop), store_(store), events_(events), grants_(grants), hypervisor_(hypervisor),
      options_(std::move(options))
{
    store_.watch("@introduceDomain", [this](const std::string&) { look_soon(); });
    store_.watch("@releaseDomain", [this](const std::string&) { look_soon(); });
}

Daemon::~Daemon()
{
    store_.unwatch("@introduceDomain");
    store_.unwatch("@releaseDomain");
}

void Daemon::look_soon()
{
    if (!std::exchange(look_deferred_, true))
        loop_.defer([this] { look_for_domains(); });
}

void Daemon::detach_soon(DomId domain)
{
    loop_.defer([this, domain] {
        if (const auto found = attachments_.find(domain); found != attachments_.end())
            found->second->detach();
    });
}

/// A dying domain's console is let go at once: our mapping of its page would keep it from ending.
void Daemon::look_for_domains()
{
    look_deferred_ = false;
    std::set<DomId> alive;
    for (const dom0::DomainInfo& info : hypervisor_.domains())
        if (info.domain != 0 && !(info.flags & abi::dominf_dying))
            alive.insert(DomId(info.domain));
    std::erase_if(attachments_, [&](const auto& entry) { return !alive.contains(entry.first); });
    for (const DomId domain : alive)
        if (!attachments_.contains(domain))
            attachments_.emplace(domain, std::make_unique<Attachment>(*this, domain));
}

std::string Daemon::log_path(DomId domain)
{
    if (options_.log_folder.empty())
        return "";
    std::string name = store_.read(fmt::format("/local/domain/{}/name", domain.value)).value_or("");
    if (name.empty() || name.find('/') != std::string::npos || name.starts_with('.'))
        name = std::to_string(domain.value);
    return fmt::format("{}/guest-{}.log", options_.log_folder, name);
}

void Daemon::reopen_logs()
{
    for (const auto& [domain, attachment] : attachments_)
        attachment->reopen_log();
}

}
