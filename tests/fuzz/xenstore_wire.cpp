// What a guest, and a process in dom0, send to the store: a stream of messages, whole or broken. The books must be
// right after each, and nobody may be owed more than the limits permit.
#include "tests/fuzz/target.hpp"
#include "tests/support/choices.hpp"
#include "tests/unit/xenstore/store_test.hpp"

using namespace xylem;
using namespace xylem::xenstore;

namespace {

/// A connection's input, put together to messages.
struct Stream {
    Connection* connection;
    Assembler assembler;
    bool is_lost = false;
};

class Rig {
public:
    Rig() : server_(surroundings_, Limits{})
    {
        streams_[0].connection = &server_.add_client();
        for (u16 domain : {1, 2}) {
            surroundings_.existing.insert(DomId(domain));
            send(streams_[0], {XsMessageType::introduce, 0, 0, wire(std::to_string(domain) + "|100|7|")});
            const std::string home = "/local/domain/" + std::to_string(domain);
            send(streams_[0], {XsMessageType::mkdir, 0, 0, wire(home + "|")});
            send(streams_[0], {XsMessageType::set_perms, 0, 0, wire(home + "|n" + std::to_string(domain) + "|")});
            streams_[domain].connection = surroundings_.connected.at(DomId(domain));
        }
    }
    void feed(unsigned who, std::span<const u8> bytes)
    {
        Stream& stream = streams_[who];
        if (stream.is_lost)
            return;
        stream.assembler.append({reinterpret_cast<const char*>(bytes.data()), bytes.size()});
        while (server_.accepts_requests(*stream.connection)) {
            Result<std::optional<Message>> next = stream.assembler.next();
            stream.is_lost = !next.ok();
            if (stream.is_lost || !next.value())
                return;
            send(stream, *next.take());
        }
    }
    void read(unsigned who)
    {
        Connection& connection = *streams_[who].connection;
        for (unsigned i = 0; i < 1000 && !connection.output.empty(); ++i)
            server_.sent(connection, connection.output.front().size());
    }

private:
    void send(Stream& stream, const Message& message)
    {
        if (message.type == XsMessageType::release)
            return; // the connection would be gone: DomainsTest has that
        server_.handle(*stream.connection, message);
        ASSERT_EQ(server_.check(), "");
        if (!stream.connection->subject.is_privileged) {
            ASSERT_LE(stream.connection->output.event_bytes(), Limits{}.event_bytes);
        }
    }

    FakeSurroundings surroundings_;
    Server server_;
    Stream streams_[3];
};

}

FUZZ_TARGET(xenstore_wire)
{
    xylem::test::ByteChoices choices(input);
    Rig rig;
    while (!choices.empty() && !testing::Test::HasFailure()) {
        const u8 head = choices.number<u8>();
        const unsigned who = head % 3;
        if (head & 0x80)
            rig.read(who);
        rig.feed(who, choices.take(choices.number<u8>()));
    }
}
