// Keeps a service's clients beyond its death: see dom0/lib/keeper_protocol.hpp.
//
// The supervisor accepts the clients, since one who is accepted by a process that is killed at that moment is lost. It
// never touches what they say.
#pragma once

#include "dom0/lib/keeper_protocol.hpp"

#include <deque>
#include <map>
#include <string>
#include <vector>

#include <poll.h>

namespace xylem::init {

class Keeper {
public:
    /// Listens at `path`, for root alone. @throws std::system_error
    explicit Keeper(const std::string& path);
    ~Keeper();
    Keeper(const Keeper&) = delete;
    Keeper& operator=(const Keeper&) = delete;

    /// For a new service, which is passed all there is when it asks. @return its end of the channel, for the caller to
    /// close
    int connect_service();

    /// What to wait for, and what to do when poll() has found something; in any order and number.
    void add_to(std::vector<pollfd>& waiting) const;
    void serve();

    std::size_t clients() const { return m_clients.size(); }

private:
    void accept_clients();
    void hear_service();
    void pass_all();
    void pass_on();
    bool pass(dom0::KeeperMessage message, int fd);
    void disconnect_service();

    int m_listener;
    int m_memory;
    int m_channel = -1;     // to the service, while there is one
    bool m_is_full = false; // no descriptor is left for another client
    u32 m_last_number = 0;
    std::map<u32, int> m_clients;
    std::deque<dom0::KeeperMessage> m_to_pass;
};

}
