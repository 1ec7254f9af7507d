# tools/xl: the xl program.

APT_DEPS += libcli11-dev libfmt-dev nlohmann-json3-dev

XL_CONFIG := $(wildcard tools/xl/config/*.cpp)
XL := $(XL_CONFIG) $(wildcard tools/xl/*.cpp tools/xl/commands/*.cpp)

$(eval $(call program,xl,$(XL),builder dom0 xenstore,$(DOM0_BUILDER_LDLIBS)))

$(eval $(call unit_test,xl,$(wildcard tests/unit/xl/*.cpp) $(XL_CONFIG),,-lfmt))
