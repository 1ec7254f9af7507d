// Reads disks from end to end and says their CRC-32, as cksum -a crc32b or crc32(1) would; the simplest use of a disk.
//
//     kernel = "build/guests/checksum.elf"
//     disk = ["phy:/dev/nvme0n1,xvda,r"]
//     extra = "disk=51712"                    (xvda, and so is the default)
//
// With "write" on the command line it first fills the disk with a pattern, flushes, and then reads: what it writes is
// known, so that who made the disk can check both ways.

#include "frontends/block/disk.hpp"
#include "frontends/guest/control.hpp"
#include "frontends/guest/drivers.hpp"
#include "frontends/guest/memory.hpp"
#include "frontends/guest/tasks.hpp"
#include "frontends/guest/time.hpp"

using namespace xylem;
using namespace xylem::guest;
using frontends::block::Disk;
using frontends::block::IoRequest;

namespace {

constexpr u64 piece = 256 * 1024;
constexpr unsigned at_once = 4; // requests under way

class Crc32 {
public:
    Crc32()
    {
        for (u32 i = 0; i < 256; ++i) {
            u32 value = i;
            for (int bit = 0; bit < 8; ++bit)
                value = value >> 1 ^ (value & 1 ? 0xedb88320 : 0);
            table_[i] = value;
        }
    }
    void add(const u8* data, u64 bytes)
    {
        for (; bytes > 0; --bytes)
            state_ = state_ >> 8 ^ table_[(state_ ^ *data++) & 0xff];
    }
    u32 value() const { return ~state_; }

private:
    u32 table_[256];
    u32 state_ = ~u32{0};
};

/// One of the requests that go round.
struct Transfer {
    IoRequest request;
    u8* data;
};

[[noreturn]] void give_up(const char* what)
{
    print("checksum: {}\n", what);
    shut_down(abi::ShutdownReason::crash);
}

bool wait_for(const IoRequest& request)
{
    wait_until([&] { return request.outcome != IoRequest::Outcome::pending; });
    return request.outcome == IoRequest::Outcome::done;
}

/// Goes through the disk, `at_once` pieces ahead. `use` sees each piece in order: before it is written, after it was
/// read.
template <typename Use> void go_through(Disk& disk, Transfer* transfers, IoRequest::Kind kind, Use use)
{
    const u64 bytes = disk.geometry().sectors * 512, pieces = (bytes + piece - 1) / piece;
    const auto start = [&](u64 number) {
        Transfer& transfer = transfers[number % at_once];
        transfer.request = {};
        transfer.request.kind = kind;
        transfer.request.sector = number * piece / 512;
        transfer.request.data = transfer.data;
        transfer.request.bytes = bytes - number * piece < piece ? bytes - number * piece : piece;
        if (kind == IoRequest::Kind::write)
            use(number, transfer.data, transfer.request.bytes);
        disk.submit(transfer.request);
    };
    for (u64 number = 0; number < pieces && number < at_once; ++number)
        start(number);
    for (u64 number = 0; number < pieces; ++number) {
        const Transfer& transfer = transfers[number % at_once];
        if (!wait_for(transfer.request))
            give_up("the disk failed a request");
        if (kind == IoRequest::Kind::read)
            use(number, transfer.data, transfer.request.bytes);
        if (number + at_once < pieces)
            start(number + at_once);
    }
}

void fill(Disk& disk, Transfer* transfers)
{
    u64 random = 1;
    go_through(disk, transfers, IoRequest::Kind::write, [&](u64, u8* data, u64 bytes) {
        for (u64 i = 0; i < bytes; ++i) {
            random = random * 6364136223846793005 + 1442695040888963407;
            data[i] = static_cast<u8>(random >> 56);
        }
    });
    IoRequest flush;
    flush.kind = IoRequest::Kind::flush;
    disk.submit(flush);
    if (!wait_for(flush) && flush.outcome != IoRequest::Outcome::unsupported)
        give_up("the disk failed a flush");
}

}

void xylem_main()
{
    follow_orders();
    char word[16] = "51712";
    find_argument("disk=", word, sizeof word);
    Disk disk(driver_kernel(), static_cast<u32>(frontends::number_in(word).value_or(0)), {});
    if (!disk.begin().ok())
        give_up("there is no such disk: name one by disk=NUMBER, 51712 for xvda");
    if (!wait_until([&] { return disk.is_connected() || disk.is_over(); }, system_time() + 30 * second) ||
        disk.is_over())
        give_up("no backend serves the disk");
    const frontends::block::Geometry& geometry = disk.geometry();
    print("disk {}: {} sectors, {}, {} segments, {} queues\n", static_cast<const char*>(word), geometry.sectors,
          geometry.read_only ? "read-only" : "writable", disk.segments(), disk.queues());
    Transfer transfers[at_once];
    for (Transfer& transfer : transfers)
        if (!(transfer.data = static_cast<u8*>(allocate_bytes(piece))))
            give_up("there is too little memory");
    char write[8];
    if (find_argument("write", write, sizeof write))
        fill(disk, transfers);
    static Crc32 sum;
    const u64 begin = system_time();
    go_through(disk, transfers, IoRequest::Kind::read, [](u64, u8* data, u64 bytes) { sum.add(data, bytes); });
    print("CRC32 {:x} after {} ms\n", sum.value(), (system_time() - begin) / millisecond);
    disk.close();
    if (!wait_until([&] { return disk.is_closed(); }, system_time() + 5 * second))
        print("checksum: the backend does not let go of the disk\n");
}
