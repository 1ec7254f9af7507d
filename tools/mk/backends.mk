# The backends that run in dom0's user space: block, network, console.

APT_DEPS += libfmt-dev liburing-dev libcli11-dev libgtest-dev libgmock-dev zlib1g-dev libzstd-dev libcap-ng-dev \
  libseccomp-dev qemu-utils

BACKENDS_LIB := $(addprefix backends/lib/,device_host.cpp event_loop.cpp grant_pool.cpp log.cpp rate.cpp store.cpp xenbus.cpp)
BACKENDS_QCOW2 := $(addprefix backends/block/qcow2/,compressed.cpp header.cpp image.cpp image_discard.cpp image_write.cpp \
  refcounts.cpp table_cache.cpp)
BACKENDS_BLOCK := $(addprefix backends/block/,disk.cpp file_disk.cpp limits.cpp open.cpp queue.cpp request.cpp rings.cpp) $(BACKENDS_QCOW2)
BACKENDS_BLOCK_LDLIBS := -luring -lfmt -lz -lzstd

BACKENDS_XEN := $(addprefix backends/lib/,backend.cpp confine.cpp service.cpp xen_peer.cpp xen_store.cpp)

$(eval $(call library,backends,$(BACKENDS_LIB) $(BACKENDS_XEN)))
$(eval $(call program,xylem-blkback,$(BACKENDS_BLOCK) backends/block/device.cpp backends/block/main.cpp,backends xenstore dom0,\
  $(BACKENDS_BLOCK_LDLIBS) $(BACKENDS_SERVICE_LDLIBS)))
BACKENDS_NET := $(addprefix backends/net/,packet.cpp receive.cpp rings.cpp splitter.cpp transmit.cpp)

$(eval $(call program,xylem-netback,$(BACKENDS_NET) $(addprefix backends/net/,device.cpp main.cpp tap.cpp),\
  backends xenstore dom0,$(BACKENDS_SERVICE_LDLIBS)))
BACKENDS_CONSOLE := $(addprefix backends/console/,backlog.cpp channel.cpp guest.cpp pty.cpp ring.cpp unix_socket.cpp)

$(eval $(call program,xenconsoled,$(BACKENDS_CONSOLE) $(addprefix backends/console/,daemon.cpp main.cpp),\
  backends xenstore dom0,$(BACKENDS_SERVICE_LDLIBS)))

BACKENDS_TEST_SUPPORT := tests/unit/backends/fake_peer.cpp tests/unit/backends/watched_page.cpp $(BACKENDS_LIB) $(addprefix dom0/lib/,disk_counters.cpp fd.cpp gntdev.cpp)

$(eval $(call unit_test,backends_ring,tests/unit/backends/ring_test.cpp $(BACKENDS_TEST_SUPPORT),,-lfmt))
$(eval $(call unit_test,backends_block,tests/unit/backends/block_request_test.cpp tests/unit/backends/block_queue_test.cpp \
  tests/unit/backends/file_disk_test.cpp tests/unit/backends/disk_counters_test.cpp $(BACKENDS_BLOCK) $(BACKENDS_TEST_SUPPORT),,$(BACKENDS_BLOCK_LDLIBS)))
$(eval $(call unit_test,backends_qcow2,$(addprefix tests/unit/backends/,qcow2_image_test.cpp qcow2_crash_test.cpp \
  qcow2_header_test.cpp qcow2_tool.cpp) $(BACKENDS_BLOCK) $(BACKENDS_TEST_SUPPORT),,$(BACKENDS_BLOCK_LDLIBS)))
$(eval $(call unit_test,backends_confine,$(addprefix tests/unit/backends/,confine_test.cpp confined_backends_test.cpp \
  qcow2_tool.cpp) $(BACKENDS_BLOCK) $(BACKENDS_CONSOLE) backends/net/tap.cpp $(addprefix dom0/lib/,notify.cpp program.cpp routed_interface.cpp) \
  $(addprefix backends/lib/,confine.cpp service.cpp) \
  $(BACKENDS_TEST_SUPPORT),,$(BACKENDS_BLOCK_LDLIBS) $(BACKENDS_SERVICE_LDLIBS)))
$(eval $(call unit_test,backends_limits,$(addprefix tests/unit/backends/,limits_test.cpp rings_test.cpp) \
  $(addprefix backends/block/,limits.cpp rings.cpp) \
  $(addprefix backends/lib/,rate.cpp store.cpp),,-lfmt))
$(eval $(call unit_test,backends_device,tests/unit/backends/device_host_test.cpp $(BACKENDS_TEST_SUPPORT),,-lfmt))
$(eval $(call unit_test,backends_net,$(addprefix tests/unit/backends/net_,test.cpp rings_test.cpp splitter_test.cpp) $(BACKENDS_NET) $(BACKENDS_TEST_SUPPORT),,-lfmt))
$(eval $(call unit_test,backends_console,$(addprefix tests/unit/backends/,channel_test.cpp console_test.cpp) $(BACKENDS_CONSOLE) $(BACKENDS_TEST_SUPPORT),,\
  -lfmt))
