// Memory that runs out, at each allocation in turn. (XSA-416, 419: a request that failed half way left the books wrong)
#include "tests/unit/xenstore/store_test.hpp"

#include <cstdlib>
#include <new>

namespace {

long allocations_left = -1; ///< negative: without end

}

[[gnu::noinline]] void* operator new(std::size_t bytes)
{
    if (allocations_left == 0)
        throw std::bad_alloc();
    if (allocations_left > 0)
        --allocations_left;
    if (void* memory = std::malloc(bytes))
        return memory;
    throw std::bad_alloc();
}
[[gnu::noinline]] void operator delete(void* memory) noexcept
{
    std::free(memory);
}
[[gnu::noinline]] void operator delete(void* memory, std::size_t) noexcept
{
    std::free(memory);
}

namespace xylem::xenstore {

class MemoryTest : public StoreTest {
public:
    MemoryTest()
    {
        introduce(1);
        ask("a", 0, Type::write, "/x/y|1");
        ask("a", 0, Type::set_perms, "/x|b1|");
        ask("b", 0, Type::watch, "/x|t|");
        ask("b", 0, Type::watch, "/x/y|t|");
        ask("1", 0, Type::transaction_start, "|");
        ask("1", 1, Type::write, "/x/in-transaction|1");
    }

    /// Asks with ever more memory until there is enough. @return with how many allocations there was
    long ask_with_ever_more_memory(const std::string& who, u32 transaction, Type type, const std::string& request)
    {
        const Message message{type, 77, transaction, wire(request)};
        Connection& client = connection(who);
        for (long most = 0;; ++most) {
            read_all(who);
            const NodeRef before = server.root();
            bool is_told = true;
            allocations_left = most;
            try {
                server.handle(client, message);
            } catch (const std::bad_alloc&) {
                is_told = false; // the daemon drops the connection
            }
            allocations_left = -1;
            EXPECT_EQ(server.check(), "") << name_of(type) << " with " << most << " allocations";
            if (!is_told) {
                send(who, 0, Type::unwatch, request); // it may have been done; if so, it would exist already
                continue;
            }
            Assembler assembler;
            assembler.append(std::string(client.output.front()));
            const Message reply = *assembler.next().take();
            if (reply.type != Type::error)
                return most;
            EXPECT_EQ(reply.payload, wire("ENOMEM|"));
            EXPECT_EQ(server.root(), before) << name_of(type) << " with " << most << " allocations";
        }
    }
};

TEST_F(MemoryTest, ARequestThatFailsForWantOfItChangesNothing)
{
    EXPECT_GT(ask_with_ever_more_memory("1", 0, Type::write, "/x/new/deep|value"), 5);
    EXPECT_GT(ask_with_ever_more_memory("1", 1, Type::write, "/x/new-in-transaction/deep|value"), 5);
    EXPECT_GT(ask_with_ever_more_memory("1", 0, Type::set_perms, "/x/new|n1|r0|"), 5);
    EXPECT_GT(ask_with_ever_more_memory("1", 0, Type::watch, "/x/quite/another/path|token|"), 5);
    EXPECT_GT(ask_with_ever_more_memory("1", 0, Type::transaction_start, "|"), 1);
    EXPECT_GT(ask_with_ever_more_memory("a", 0, Type::introduce, "7|100|7|"), 3);
    EXPECT_GT(ask_with_ever_more_memory("a", 0, Type::rm, "/x/y|"), 3);
}

// What a transaction has to itself it changes where it is; what it wrote before must not suffer from that.
TEST_F(MemoryTest, AChangeThatFailsForWantOfItLeavesItsTransactionAsItWas)
{
    const std::string longer(200, 'v');
    const struct {
        Type type;
        std::string request;
    } changes[] = {
        {Type::write, "/x/in-transaction|" + longer},
        {Type::write, "/x/in-transaction/child|" + longer},
        {Type::write, "/x/in-transaction/more/than/one|" + longer},
        {Type::rm, "/x/in-transaction/child|"},
        {Type::set_perms, "/x/in-transaction|n1|r0|"},
    };
    std::string before = "1";
    for (const auto& [type, request] : changes) {
        const Message message{type, 77, 1, wire(request)};
        for (long most = 0;; ++most) {
            read_all("1");
            allocations_left = most;
            try {
                server.handle(connection("1"), message);
            } catch (const std::bad_alloc&) {
                break; // for want of memory for its reply: it may have been done
            }
            allocations_left = -1;
            if (std::string_view(connection("1").output.front()).find("ENOMEM") == std::string_view::npos)
                break;
            read_all("1");
            EXPECT_EQ(ask("1", 1, Type::read, "/x/in-transaction|"), before) << request << " with " << most;
            EXPECT_EQ(ask("1", 1, Type::directory, "/x/in-transaction/more|"), "ENOENT") << request << " with " << most;
            if (::testing::Test::HasFailure())
                return;
        }
        allocations_left = -1;
        read_all("1");
        send("1", 1, type, request);
        before = ask("1", 1, Type::read, "/x/in-transaction|");
        if (request.find("more") != std::string::npos)
            ask("1", 1, Type::rm, "/x/in-transaction/more|");
    }
    EXPECT_EQ(commit("1", 1), "OK|");
    EXPECT_EQ(ask("a", 0, Type::read, "/x/in-transaction|"), longer);
    EXPECT_EQ(ask("a", 0, Type::directory, "/x/in-transaction|"), "");
    EXPECT_EQ(server.check(), "");
}

// The store has changed, but who is concerned could not be found out: all look again.
TEST_F(MemoryTest, AnEventThatIsLostForWantOfItIsMadeUpFor)
{
    const Message message{Type::write, 77, 0, wire("/x/y|2")};
    int lost_and_made_up_for = 0;
    for (long most = 0; most < 200; ++most) {
        events("b");
        const NodeRef before = server.root();
        allocations_left = most;
        try {
            server.handle(connection("a"), message);
        } catch (const std::bad_alloc&) {
        }
        allocations_left = -1;
        read_all("a");
        if (server.root() == before)
            continue;
        ask("b", 0, Type::read, "/x/y|");
        EXPECT_NE(events("b"), "") << "with " << most << " allocations";
        ++lost_and_made_up_for;
    }
    EXPECT_GT(lost_and_made_up_for, 10);
}

}
