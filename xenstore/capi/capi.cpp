// libxenstore's functions. No exception leaves them.
#include "xenstore/capi/xenstore.h"

#include "xenstore/capi/channel.hpp"
#include "xenstore/client/socket.hpp"
#include "xenstore/store/path.hpp"
#include "xenstore/store/permissions.hpp"

#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <fcntl.h>
#include <system_error>
#include <unistd.h>

using namespace xylem;
using namespace xylem::xenstore;

struct xs_handle {
    Channel channel;
    bool filters_unwatched;
};

namespace {

/// `work`'s result, or `failure` with errno where memory or the system gave out.
template <typename Result, typename Work> Result guarded(Result failure, Work&& work)
{
    try {
        return work();
    } catch (const std::system_error& error) {
        errno = error.code().value();
    } catch (const std::bad_alloc&) {
        errno = ENOMEM;
    }
    return failure;
}

std::string zero_terminated(std::string_view text)
{
    return std::string(text) + '\0';
}
std::string argument(unsigned number)
{
    return zero_terminated(std::to_string(number));
}

std::optional<std::string> ask(xs_handle* handle, XsMessageType type, u32 transaction, const std::string& payload)
{
    return handle->channel.request(type, transaction, payload);
}

bool is_done(xs_handle* handle, XsMessageType type, u32 transaction, const std::string& payload)
{
    return ask(handle, type, transaction, payload).has_value();
}

void* allocated(std::size_t bytes)
{
    void* block = std::malloc(bytes);
    if (!block)
        throw std::bad_alloc();
    return block;
}

char* copy_of(const std::string& text)
{
    auto* copy = static_cast<char*>(allocated(text.size() + 1));
    std::memcpy(copy, text.c_str(), text.size() + 1);
    return copy;
}

/// One block: the pointers, then the zero-terminated strings of `bytes`.
char** block_of_strings(const std::string& bytes, unsigned* count)
{
    const std::vector<std::string_view> strings = strings_of(bytes);
    const std::size_t pointers = (strings.size() + 1) * sizeof(char*);
    auto** block = static_cast<char**>(allocated(pointers + bytes.size()));
    auto* text = reinterpret_cast<char*>(block) + pointers;
    std::memcpy(text, bytes.data(), bytes.size());
    for (std::size_t i = 0; i < strings.size(); ++i)
        block[i] = text + (strings[i].data() - bytes.data());
    block[strings.size()] = nullptr;
    if (count)
        *count = static_cast<unsigned>(strings.size());
    return block;
}

/// A directory too big for one reply, part by part, from the beginning again whenever it changed in between.
std::optional<std::string> names_in_parts(xs_handle* handle, u32 transaction, const char* path)
{
    std::string names;
    std::string generation;
    for (;;) {
        const std::optional<std::string> part =
            ask(handle, XsMessageType::directory_part, transaction,
                zero_terminated(path) + argument(static_cast<unsigned>(names.size())));
        if (!part)
            return std::nullopt;
        const std::string its_generation = part->c_str();
        if (!names.empty() && its_generation != generation) {
            names.clear();
            continue;
        }
        generation = its_generation;
        std::string_view rest = std::string_view(*part).substr(generation.size() + 1);
        const bool is_last = rest.size() == 1 || rest.ends_with(std::string_view("\0\0", 2));
        names += is_last ? rest.substr(0, rest.size() - 1) : rest;
        if (is_last)
            return names;
    }
}

/// Opens the socket, or else what the kernel offers.
int open_any()
{
    int fd = connect_to_socket(socket_path());
    if (fd < 0)
        fd = open("/dev/xen/xenbus", O_RDWR | O_CLOEXEC);
    if (fd < 0)
        fd = open("/proc/xen/xenbus", O_RDWR | O_CLOEXEC);
    return fd;
}

char** event_of(const std::optional<std::string>& event, unsigned* count)
{
    return event ? block_of_strings(*event, count) : nullptr;
}

}

extern "C" {

xs_handle* xs_open(unsigned long flags)
{
    return guarded<xs_handle*>(nullptr, [&]() -> xs_handle* {
        const int fd = open_any();
        return fd < 0 ? nullptr : new xs_handle{Channel(fd), (flags & XS_UNWATCH_FILTER) != 0};
    });
}

void xs_close(xs_handle* handle)
{
    delete handle;
}
void xs_daemon_destroy_postfork(xs_handle* handle)
{
    delete handle;
}
xs_handle* xs_daemon_open()
{
    return xs_open(0);
}
xs_handle* xs_domain_open()
{
    return xs_open(0);
}
xs_handle* xs_daemon_open_readonly()
{
    return xs_open(0);
}
void xs_daemon_close(xs_handle* handle)
{
    xs_close(handle);
}

char** xs_directory(xs_handle* handle, xs_transaction_t transaction, const char* path, unsigned* count)
{
    return guarded<char**>(nullptr, [&]() -> char** {
        std::optional<std::string> names = ask(handle, XsMessageType::directory, transaction, zero_terminated(path));
        if (!names && errno == E2BIG)
            names = names_in_parts(handle, transaction, path);
        return names ? block_of_strings(*names, count) : nullptr;
    });
}

void* xs_read(xs_handle* handle, xs_transaction_t transaction, const char* path, unsigned* len)
{
    return guarded<void*>(nullptr, [&]() -> void* {
        const std::optional<std::string> value = ask(handle, XsMessageType::read, transaction, zero_terminated(path));
        if (value && len)
            *len = static_cast<unsigned>(value->size());
        return value ? copy_of(*value) : nullptr;
    });
}

bool xs_write(xs_handle* handle, xs_transaction_t transaction, const char* path, const void* data, unsigned len)
{
    return guarded(false, [&] {
        return is_done(handle, XsMessageType::write, transaction,
                       zero_terminated(path).append(static_cast<const char*>(data), len));
    });
}

bool xs_mkdir(xs_handle* handle, xs_transaction_t transaction, const char* path)
{
    return guarded(false, [&] { return is_done(handle, XsMessageType::mkdir, transaction, zero_terminated(path)); });
}

bool xs_rm(xs_handle* handle, xs_transaction_t transaction, const char* path)
{
    return guarded(false, [&] { return is_done(handle, XsMessageType::rm, transaction, zero_terminated(path)); });
}

xs_permissions* xs_get_permissions(xs_handle* handle, xs_transaction_t transaction, const char* path, unsigned* count)
{
    return guarded<xs_permissions*>(nullptr, [&]() -> xs_permissions* {
        const std::optional<std::string> reply =
            ask(handle, XsMessageType::get_perms, transaction, zero_terminated(path));
        if (!reply)
            return nullptr;
        const auto entries = static_cast<unsigned>(strings_of(*reply).size());
        auto* list = static_cast<xs_permissions*>(allocated((entries + 1) * sizeof(xs_permissions)));
        if (!xs_strings_to_perms(list, entries, reply->c_str())) {
            std::free(list);
            return nullptr;
        }
        *count = entries;
        return list;
    });
}

bool xs_set_permissions(xs_handle* handle, xs_transaction_t transaction, const char* path, xs_permissions* permissions,
                        unsigned count)
{
    return guarded(false, [&] {
        std::string payload = zero_terminated(path);
        for (unsigned i = 0; i < count; ++i) {
            const auto access = static_cast<Access>(permissions[i].perms & (XS_PERM_READ | XS_PERM_WRITE));
            payload += zero_terminated(to_text({DomId(static_cast<u16>(permissions[i].id)), access}));
        }
        return is_done(handle, XsMessageType::set_perms, transaction, payload);
    });
}

xs_transaction_t xs_transaction_start(xs_handle* handle)
{
    return guarded<xs_transaction_t>(XBT_NULL, [&]() -> xs_transaction_t {
        const std::optional<std::string> id = ask(handle, XsMessageType::transaction_start, 0, zero_terminated(""));
        return id ? static_cast<xs_transaction_t>(std::strtoul(id->c_str(), nullptr, 10)) : XBT_NULL;
    });
}

bool xs_transaction_end(xs_handle* handle, xs_transaction_t transaction, bool abort)
{
    return guarded(false, [&] {
        return is_done(handle, XsMessageType::transaction_end, transaction, zero_terminated(abort ? "F" : "T"));
    });
}

bool xs_watch(xs_handle* handle, const char* path, const char* token)
{
    return guarded(false, [&] {
        return is_done(handle, XsMessageType::watch, 0, zero_terminated(path) + zero_terminated(token));
    });
}

bool xs_unwatch(xs_handle* handle, const char* path, const char* token)
{
    return guarded(false, [&] {
        const bool done = is_done(handle, XsMessageType::unwatch, 0, zero_terminated(path) + zero_terminated(token));
        const int error = errno;
        if (handle->filters_unwatched)
            handle->channel.forget_events(path, token);
        errno = error;
        return done;
    });
}

int xs_fileno(xs_handle* handle)
{
    return handle->channel.pollable();
}

char** xs_check_watch(xs_handle* handle)
{
    return guarded<char**>(nullptr, [&] { return event_of(handle->channel.next_event(Channel::Wait::no), nullptr); });
}

char** xs_read_watch(xs_handle* handle, unsigned* count)
{
    return guarded<char**>(nullptr, [&] { return event_of(handle->channel.next_event(Channel::Wait::yes), count); });
}

bool xs_introduce_domain(xs_handle* handle, unsigned domid, unsigned long mfn, unsigned port)
{
    return guarded(false, [&] {
        return is_done(handle, XsMessageType::introduce, 0,
                       argument(domid) + zero_terminated(std::to_string(mfn)) + argument(port));
    });
}

bool xs_set_target(xs_handle* handle, unsigned domid, unsigned target)
{
    return guarded(false,
                   [&] { return is_done(handle, XsMessageType::set_target, 0, argument(domid) + argument(target)); });
}

bool xs_resume_domain(xs_handle* handle, unsigned domid)
{
    return guarded(false, [&] { return is_done(handle, XsMessageType::resume, 0, argument(domid)); });
}

bool xs_release_domain(xs_handle* handle, unsigned domid)
{
    return guarded(false, [&] { return is_done(handle, XsMessageType::release, 0, argument(domid)); });
}

bool xs_is_domain_introduced(xs_handle* handle, unsigned domid)
{
    return guarded(false, [&] {
        const std::optional<std::string> reply = ask(handle, XsMessageType::is_domain_introduced, 0, argument(domid));
        return reply && reply->starts_with('T');
    });
}

char* xs_get_domain_path(xs_handle* handle, unsigned domid)
{
    return guarded<char*>(nullptr, [&]() -> char* {
        const std::optional<std::string> path = ask(handle, XsMessageType::get_domain_path, 0, argument(domid));
        return path ? copy_of(path->c_str()) : nullptr;
    });
}

int xs_suspend_evtchn_port(int domid)
{
    return guarded(-1, [&] {
        xs_handle* handle = xs_open(0);
        if (!handle)
            return -1;
        const std::string path = domain_path(DomId(static_cast<u16>(domid))) + "/device/suspend/event-channel";
        const std::optional<std::string> port = ask(handle, XsMessageType::read, 0, zero_terminated(path));
        xs_close(handle);
        return port && !port->empty() ? std::atoi(port->c_str()) : -1;
    });
}

char* xs_control_command(xs_handle* handle, const char* command, void* data, unsigned len)
{
    return guarded<char*>(nullptr, [&]() -> char* {
        const std::optional<std::string> reply = ask(
            handle, XsMessageType::control, 0, zero_terminated(command).append(static_cast<const char*>(data), len));
        return reply ? copy_of(*reply) : nullptr;
    });
}

char* xs_debug_command(xs_handle* handle, const char* command, void* data, unsigned len)
{
    return xs_control_command(handle, command, data, len);
}

bool xs_restrict(xs_handle*, unsigned)
{
    errno = ENOSYS;
    return false;
}

bool xs_path_is_subpath(const char* parent, const char* child)
{
    return std::string_view(child) == parent || is_within(child, parent);
}

const char* xs_daemon_rundir()
{
    const char* directory = std::getenv("XENSTORED_RUNDIR");
    return directory ? directory : "/run/xenstored";
}

const char* xs_daemon_socket()
{
    thread_local std::string path;
    return guarded<const char*>(nullptr, [&] { return (path = socket_path()).c_str(); });
}

const char* xs_daemon_socket_ro()
{
    return xs_daemon_socket();
}

bool xs_write_all(int fd, const void* data, unsigned len)
{
    const auto* bytes = static_cast<const char*>(data);
    while (len > 0) {
        const ssize_t written = write(fd, bytes, len);
        if (written <= 0 && errno != EINTR)
            return false;
        if (written > 0) {
            bytes += written;
            len -= static_cast<unsigned>(written);
        }
    }
    return true;
}

bool xs_strings_to_perms(xs_permissions* permissions, unsigned count, const char* strings)
{
    for (unsigned i = 0; i < count; ++i) {
        Result<Permission> permission = parse_permission(strings);
        if (!permission.ok()) {
            errno = EINVAL;
            return false;
        }
        permissions[i] = {permission.value().domain.value, static_cast<unsigned>(permission.value().access)};
        strings += std::strlen(strings) + 1;
    }
    return true;
}
}
