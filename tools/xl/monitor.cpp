// See monitor.hpp.
#include "tools/xl/monitor.hpp"

#include "tools/xl/core_dump.hpp"
#include "tools/xl/domains.hpp"
#include "tools/xl/environment.hpp"
#include "tools/xl/failure.hpp"
#include "tools/xl/hand_over.hpp"
#include "tools/xl/lifecycle.hpp"
#include "tools/xl/monitoring/explain.hpp"
#include "tools/xl/paths.hpp"
#include "tools/xl/record.hpp"
#include "tools/xl/session.hpp"

#include "hypervisor/abi/sched.hpp"

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <cstring>
#include <ctime>
#include <fcntl.h>
#include <filesystem>
#include <span>
#include <thread>
#include <unistd.h>

namespace xylem::xl {

namespace {

using config::ShutdownAction;
using namespace std::chrono_literals;

template <typename... Arguments> void log(fmt::format_string<Arguments...> text, Arguments&&... arguments)
{
    const std::time_t now = std::time(nullptr);
    std::tm parts{};
    localtime_r(&now, &parts);
    char when[32];
    std::strftime(when, sizeof when, "%F %T", &parts);
    fmt::print("{} {}\n", when, fmt::format(text, std::forward<Arguments>(arguments)...));
    std::fflush(stdout);
}

/// How a domain ended.
struct End {
    bool is_gone = false; ///< there is nothing left of it
    abi::ShutdownReason reason = abi::ShutdownReason::poweroff;
};

std::string_view name_of(abi::ShutdownReason reason)
{
    static constexpr std::array<std::string_view, 6> names{"poweroff", "reboot",   "suspend",
                                                           "crash",    "watchdog", "soft reset"};
    const auto index = static_cast<std::size_t>(reason);
    return index < names.size() ? names[index] : "a reason of its own";
}

/// The domain's end, if it has come.
std::optional<End> look(Session& session, DomId domain)
{
    const auto info = session.hypervisor.domain(domain);
    if (!info || (info->flags & abi::dominf_dying))
        return End{true};
    if (!(info->flags & abi::dominf_shutdown))
        return std::nullopt;
    const u32 reason = info->flags >> abi::dominf_shutdownshift & abi::dominf_shutdownmask;
    return End{false, static_cast<abi::ShutdownReason>(reason)};
}

/// The store tells of each domain that ends; now and then we look ourselves, should that tale be lost with its teller.
End watch_for_end(Session& session, DomId domain)
{
    constexpr const char* path = "@releaseDomain";
    constexpr const char* token = "end";
    session.store.watch(path, token);
    for (;;) {
        if (const auto end = look(session, domain)) {
            session.store.unwatch(path, token);
            return *end;
        }
        session.store.wait_for_event(60s);
    }
}

/// In `session`, and in others once the store has been away.
End wait_for_end(Session& session, DomId domain)
{
    for (bool is_first = true;; is_first = false) {
        try {
            if (is_first)
                return watch_for_end(session, domain);
            Session another;
            return watch_for_end(another, domain);
        } catch (const xenstore::StoreError& error) {
            log("the store is away ({}); trying again", error.what());
            std::this_thread::sleep_for(1s);
        }
    }
}

ShutdownAction action_for(const config::DomainConfig& config, abi::ShutdownReason reason)
{
    switch (reason) {
    case abi::ShutdownReason::poweroff:
        return config.on_poweroff;
    case abi::ShutdownReason::reboot:
        return config.on_reboot;
    case abi::ShutdownReason::suspend:
        return ShutdownAction::preserve; // who suspended it will care for it
    case abi::ShutdownReason::watchdog:
        return config.on_watchdog;
    case abi::ShutdownReason::soft_reset:
        return config.on_soft_reset;
    case abi::ShutdownReason::crash:
        break;
    }
    return config.on_crash;
}

/// Gives the ended domain another name and UUID, so that its successor can have its own.
void set_aside(Session& session, DomId domain, const std::string& name)
{
    std::string other;
    for (unsigned n = 1; other.empty() || find_by_name(session, other); ++n)
        other = fmt::format("{}-{}", name, n);
    give_new_identity(session, domain, other);
    log("domain {} is kept under the name '{}'", domain.value, other);
}

DomId restart(const config::DomainConfig& config)
{
    const CreationLock lock;
    Session session;
    const DomId domain = create_domain(session, config);
    session.hypervisor.unpause(domain);
    log("domain '{}' started again, with id {}", config.name, domain.value);
    return domain;
}

/// The configuration as config-update left it.
config::DomainConfig updated(Session& session, DomId domain, config::DomainConfig config)
{
    const auto info = session.hypervisor.domain(domain);
    const auto text = info ? load_source(domain, uuid_text(info->handle)) : std::nullopt;
    if (!text || *text == config.source)
        return config;
    try {
        config::Settings settings;
        config::parse(*text, config.name, settings);
        config::DomainConfig read =
            config::read_domain_config(settings, config.name, this_machine(), xl_conf().defaults);
        read.name = config.name;
        read.uuid = config.uuid;
        read.source = *text;
        log("the configuration of domain '{}' has been updated", config.name);
        return read;
    } catch (const Failure& error) {
        log("the updated configuration of domain '{}' cannot be used ({}); the old one holds", config.name,
            error.what());
        return config;
    }
}

/// For xl explain, before the domain's nodes go.
void note_end(DomId domain, std::string_view action)
{
    Session session;
    if (const std::string error = keep_account(session, domain, std::string(action)); !error.empty())
        log("no account of domain {} is kept: {}", domain.value, error);
}

/// Without a core the rest of what was configured follows all the same, as Xen's xl has it.
void dump_crashed(Session& session, DomId domain, const std::string& name)
{
    const std::filesystem::path path = crash_core_path(name);
    try {
        std::filesystem::create_directories(path.parent_path());
        dump_core(session, domain, path.string());
        log("the core of domain {} is in {}", domain.value, path.string());
    } catch (const std::exception& error) {
        log("there is no core of domain {}: {}", domain.value, error.what());
    }
}

/// @return the domain to watch over next, if there is one
std::optional<DomId> act(DomId domain, const config::DomainConfig& config, ShutdownAction action)
{
    Session session;
    switch (action) {
    case ShutdownAction::preserve:
        return std::nullopt;
    case ShutdownAction::soft_reset:
        log("domain {} asked for a soft reset, which no PV guest has", domain.value);
        destroy_domain(session, domain);
        return std::nullopt;
    case ShutdownAction::coredump_destroy:
        dump_crashed(session, domain, config.name);
        [[fallthrough]];
    case ShutdownAction::destroy:
        destroy_domain(session, domain);
        return std::nullopt;
    case ShutdownAction::coredump_restart:
        dump_crashed(session, domain, config.name);
        [[fallthrough]];
    case ShutdownAction::restart:
        destroy_domain(session, domain);
        return restart(config);
    case ShutdownAction::rename_restart:
        set_aside(session, domain, config.name);
        return restart(config);
    }
    return std::nullopt;
}

}

static std::string log_path(const std::string& name)
{
    return "/var/log/xen/xl-" + name + ".log";
}

dom0::Fd open_monitor_log(const std::string& name)
{
    const std::filesystem::path path = log_path(name);
    std::error_code ignored; // the open tells what matters
    std::filesystem::create_directories(path.parent_path(), ignored);
    dom0::Fd fd(open(path.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644));
    if (!fd)
        fail("cannot open the log {}: {}", path.string(), std::strerror(errno));
    return fd;
}

void drop_empty_log(const std::string& name)
{
    std::error_code none;
    if (std::filesystem::file_size(log_path(name), none) == 0 && !none)
        std::filesystem::remove(log_path(name), none);
}

void monitor(Session& session, DomId first, const config::DomainConfig& first_config)
{
    config::DomainConfig config = first_config;
    std::optional<DomId> domain = first;
    while (domain) {
        log("waiting for the end of domain '{}', id {}", config.name, domain->value);
        const End end = wait_for_end(session, *domain);
        if (end.is_gone) {
            log("domain {} is gone", domain->value);
            return;
        }
        {
            Session now;
            config.name = find_name(now, *domain).value_or(config.name); // it may have been renamed
            config = updated(now, *domain, std::move(config));
        }
        const ShutdownAction action = action_for(config, end.reason);
        log("domain {} has shut down: {}; what follows is {}", domain->value, name_of(end.reason),
            config::name_of(action));
        note_end(*domain, config::name_of(action));
        domain = act(*domain, config, action);
    }
    log("nothing is left to do");
}

/// Closes what was open before we were started, and what else is of no use to us.
static void close_all_but(std::span<int> kept)
{
    std::ranges::sort(kept);
    unsigned next = STDERR_FILENO + 1;
    for (const int fd : kept) {
        const auto number = static_cast<unsigned>(fd);
        if (number > next)
            close_range(next, number - 1, 0);
        next = std::max(next, number + 1);
    }
    close_range(next, ~0U, 0);
}

/// In a process of its own, which is init's as soon as xl has ended: a session of our own, no terminal, and no file of
/// the parent's but those of `session`, if there is one that we have alone.
[[noreturn]] static void run_detached(DomId domain, const config::DomainConfig& config, int log_fd, Session* session)
{
    setsid();
    const int null = open("/dev/null", O_RDONLY);
    dup2(null, STDIN_FILENO);
    dup2(log_fd, STDOUT_FILENO);
    dup2(log_fd, STDERR_FILENO);
    std::array<int, 3> files{};
    if (session)
        files = session->files();
    close_all_but(files);
    if (chdir("/") < 0)
        log("cannot leave the working directory: {}", std::strerror(errno));
    try {
        std::optional<Session> own;
        monitor(session ? *session : own.emplace(), domain, config);
    } catch (const std::exception& error) {
        log("gave up on domain {}: {}", domain.value, error.what());
        _exit(1);
    }
    _exit(0);
}

/// Before there are two of us: what is to be written is written once.
static void announce(DomId domain, const config::DomainConfig& config)
{
    explain("a process in the background waits for the end of domain {}, and writes to {}", domain.value,
            log_path(config.name));
    std::fflush(nullptr);
}

[[noreturn]] static void fail_without_monitor(DomId domain)
{
    fail("cannot start the monitor of domain {}: {}", domain.value, std::strerror(errno));
}

/// One fork, since each copies our page tables. Nobody waits for the child.
void start_monitor(DomId domain, const config::DomainConfig& config, dom0::Fd log_fd)
{
    announce(domain, config);
    const pid_t child = fork();
    if (child < 0)
        fail_without_monitor(domain);
    if (child == 0)
        run_detached(domain, config, log_fd.get(), nullptr);
}

void leave_to_monitor(Session& session, DomId domain, const config::DomainConfig& config, dom0::Fd log_fd)
{
    announce(domain, config);
    if (xl_hand_over() < 0)
        fail_without_monitor(domain);
    run_detached(domain, config, log_fd.get(), &session);
}

}
