// A hostile frontend of the block backend: requests of any bytes, and the ring and an indirect list scribbled over.
#include "tests/fuzz/target.hpp"
#include "tests/support/choices.hpp"
#include "tests/unit/backends/block_rig.hpp"

namespace xylem::backends {

FUZZ_TARGET(ring_block)
{
    xylem::test::ByteChoices choices(input);
    block::Rig rig(choices.below(2) ? block::Grants::persistent : block::Grants::copied);
    while (!choices.empty()) {
        switch (choices.below(6)) {
        case 0:
        case 1: {
            abi::io::BlkifRequest request{};
            const auto bytes = choices.take(8 + choices.below(sizeof request));
            std::memcpy(static_cast<void*>(&request), bytes.data(), std::min(bytes.size(), sizeof request));
            rig.front.push(request);
            break;
        }
        case 2: {
            const u32 at = choices.number<u16>() % (2 * page_size);
            rig.peer.page(at / page_size)[at % page_size] = std::byte(choices.number<u8>());
            break;
        }
        case 3:
            rig.disk.deferring = !rig.disk.deferring;
            break;
        case 4:
            rig.disk.perform_waiting();
            break;
        default:
            rig.queue->serve();
            rig.settle();
        }
    }
    rig.disk.deferring = false;
    rig.disk.perform_waiting();
    rig.settle();
}

}
