// Makes, sums and moves data, for the test of data under load (tests/system/load.py). It is linked statically: the
// guest has no libraries.
//
//   load-data make FILE SEED MIB      writes data that no two places have alike, and has it reach the disk
//   load-data sum FILE
//   load-data send SEED MIB PORT [ADDRESS]      by TCP: connects to ADDRESS or, without one, waits for a connection
//   load-data receive PORT [ADDRESS]            until the sender ends
//
// Each prints a checksum and the number of bytes. Nothing but the end of the data ends a transfer well, so that what
// comes out short is the fault of what lies between: a busybox nc ends when its input does. Busybox's checksums read 1
// KiB at a time, which in an emulated guest takes longer than all the transfers.

#include <arpa/inet.h>
#include <array>
#include <cerrno>
#include <cinttypes>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <fcntl.h>
#include <span>
#include <string>
#include <string_view>
#include <sys/socket.h>
#include <unistd.h>

namespace {

constexpr size_t block_words = size_t{32} << 10;
constexpr size_t block_bytes = block_words * sizeof(uint64_t);
constexpr uint64_t blocks_in_mib = (uint64_t{1} << 20) / block_bytes;
constexpr unsigned connect_attempts = 50;

alignas(4096) std::array<uint64_t, block_words> block;

[[noreturn]] void fail(const std::string& what)
{
    std::fprintf(stderr, "load-data: %s: %s\n", what.c_str(), std::strerror(errno));
    std::exit(1);
}

/// Covers where each word is, too: words that change places change the sum.
class Checksum {
public:
    /// `bytes` of `block`. Only the last block may be of any other size than a whole number of words.
    void add_block(size_t bytes)
    {
        if (bytes % sizeof(uint64_t) != 0)
            std::memset(reinterpret_cast<char*>(block.data()) + bytes, 0, sizeof(uint64_t) - bytes % sizeof(uint64_t));
        for (uint64_t word : std::span(block).first((bytes + sizeof(uint64_t) - 1) / sizeof(uint64_t)))
            m_sum = ((m_sum ^ word) * 0x9e3779b97f4a7c15) ^ (m_sum >> 29);
        m_bytes += bytes;
    }

    void print() const { std::printf("%016" PRIx64 " %" PRIu64 "\n", m_sum, m_bytes); }

private:
    uint64_t m_sum = 1;
    uint64_t m_bytes = 0;
};

/// Xorshift, whose period is longer than any transfer.
class Generator {
public:
    explicit Generator(uint64_t seed) : m_state(seed) {}

    void fill_block()
    {
        for (uint64_t& word : block) {
            m_state ^= m_state << 13;
            m_state ^= m_state >> 7;
            m_state ^= m_state << 17;
            word = m_state;
        }
    }

private:
    uint64_t m_state;
};

void write_block(int file)
{
    const char* data = reinterpret_cast<const char*>(block.data());
    for (size_t done = 0; done < block_bytes;) {
        ssize_t written = write(file, data + done, block_bytes - done);
        if (written < 0)
            fail("write");
        done += static_cast<size_t>(written);
    }
}

/// @return less than a block only at the data's end
size_t read_block(int file)
{
    size_t done = 0;
    while (done < block_bytes) {
        ssize_t got = read(file, reinterpret_cast<char*>(block.data()) + done, block_bytes - done);
        if (got < 0)
            fail("read");
        if (got == 0)
            break;
        done += static_cast<size_t>(got);
    }
    return done;
}

Checksum produce(int file, uint64_t seed, uint64_t mib)
{
    Generator generator(seed);
    Checksum sum;
    for (uint64_t i = 0; i < mib * blocks_in_mib; ++i) {
        generator.fill_block();
        sum.add_block(block_bytes);
        write_block(file);
    }
    return sum;
}

Checksum consume(int file)
{
    Checksum sum;
    size_t got;
    do {
        got = read_block(file);
        sum.add_block(got);
    } while (got == block_bytes);
    return sum;
}

int open_file(const char* path, int flags)
{
    int file = open(path, flags, 0644);
    if (file < 0)
        fail(path);
    return file;
}

int new_socket()
{
    int made = socket(AF_INET, SOCK_STREAM, 0);
    if (made < 0)
        fail("socket");
    return made;
}

/// The other side may not listen yet: refused, it is tried again.
int connected(const sockaddr_in& address)
{
    for (unsigned attempt = 0; attempt < connect_attempts; ++attempt) {
        int peer = new_socket();
        if (connect(peer, reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0)
            return peer;
        if (errno != ECONNREFUSED)
            break;
        close(peer);
        usleep(200'000);
    }
    fail("connect");
}

int accepted(const sockaddr_in& address)
{
    int listener = new_socket();
    int yes = 1;
    setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof yes);
    if (bind(listener, reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0 || listen(listener, 1) != 0)
        fail("listen");
    int peer = accept(listener, nullptr, nullptr);
    if (peer < 0)
        fail("accept");
    return peer;
}

int peer_at(const char* port, const char* address)
{
    sockaddr_in place{};
    place.sin_family = AF_INET;
    place.sin_port = htons(static_cast<uint16_t>(std::atoi(port)));
    if (address && inet_pton(AF_INET, address, &place.sin_addr) != 1)
        fail(address);
    return address ? connected(place) : accepted(place);
}

uint64_t number(const char* text)
{
    return std::strtoull(text, nullptr, 10);
}

/// The sum is the sender's word that all arrived: it waits until the receiver has read to the end and closed.
Checksum send_all(int peer, uint64_t seed, uint64_t mib)
{
    Checksum sum = produce(peer, seed, mib);
    char none;
    if (shutdown(peer, SHUT_WR) != 0 || read(peer, &none, 1) != 0)
        fail("the receiver's end");
    return sum;
}

Checksum make_file(const char* path, uint64_t seed, uint64_t mib)
{
    int file = open_file(path, O_WRONLY | O_CREAT | O_TRUNC);
    Checksum sum = produce(file, seed, mib);
    if (fsync(file) != 0)
        fail(path);
    return sum;
}

} // namespace

int main(int count, char** words)
{
    std::string_view what = count > 1 ? words[1] : "";
    if (what == "make" && count == 5)
        make_file(words[2], number(words[3]), number(words[4])).print();
    else if (what == "sum" && count == 3)
        consume(open_file(words[2], O_RDONLY)).print();
    else if (what == "send" && (count == 5 || count == 6))
        send_all(peer_at(words[4], count == 6 ? words[5] : nullptr), number(words[2]), number(words[3])).print();
    else if (what == "receive" && (count == 3 || count == 4))
        consume(peer_at(words[2], count == 4 ? words[3] : nullptr)).print();
    else {
        std::fputs("load-data: expected make FILE SEED MIB, sum FILE, send SEED MIB PORT [ADDRESS] or receive PORT "
                   "[ADDRESS]\n",
                   stderr);
        return 2;
    }
}
