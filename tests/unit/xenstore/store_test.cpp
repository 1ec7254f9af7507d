// See store_test.hpp.
#include "tests/unit/xenstore/store_test.hpp"

#include <algorithm>
#include <cstring>

namespace xylem::xenstore {

std::string wire(std::string text)
{
    std::ranges::replace(text, '|', '\0');
    return text;
}

std::string readable(std::string bytes)
{
    std::ranges::replace(bytes, '\0', '|');
    return bytes;
}

StoreTest::StoreTest(Limits limits) : server(surroundings, limits)
{
    clients_["a"] = &server.add_client();
    clients_["b"] = &server.add_client();
}

Connection& StoreTest::connection(const std::string& who)
{
    if (clients_.contains(who))
        return *clients_.at(who);
    const DomId domain(static_cast<u16>(std::stoi(who)));
    if (!surroundings.connected.contains(domain))
        introduce(domain.value);
    return *surroundings.connected.at(domain);
}

void StoreTest::introduce(u16 domain)
{
    surroundings.existing.insert(DomId(domain));
    EXPECT_EQ(ask("a", 0, Type::introduce, std::to_string(domain) + "|100|7|"), "OK|");
}

void StoreTest::end_domain(u16 domain, DomainState state)
{
    if (state == DomainState::gone)
        surroundings.existing.erase(DomId(domain));
    server.domains_changed({{DomId(domain), state}});
}

void StoreTest::send(const std::string& who, u32 transaction, Type type, const std::string& payload)
{
    server.handle(connection(who), Message{type, 77, transaction, wire(payload)});
}

void StoreTest::read_all(const std::string& who)
{
    Connection& client = connection(who);
    Assembler assembler;
    while (!client.output.empty()) {
        const std::string front(client.output.front());
        assembler.append(front);
        server.sent(client, front.size());
    }
    for (;;) {
        Result<std::optional<Message>> next = assembler.next();
        ASSERT_TRUE(next.ok());
        std::optional<Message> message = next.take();
        if (!message)
            return;
        const std::string text = readable(message->payload);
        if (message->type == Type::watch_event) {
            const std::size_t bar = text.find('|');
            events_[who].push_back(text.substr(0, bar) + " " + text.substr(bar + 1, text.size() - bar - 2));
            continue;
        }
        EXPECT_EQ(message->req_id, 77U);
        replies_[who].push_back(message->type == Type::error ? text.substr(0, text.size() - 1) : text);
    }
}

std::string StoreTest::ask(const std::string& who, u32 transaction, Type type, const std::string& payload)
{
    read_all(who);
    replies_[who].clear();
    send(who, transaction, type, payload);
    read_all(who);
    EXPECT_EQ(replies_[who].size(), 1U);
    return replies_[who].empty() ? "no reply" : replies_[who].front();
}

std::string StoreTest::events(const std::string& who)
{
    read_all(who);
    std::string text;
    for (const std::string& event : std::exchange(events_[who], {}))
        text += (text.empty() ? "" : ", ") + event;
    return text;
}

void StoreTest::run(std::initializer_list<Row> rows)
{
    int line = 0;
    for (const Row& row : rows) {
        ++line;
        EXPECT_EQ(ask(row.who, row.transaction, row.type, row.request), row.reply)
            << "row " << line << ": " << row.who << " " << name_of(row.type) << " " << row.request;
    }
}

void StoreTest::TearDown()
{
    EXPECT_EQ(server.check(), "");
}

}
