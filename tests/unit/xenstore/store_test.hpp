// A server with clients and guests but without a world around it, driven by tables.
//
// Payloads and replies are written as in Xen's docs/misc/xenstore.txt: `|` stands for the zero byte.
#pragma once

#include "xenstore/store/server.hpp"

#include <gtest/gtest.h>
#include <set>

namespace xylem::xenstore {

class FakeSurroundings : public Surroundings {
public:
    std::set<DomId> existing;
    std::map<DomId, Connection*> connected;
    std::set<DomId> unmappable; ///< domains whose ring cannot be mapped
    std::vector<std::string> printed;
    bool logs_requests = false;

    bool domain_exists(DomId domain) override { return existing.contains(domain); }
    Result<> connect_domain(DomId domain, Gfn, Port, Connection& connection) override
    {
        if (unmappable.contains(domain))
            return Error::Invalid;
        connected[domain] = &connection;
        return {};
    }
    void disconnect_domain(DomId domain) override { connected.erase(domain); }
    void output_waits(Connection&) override {}
    void set_request_log(bool on) override { logs_requests = on; }
    Result<> set_log_file(const std::string& path) override
    {
        return path.starts_with("/nowhere") ? Result<>(Error::IoError) : Result<>();
    }
    Result<> write_file(const std::string& path, std::string_view) override { return set_log_file(path); }
    void print(std::string_view text) override { printed.emplace_back(text); }
    std::string update(const std::string& file, const std::string& command_line) override
    {
        updates.push_back(file + " " + command_line);
        return file == "/broken" ? "it is broken" : "";
    }
    std::vector<std::string> updates;
};

/// `|` for zero bytes, and back.
std::string wire(std::string text);
std::string readable(std::string bytes);

using Type = XsMessageType;

/// Who asks in which transaction for what, and what he is told.
struct Row {
    const char* who; ///< "a" and "b" are processes in dom0, "1" to "9" are guests
    u32 transaction;
    Type type;
    const char* request;
    const char* reply;
};

class StoreTest : public testing::Test {
public:
    explicit StoreTest(Limits limits = {});

    void run(std::initializer_list<Row> rows);
    std::string ask(const std::string& who, u32 transaction, Type type, const std::string& payload);
    /// Sends without reading what comes.
    void send(const std::string& who, u32 transaction, Type type, const std::string& payload);
    /// The events that `who` has got since the last call: "path token", one after the other with ", " between.
    std::string events(const std::string& who);
    void read_all(const std::string& who);
    Connection& connection(const std::string& who);
    /// The guest appears, as if its builder had introduced it.
    void introduce(u16 domain);
    void end_domain(u16 domain, DomainState state);
    std::string start(const std::string& who) { return ask(who, 0, Type::transaction_start, "|"); }
    std::string commit(const std::string& who, u32 transaction)
    {
        return ask(who, transaction, Type::transaction_end, "T|");
    }
    void TearDown() override;

    FakeSurroundings surroundings;
    Server server;

private:
    std::map<std::string, Connection*> clients_;
    std::map<std::string, std::vector<std::string>> events_;
    std::map<std::string, std::vector<std::string>> replies_;
};

}
