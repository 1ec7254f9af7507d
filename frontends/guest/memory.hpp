// Pages beyond those that the builder mapped, and the heap on top of them.
//
// The builder maps one block: the image, page tables, a boot stack and some slack. When that is used up, the rest of
// the domain's memory follows, 2 MiB at a time, by page tables of our own, so that pfn and address stay one shift
// apart. A small guest uses at most the first GiB of its memory: one table of level 2.
//
// One caller at a time: other vCPUs than the first take what the first gives them.
#pragma once

#include "frontends/guest/guest.hpp"

namespace xylem::guest {

/// The most pages that can be had in one piece.
inline constexpr u64 longest_piece = 511;
/// `count` zeroed pages, one after the other. Null: the domain's memory is used up, or `count` is too large.
void* allocate_pages(u64 count);
/// Takes back pages that came in one piece from allocate_pages(), or one from allocate_page().
void free_pages(void* pages, u64 count);

/// Bytes aligned to 16; null: none are left. `operator new` is the same, and ends the guest instead of giving null.
void* allocate_bytes(size_t bytes);
void free_bytes(void* bytes);
/// Bytes that are allocated now: a program can tell whether it leaks.
size_t bytes_in_use();

}
