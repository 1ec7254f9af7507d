# Dom0's first program and supervisor.

APT_DEPS += nlohmann-json3-dev
INIT_SOURCES := $(wildcard dom0/init/*.cpp)
$(eval $(call program,xylem-init,$(INIT_SOURCES),,))
$(eval $(call unit_test,init,$(wildcard tests/unit/init/*.cpp) dom0/init/configuration.cpp,,))
