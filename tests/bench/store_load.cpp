// Loads a xenstored with transactions, and prints what each cost the daemon: its time on a processor, which under
// QEMU's -icount is its instructions, the kernel's on its behalf among them. (tests/bench/store.py)
//
// Usage: store-load SOCKET PID NAME CLIENTS WATCHES
// Each client has a folder of its own, so that no transaction meets another; all clients have theirs open at once. The
// watches are a further client's, on nodes that no transaction touches.

#include "xenstore/client/client.hpp"

#include <exception>
#include <fmt/format.h>
#include <fstream>
#include <memory>
#include <vector>

using namespace xylem;
using xenstore::Client;
using xenstore::StoreTransaction;

namespace {

constexpr unsigned least_transactions = 500;
constexpr unsigned least_rounds = 5;

/// Nanoseconds that a process has spent on processors.
u64 time_of(const std::string& pid)
{
    std::ifstream file("/proc/" + pid + "/schedstat");
    u64 nanoseconds = 0;
    if (!(file >> nanoseconds))
        throw std::runtime_error("there is no process " + pid);
    return nanoseconds;
}

std::string folder_of(std::size_t client)
{
    return fmt::format("/bench/client/{}", client);
}

/// As a driver's: look at one node, write two.
void work_in(StoreTransaction& transaction, std::size_t client, unsigned round)
{
    transaction.read(folder_of(client) + "/state");
    transaction.write(folder_of(client) + "/state", std::to_string(round));
    transaction.write(folder_of(client) + "/ring-ref", std::to_string(round + 1));
}

void run_round(std::vector<std::unique_ptr<Client>>& clients, unsigned round)
{
    std::vector<std::unique_ptr<StoreTransaction>> transactions;
    for (auto& client : clients)
        transactions.push_back(std::make_unique<StoreTransaction>(*client));
    for (std::size_t i = 0; i < clients.size(); ++i)
        work_in(*transactions[i], i, round);
    for (auto& transaction : transactions)
        if (!transaction->commit())
            throw std::runtime_error("a transaction that touched nothing of others was refused");
}

}

int main(int count, char** arguments)
try {
    if (count != 6)
        throw std::runtime_error("expected SOCKET PID NAME CLIENTS WATCHES");
    const std::string socket = arguments[1], pid = arguments[2], name = arguments[3];
    const unsigned long client_count = std::stoul(arguments[4]), watch_count = std::stoul(arguments[5]);

    Client watcher(socket);
    for (unsigned long i = 0; i < watch_count; ++i)
        watcher.watch(fmt::format("/bench/watched/{}", i), "unmoved");
    while (watcher.next_event()) {
    }
    std::vector<std::unique_ptr<Client>> clients;
    for (unsigned long i = 0; i < client_count; ++i) {
        clients.push_back(std::make_unique<Client>(socket));
        clients.back()->write(folder_of(i) + "/state", "0");
    }
    const unsigned long rounds = std::max<unsigned long>(least_rounds, least_transactions / client_count);
    run_round(clients, 0);
    const u64 before = time_of(pid);
    for (unsigned round = 1; round <= rounds; ++round)
        run_round(clients, round);
    const u64 spent = time_of(pid) - before;
    fmt::print("STORE {} {} {} {}\n", name, client_count, watch_count, spent / (rounds * client_count));
    watcher.remove("/bench");
} catch (const std::exception& failure) {
    fmt::print(stderr, "store-load: {}\n", failure.what());
    return 1;
}
