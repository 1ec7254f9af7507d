// The state as bytes: a server that was saved and loaded goes on as if nothing had been.
#include "tests/unit/xenstore/store_test.hpp"

#include <random>

namespace xylem::xenstore {

namespace {

class Twin {
public:
    Twin() : server(std::make_unique<Server>(surroundings, Limits{.event_bytes = 600, .snapshot_changes = 300})) {}

    /// Another server takes over.
    void reload()
    {
        const std::string state = server->save();
        server = std::make_unique<Server>(surroundings, Limits{});
        server->load(state);
    }

    FakeSurroundings surroundings;
    std::unique_ptr<Server> server;
};

/// Requests that often meet each other, of two processes and two guests.
Message random_request(std::mt19937& random)
{
    static const std::vector<std::string> paths = {
        "/a",           "/a/b", "/a/b/c", "/d", "/d/e", "/local/domain/1/x", "/local/domain/2", "@releaseDomain",
        "relative/path"};
    const auto path = [&] { return paths[random() % paths.size()] + "|"; };
    const u32 tx = random() % 3 ? random() % 4 : 0;
    const auto message = [&](Type type, const std::string& payload) { return Message{type, 7, tx, wire(payload)}; };
    switch (random() % 12) {
    case 0:
        return message(Type::transaction_start, "|");
    case 1:
        return message(Type::transaction_end, random() % 4 ? "T|" : "F|");
    case 2:
        return message(Type::watch, path() + std::to_string(random() % 3) + "|");
    case 3:
        return message(Type::unwatch, path() + std::to_string(random() % 3) + "|");
    case 4:
        return message(Type::rm, path());
    case 5:
        return message(Type::set_perms, path() + (random() % 2 ? "b0|" : "n1|b2|"));
    case 6:
        return message(Type::directory, path());
    case 7:
        return message(Type::read, path());
    case 8:
        return message(Type::introduce, std::to_string(1 + random() % 2) + "|100|7|");
    default:
        return message(Type::write, path() + std::to_string(random() % 5));
    }
}

}

TEST(State, AServerThatWasSavedAndLoadedGoesOnAsIfNothingHadBeen)
{
    for (unsigned seed = 1; seed <= 5; ++seed) {
        std::mt19937 random(seed);
        Twin stays;
        Twin changes;
        for (Twin* twin : {&stays, &changes}) {
            twin->surroundings.existing = {DomId(1), DomId(2)};
            twin->server->add_client();
            twin->server->add_client();
            for (const char* domain : {"1|100|7|", "2|100|7|"})
                twin->server->handle(*twin->server->connection(1), Message{Type::introduce, 7, 0, wire(domain)});
        }
        for (int step = 0; step < 3000; ++step) {
            const u32 who = 1 + random() % 4;
            const Message request = random_request(random);
            const std::size_t reads = random() % 3 ? random() % 200 : 0;
            if (random() % 50 == 0)
                changes.reload();
            std::string said[2];
            for (Twin* twin : {&stays, &changes}) {
                Connection* connection = twin->server->connection(who);
                ASSERT_TRUE(connection);
                if (twin->server->accepts_requests(*connection))
                    twin->server->handle(*connection, request);
                std::string& text = said[twin == &changes];
                while (!connection->output.empty() && text.size() < reads) {
                    const std::size_t count = std::min(connection->output.front().size(), reads - text.size());
                    text += connection->output.front().substr(0, count);
                    twin->server->sent(*connection, count);
                }
            }
            ASSERT_EQ(readable(said[0]), readable(said[1])) << "seed " << seed << ", step " << step;
        }
        EXPECT_EQ(changes.server->check(), "");
    }
}

TEST(State, WhatIsNoStateIsRefused)
{
    FakeSurroundings surroundings;
    const std::string state = Server(surroundings, Limits{}).save();
    EXPECT_THROW(Server(surroundings, Limits{}).load(state.substr(0, state.size() - 1)), std::runtime_error);
    EXPECT_THROW(Server(surroundings, Limits{}).load(state + '\0'), std::runtime_error);
}

}
