// Included in front of each source of the core that an interleavings test is built from: every atomic operation, and so
// every step that another processor can see, first asks the explorer who goes on. The core itself knows nothing of it.
#pragma once

extern "C" void xylem_atomic_step();

// A macro is not expanded within itself: the names below are the compiler's.
#define __atomic_load_n(...) (xylem_atomic_step(), __atomic_load_n(__VA_ARGS__))
#define __atomic_store_n(...) (xylem_atomic_step(), __atomic_store_n(__VA_ARGS__))
#define __atomic_exchange_n(...) (xylem_atomic_step(), __atomic_exchange_n(__VA_ARGS__))
#define __atomic_compare_exchange_n(...) (xylem_atomic_step(), __atomic_compare_exchange_n(__VA_ARGS__))
#define __atomic_fetch_or(...) (xylem_atomic_step(), __atomic_fetch_or(__VA_ARGS__))
#define __atomic_fetch_and(...) (xylem_atomic_step(), __atomic_fetch_and(__VA_ARGS__))
#define __atomic_fetch_add(...) (xylem_atomic_step(), __atomic_fetch_add(__VA_ARGS__))
#define __atomic_sub_fetch(...) (xylem_atomic_step(), __atomic_sub_fetch(__VA_ARGS__))
