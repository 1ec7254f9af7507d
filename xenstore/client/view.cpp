// See client.hpp. Here: nodes and transactions.
#include "xenstore/client/client.hpp"

namespace xylem::xenstore {

namespace {

std::string zero_terminated(std::string_view text)
{
    return std::string(text) + '\0';
}

std::vector<std::string> copies_of(std::string_view names)
{
    std::vector<std::string> copies;
    for (std::string_view name : strings_of(names))
        copies.emplace_back(name);
    return copies;
}

}

std::string StoreView::read(std::string_view path)
{
    return client_.request(XsMessageType::read, transaction_, zero_terminated(path), path);
}

std::optional<std::string> StoreView::find(std::string_view path)
{
    try {
        return read(path);
    } catch (const StoreError& error) {
        if (error.is(Error::NoEntry))
            return std::nullopt;
        throw;
    }
}

std::vector<std::optional<std::string>> StoreView::find_each(std::span<const std::string> paths)
{
    client_.settle();
    std::vector<Client::Request> requests;
    for (const std::string& path : paths)
        requests.push_back({XsMessageType::read, transaction_, zero_terminated(path), path});
    std::vector<std::optional<std::string>> values;
    for (Result<std::string>& reply : client_.exchange(requests)) {
        if (!reply.ok() && !(reply == Error::NoEntry))
            Client::throw_refused(XsMessageType::read, paths[values.size()], reply.error());
        values.push_back(reply.ok() ? std::optional(reply.take()) : std::nullopt);
    }
    return values;
}

void StoreView::write(std::string_view path, std::string_view value)
{
    client_.post({XsMessageType::write, transaction_, zero_terminated(path) + std::string(value), std::string(path)});
}

void StoreView::make(std::string_view path)
{
    client_.post({XsMessageType::mkdir, transaction_, zero_terminated(path), std::string(path)});
}

void StoreView::remove(std::string_view path)
{
    client_.post({XsMessageType::rm, transaction_, zero_terminated(path), std::string(path)});
}

void StoreView::remove_if_exists(std::string_view path)
{
    client_.post({XsMessageType::rm, transaction_, zero_terminated(path), std::string(path)}, Client::Missing::is_fine);
}

/// A listing that does not fit one reply comes in parts, each with the directory's generation: if that changes between
/// two parts, all begins anew.
std::vector<std::string> StoreView::list(std::string_view path)
{
    Result<std::string> whole = client_.try_request(XsMessageType::directory, transaction_, zero_terminated(path));
    if (whole.ok())
        return copies_of(whole.value());
    if (!(whole == Error::TooBig))
        return copies_of(client_.request(XsMessageType::directory, transaction_, zero_terminated(path), path));

    std::string names;
    std::string generation;
    for (;;) {
        const std::string part =
            client_.request(XsMessageType::directory_part, transaction_,
                            zero_terminated(path) + zero_terminated(std::to_string(names.size())), path);
        const std::string its_generation = part.c_str();
        if (!names.empty() && its_generation != generation) {
            names.clear();
            continue;
        }
        generation = its_generation;
        std::string_view rest = std::string_view(part).substr(generation.size() + 1);
        const bool is_last = rest == std::string_view("\0", 1) || rest.ends_with(std::string_view("\0\0", 2));
        if (is_last)
            rest.remove_suffix(1);
        names += rest;
        if (is_last)
            return copies_of(names);
    }
}

std::vector<std::string> StoreView::list_if_exists(std::string_view path)
{
    try {
        return list(path);
    } catch (const StoreError& error) {
        if (error.is(Error::NoEntry))
            return {};
        throw;
    }
}

PermissionList StoreView::permissions(std::string_view path)
{
    const std::string reply = client_.request(XsMessageType::get_perms, transaction_, zero_terminated(path), path);
    PermissionList list;
    for (std::string_view text : strings_of(reply)) {
        Result<Permission> permission = parse_permission(text);
        if (permission.ok())
            list.push_back(permission.take());
    }
    return list;
}

void StoreView::set_permissions(std::string_view path, std::span<const Permission> permissions)
{
    std::string payload = zero_terminated(path);
    for (const Permission& permission : permissions)
        payload += zero_terminated(to_text(permission));
    client_.post({XsMessageType::set_perms, transaction_, payload, std::string(path)});
}

StoreTransaction::StoreTransaction(Client& client) : StoreView(client, 0)
{
    const std::string reply =
        client.request(XsMessageType::transaction_start, 0, std::string(1, '\0'), "a transaction");
    Result<u32> id = parse_number<u32>(reply.c_str());
    if (!id.ok())
        throw StoreError(Error::IoError, "xenstored started a transaction named \"" + reply + "\", which is no number");
    transaction_ = id.take();
}

StoreTransaction::~StoreTransaction()
{
    client_.drop_posted();
    try {
        if (is_open_)
            (void)client_.try_request(XsMessageType::transaction_end, transaction_, zero_terminated("F"));
    } catch (const StoreError&) {
        // The connection is lost, and the transaction with it.
    }
}

bool StoreTransaction::commit()
{
    client_.settle();
    is_open_ = false;
    Result<std::string> reply = client_.try_request(XsMessageType::transaction_end, transaction_, zero_terminated("T"));
    if (reply.ok())
        return true;
    if (reply == Error::Again)
        return false;
    throw StoreError(reply.error(),
                     "xenstore: a transaction cannot be committed: " + std::string(wire_name(reply.error())));
}

}
