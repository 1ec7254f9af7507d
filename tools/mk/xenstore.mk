# xenstore/: the store's daemon, its client library and its command-line tools.

APT_DEPS += libfmt-dev libcli11-dev libgtest-dev libgmock-dev libmimalloc-dev libxen-dev xenstore-utils

XENSTORE_STORE := $(wildcard xenstore/store/*.cpp)
XENSTORE_DAEMON := $(wildcard xenstore/daemon/*.cpp)
XENSTORE_CLIENT := $(wildcard xenstore/client/*.cpp)
XENSTORE_COMMANDS := $(wildcard xenstore/commands/*.cpp)

$(eval $(call library,xenstore_store,$(XENSTORE_STORE)))
# The client shares the store's wire format and permissions: programs link `xenstore` and nothing more.
$(eval $(call library,xenstore,$(XENSTORE_CLIENT) xenstore/store/message.cpp xenstore/store/path.cpp xenstore/store/permissions.cpp))
XENSTORED_MAIN := xenstore/daemon/main.cpp
$(eval $(call library,xenstored,$(filter-out $(XENSTORED_MAIN),$(XENSTORE_DAEMON))))
# Small allocations are most of what a request costs: with the C library they would be a fifth more.
XENSTORED_LDLIBS := -lfmt -lmimalloc
$(eval $(call program,xenstored,$(XENSTORED_MAIN),xenstored xenstore_store xenstore dom0,$(XENSTORED_LDLIBS)))
$(eval $(call program,xenstore,$(XENSTORE_COMMANDS),xenstore,-lfmt))

# The commands' names, as Debian has them: links beside the program.
XENSTORE_NAMES := $(addprefix $(BUILD)/bin/xenstore-,read write rm exists list ls chmod watch control)
PROGRAMS += $(XENSTORE_NAMES)
$(XENSTORE_NAMES): $(BUILD)/bin/xenstore
	@ln -sf xenstore $@

$(eval $(call unit_test,xenstore_store,$(addprefix tests/unit/xenstore/,store_test.cpp nodes_test.cpp permissions_test.cpp \
  watches_test.cpp transactions_test.cpp domains_test.cpp limits_test.cpp state_test.cpp) $(XENSTORE_STORE),,-lfmt))
$(eval $(call unit_test,xenstore_model,tests/unit/xenstore/model_test.cpp tests/unit/xenstore/store_test.cpp $(XENSTORE_STORE),,-lfmt))
$(eval $(call unit_test,xenstore_ring,tests/unit/xenstore/ring_test.cpp tests/unit/xenstore/store_test.cpp \
  $(addprefix xenstore/daemon/,journal.cpp log.cpp ring_link.cpp session.cpp) $(XENSTORE_STORE),,-lfmt))
$(eval $(call unit_test,xenstore_daemon,tests/unit/xenstore/daemon_test.cpp $(XENSTORE_CLIENT) \
  $(addprefix xenstore/store/,message.cpp path.cpp permissions.cpp),,))
$(BUILD)/tests/unit/xenstore_daemon: | $(BUILD)/bin/xenstored $(XENSTORE_NAMES)

# The daemon with domains that a test can play, and the test that kills it.
XENSTORED_FOR_TESTS := $(BUILD)/tests/bin/xenstored-for-tests
XENSTORED_FOR_TESTS_OBJECTS := $(call host_objects,tests/support/xenstored_for_tests.cpp)
$(XENSTORED_FOR_TESTS): $(XENSTORED_FOR_TESTS_OBJECTS) $(patsubst %,$(BUILD)/lib/%.a,xenstored xenstore_store xenstore dom0)
	@mkdir -p $(@D)
	@echo "  LINK    $@"
	@$(CXX) $^ $(XENSTORED_LDLIBS) -o $@
-include $(XENSTORED_FOR_TESTS_OBJECTS:.o=.d)
$(eval $(call unit_test,xenstore_kill,tests/unit/xenstore/kill_test.cpp dom0/init/keeper.cpp xenstore/client/socket.cpp \
  $(addprefix xenstore/store/,message.cpp path.cpp),,))
$(BUILD)/tests/unit/xenstore_kill: | $(XENSTORED_FOR_TESTS)

# On its own, since it replaces the allocator.
$(eval $(call unit_test,xenstore_memory,tests/unit/xenstore/memory_test.cpp tests/unit/xenstore/store_test.cpp $(XENSTORE_STORE),,-lfmt))

# The C library. Programs in C link to it: it brings its C++ runtime along and shows the versioned names alone.
XENSTORE_CAPI := $(wildcard xenstore/capi/*.cpp) xenstore/client/socket.cpp \
  $(addprefix xenstore/store/,message.cpp path.cpp permissions.cpp)
XENSTORE_SO := $(BUILD)/lib/libxenstore.so.4
PROGRAMS += $(XENSTORE_SO)
$(BUILD)/obj/pic/%.o: %.cpp
	@mkdir -p $(@D)
	@echo "  CXX     $< (pic)"
	@$(CXX) $(HOST_CXXFLAGS) -fPIC -MMD -MP -c $< -o $@
$(XENSTORE_SO): $(patsubst %.cpp,$(BUILD)/obj/pic/%.o,$(XENSTORE_CAPI)) xenstore/capi/libxenstore.map
	@mkdir -p $(@D)
	@echo "  LINK    $@"
	@$(CXX) -shared -static-libstdc++ -static-libgcc -Wl,-soname,libxenstore.so.4 -Wl,-z,defs \
	  -Wl,--version-script=xenstore/capi/libxenstore.map $(filter %.o,$^) -o $@
-include $(patsubst %.cpp,$(BUILD)/obj/pic/%.d,$(XENSTORE_CAPI))
$(eval $(call unit_test,xenstore_capi,tests/unit/xenstore/capi_test.cpp $(XENSTORE_CAPI),,))
$(BUILD)/tests/unit/xenstore_capi: | $(BUILD)/bin/xenstored $(XENSTORE_SO)
