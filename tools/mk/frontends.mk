# The frontends, for the host: their unit tests. (In a guest they are part of what guest.mk builds.)

FRONTENDS := $(sort $(wildcard frontends/xenbus/*.cpp frontends/block/*.cpp frontends/net/*.cpp frontends/console/*.cpp))

$(eval $(call unit_test,frontends,$(sort $(wildcard tests/unit/frontends/*.cpp)) $(FRONTENDS) hypervisor/base/format.cpp,,))
