// The heap: a list of free pieces in the order of their addresses, so that neighbours join again. First fit.

#include "frontends/guest/memory.hpp"

#include <new>

namespace xylem::guest {
namespace {

/// In front of each piece, free or not. 16 bytes, so that what follows is aligned.
struct alignas(16) Piece {
    size_t bytes; ///< of the piece with this header
    Piece* next;  ///< the next free one
    char* end() { return reinterpret_cast<char*>(this) + bytes; }
};

constexpr size_t grain = sizeof(Piece), chunk_pages = 16;

Piece* free_pieces;
size_t in_use;

/// Puts a piece where its address belongs, and joins it with neighbours.
void insert(Piece* piece)
{
    Piece** link = &free_pieces;
    Piece* before = nullptr;
    for (; *link && *link < piece; link = &(*link)->next)
        before = *link;
    piece->next = *link;
    *link = piece;
    if (piece->next && piece->end() == reinterpret_cast<char*>(piece->next)) {
        piece->bytes += piece->next->bytes;
        piece->next = piece->next->next;
    }
    if (before && before->end() == reinterpret_cast<char*>(piece)) {
        before->bytes += piece->bytes;
        before->next = piece->next;
    }
}

bool grow(size_t bytes)
{
    const u64 wanted = pages_for(bytes), pages = wanted < chunk_pages ? chunk_pages : wanted;
    void* chunk = allocate_pages(pages);
    if (!chunk)
        return false;
    insert(new (chunk) Piece{pages << page_shift, nullptr});
    return true;
}

/// A piece of exactly `bytes`, out of the first that is large enough.
Piece* take(size_t bytes)
{
    for (Piece** link = &free_pieces; *link; link = &(*link)->next) {
        Piece* piece = *link;
        if (piece->bytes < bytes)
            continue;
        if (piece->bytes == bytes) {
            *link = piece->next;
            return piece;
        }
        *link = new (reinterpret_cast<char*>(piece) + bytes) Piece{piece->bytes - bytes, piece->next};
        piece->bytes = bytes;
        return piece;
    }
    return nullptr;
}

}

void* allocate_bytes(size_t bytes)
{
    if (bytes > size_t{1} << 30)
        return nullptr;
    const size_t whole = (bytes + sizeof(Piece) + grain - 1) & ~(grain - 1);
    Piece* piece = take(whole);
    if (!piece && grow(whole))
        piece = take(whole);
    if (!piece)
        return nullptr;
    in_use += piece->bytes;
    return piece + 1;
}

void free_bytes(void* bytes)
{
    if (!bytes)
        return;
    Piece* piece = static_cast<Piece*>(bytes) - 1;
    in_use -= piece->bytes;
    insert(piece);
}

size_t bytes_in_use()
{
    return in_use;
}

/// For `operator new`, which in a kernel without exceptions cannot fail.
static void* allocate_or_end(size_t bytes)
{
    if (void* memory = allocate_bytes(bytes))
        return memory;
    print("The small guest has used up its memory: {} bytes are not to be had.\n", bytes);
    shut_down(abi::ShutdownReason::crash);
}

}

void* operator new(size_t bytes)
{
    return xylem::guest::allocate_or_end(bytes);
}
void* operator new[](size_t bytes)
{
    return xylem::guest::allocate_or_end(bytes);
}
void operator delete(void* memory) noexcept
{
    xylem::guest::free_bytes(memory);
}
void operator delete[](void* memory) noexcept
{
    xylem::guest::free_bytes(memory);
}
void operator delete(void* memory, size_t) noexcept
{
    xylem::guest::free_bytes(memory);
}
void operator delete[](void* memory, size_t) noexcept
{
    xylem::guest::free_bytes(memory);
}
