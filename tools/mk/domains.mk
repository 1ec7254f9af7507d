# The scheduler, and domains as tools and their own kernels see them: unit tests with the whole core.

$(eval $(call core_test,sched,$(wildcard tests/unit/sched/*.cpp)))
$(eval $(call core_test,domains,$(wildcard tests/unit/domains/*.cpp)))
