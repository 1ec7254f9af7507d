// Numbers that the network must not guess: lwIP's random ones, and the first sequence numbers of connections (RFC 6528:
// a clock plus a keyed hash of who talks to whom). The key comes from RDRAND where the processor has it, and else from
// nothing better than clocks: then it keeps out those who cannot see the guest's packets, and not those who can guess
// when it started.

#include "frontends/guest/guest.hpp"
#include "frontends/guest/time.hpp"
#include "frontends/lwip/hooks.h"
#include "lwip/arch.h"

namespace xylem::lwip {
namespace {

u64 rotated(u64 value, unsigned bits)
{
    return value << bits | value >> (64 - bits);
}

/// One step of splitmix64: an even mixture of all bits of `state`.
u64 mixed(u64& state)
{
    u64 z = state += 0x9e3779b97f4a7c15;
    z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9;
    z = (z ^ z >> 27) * 0x94d049bb133111eb;
    return z ^ z >> 31;
}

bool has_rdrand()
{
    u32 a = 1, b, c = 0, d;
    asm volatile("cpuid" : "+a"(a), "=b"(b), "+c"(c), "=d"(d));
    return c >> 30 & 1;
}

u64 hardware_random()
{
    u64 value = 0;
    bool good = false;
    for (int tries = 0; tries < 10 && !good; ++tries)
        asm volatile("rdrand %0" : "=r"(value), "=@ccc"(good));
    return value;
}

u64 ticks()
{
    u32 low, high;
    asm volatile("rdtsc" : "=a"(low), "=d"(high));
    return u64{high} << 32 | low;
}

class Random {
public:
    Random()
    {
        const bool hardware = has_rdrand();
        for (int i = 0; i < 16; ++i)
            state_ = mixed(state_) ^ ticks() ^ guest::wall_clock() ^ (hardware ? hardware_random() : 0);
    }
    u64 next()
    {
        state_ ^= ticks();
        return mixed(state_);
    }

private:
    u64 state_ = 0;
};

Random& random()
{
    static Random only;
    return only;
}

struct Key {
    u64 low, high;
};

/// SipHash-2-4 of two words.
u64 hash(const Key& key, const u64 (&words)[2])
{
    u64 v[4] = {key.low ^ 0x736f6d6570736575, key.high ^ 0x646f72616e646f6d, key.low ^ 0x6c7967656e657261,
                key.high ^ 0x7465646279746573};
    const auto turn = [&v](int times) {
        while (times--) {
            v[0] += v[1], v[1] = rotated(v[1], 13) ^ v[0], v[0] = rotated(v[0], 32);
            v[2] += v[3], v[3] = rotated(v[3], 16) ^ v[2];
            v[0] += v[3], v[3] = rotated(v[3], 21) ^ v[0];
            v[2] += v[1], v[1] = rotated(v[1], 17) ^ v[2], v[2] = rotated(v[2], 32);
        }
    };
    for (const u64 word : {words[0], words[1], u64{sizeof words} << 56}) {
        v[3] ^= word;
        turn(2);
        v[0] ^= word;
    }
    v[2] ^= 0xff;
    turn(4);
    return v[0] ^ v[1] ^ v[2] ^ v[3];
}

}
}

extern "C" unsigned xylem_lwip_random()
{
    return static_cast<unsigned>(xylem::lwip::random().next() >> 32);
}

extern "C" u32_t xylem_lwip_first_sequence(const ip_addr_t* local, u16_t local_port, const ip_addr_t* remote,
                                           u16_t remote_port)
{
    using namespace xylem;
    static const lwip::Key key{lwip::random().next(), lwip::random().next()};
    const u64 words[2] = {u64{ip4_addr_get_u32(ip_2_ip4(local))} << 32 | ip4_addr_get_u32(ip_2_ip4(remote)),
                          u64{local_port} << 16 | remote_port};
    return static_cast<u32_t>(guest::system_time() / (4 * guest::microsecond) + lwip::hash(key, words));
}
