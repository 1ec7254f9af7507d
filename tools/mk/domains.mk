# The scheduler and its timers: unit tests.

$(eval $(call core_test,sched,$(wildcard tests/unit/sched/*.cpp)))
