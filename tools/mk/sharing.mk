# event_channels/ and grant_tables/: their unit and model tests.

$(eval $(call core_test,event_channels,$(wildcard tests/unit/event_channels/*.cpp)))
$(eval $(call core_test,grant_tables,$(wildcard tests/unit/grant_tables/*.cpp)))
$(eval $(call core_test,sharing_ops,$(wildcard tests/unit/sharing_ops/*.cpp)))
