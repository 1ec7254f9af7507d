# The frontends, for the host: their unit tests. (In a guest they are part of what guest.mk builds.)

FRONTENDS := $(sort $(wildcard frontends/xenbus/*.cpp frontends/block/*.cpp frontends/net/*.cpp frontends/console/*.cpp))
FRONTEND_TESTS := $(filter-out %/both_ends.cpp,$(sort $(wildcard tests/unit/frontends/*.cpp)))

$(eval $(call unit_test,frontends,$(FRONTEND_TESTS) $(FRONTENDS) hypervisor/base/format.cpp,,))
