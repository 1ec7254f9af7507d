# The backends that run in dom0's user space: block, network, console.

APT_DEPS += libfmt-dev liburing-dev libcli11-dev libgtest-dev libgmock-dev

BACKENDS_LIB := $(addprefix backends/lib/,event_loop.cpp grant_pool.cpp log.cpp)
BACKENDS_BLOCK := $(addprefix backends/block/,disk.cpp file_disk.cpp queue.cpp request.cpp)

BACKENDS_TEST_SUPPORT := tests/unit/backends/fake_peer.cpp $(BACKENDS_LIB) dom0/lib/fd.cpp dom0/lib/gntdev.cpp

$(eval $(call unit_test,backends_ring,tests/unit/backends/ring_test.cpp $(BACKENDS_TEST_SUPPORT),,-lfmt))
$(eval $(call unit_test,backends_block,tests/unit/backends/block_request_test.cpp tests/unit/backends/block_queue_test.cpp \
  tests/unit/backends/file_disk_test.cpp $(BACKENDS_BLOCK) $(BACKENDS_TEST_SUPPORT),,-lfmt -luring))
