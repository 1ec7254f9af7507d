# tools/xl: the xl program.

APT_DEPS += libcli11-dev libfmt-dev nlohmann-json3-dev python3-prometheus-client

XL_CONFIG := $(wildcard tools/xl/config/*.cpp)
XL := $(XL_CONFIG) $(wildcard tools/xl/*.cpp tools/xl/commands/*.cpp tools/xl/devd/*.cpp tools/xl/monitoring/*.cpp)

XL_LIBS := backends builder xenstore dom0
# A file of few pages starts soon: the thousands of relocations are packed.
XL_LDLIBS := -static-pie -Wl,-z,pack-relative-relocs $(filter-out -lfmt,$(DOM0_BUILDER_LDLIBS))

$(eval $(call program,xl,$(XL),$(XL_LIBS),$(XL_LDLIBS)))

# The store's tests talk to a daemon of their own.
XL_TESTED := $(XL_CONFIG) $(addprefix tools/xl/,bridge.cpp core_file.cpp cpu_list.cpp device.cpp device_setup.cpp device_wait.cpp hand_over.cpp interrupt.cpp \
	linux_backend.cpp domain_nodes.cpp paths.cpp record.cpp rows.cpp text.cpp command_table.cpp compatibility.cpp) \
	$(wildcard xenstore/client/*.cpp) xenstore/store/message.cpp xenstore/store/path.cpp xenstore/store/permissions.cpp \
	$(addprefix dom0/lib/,fd.cpp routed_interface.cpp)

$(eval $(call unit_test,xl,$(wildcard tests/unit/xl/*.cpp) $(XL_TESTED),,-lfmt))
$(BUILD)/tests/unit/xl: | $(BUILD)/bin/xenstored

# What xl top, xl metrics and xl explain make of what they are told, without a hypervisor.
XL_MONITORING_TESTED := $(addprefix tools/xl/monitoring/,account.cpp keys.cpp kept.cpp metrics.cpp metrics_server.cpp open_metrics.cpp \
	table.cpp use.cpp) tools/xl/text.cpp tools/xl/config/json.cpp dom0/lib/disk_counters.cpp dom0/lib/fd.cpp

$(eval $(call unit_test,xl_monitoring,$(wildcard tests/unit/xl_monitoring/*.cpp) $(XL_MONITORING_TESTED),,-lfmt))

# xl devd: a store and programs that the test makes.
XL_DEVD_TESTED := $(addprefix tools/xl/devd/,programs.cpp served_devices.cpp) $(addprefix backends/lib/,event_loop.cpp log.cpp) \
	dom0/lib/fd.cpp

$(eval $(call unit_test,xl_devd,$(wildcard tests/unit/xl_devd/*.cpp) $(XL_DEVD_TESTED),,-lfmt))
