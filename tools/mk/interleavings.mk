# tests/interleavings/: the core, and scenarios for two processors, with a call of the explorer at each access to memory. The
# compiler puts it there for ThreadSanitizer; hooks.cpp takes its place. No other sanitizer: they do not know fibers.

INTERLEAVINGS_OBJ := $(BUILD)/obj/interleavings
INTERLEAVINGS_CXXFLAGS := -std=c++20 -O1 -g1 $(WARNINGS) -Wno-tsan $(INCLUDES) -D_GNU_SOURCE -fno-strict-aliasing
INTERLEAVINGS_BASE := $(sort $(wildcard $(addsuffix /*.cpp,hypervisor/base hypervisor/core hypervisor/mm)))
INTERLEAVINGS_SHARING := $(sort $(wildcard event_channels/*.cpp grant_tables/*.cpp))
INTERLEAVINGS_SCHED := $(sort $(wildcard hypervisor/sched/*.cpp))
INTERLEAVINGS_CORE := $(INTERLEAVINGS_BASE) $(INTERLEAVINGS_SHARING) $(INTERLEAVINGS_SCHED)
INTERLEAVINGS_SUPPORT := $(addprefix tests/,interleavings/explorer.cpp interleavings/hooks.cpp support/fake_machine.cpp)
# The events' tests have a scheduler of their own: the true one is in a program apart.
INTERLEAVINGS_TESTS := $(addprefix tests/,interleavings/page_types_test.cpp interleavings/sharing_test.cpp support/fake_guest.cpp \
    unit/event_channels/event_domain.cpp unit/grant_tables/grant_domain.cpp)
INTERLEAVINGS_SCHED_TESTS := tests/interleavings/sched_test.cpp
# What stands outside of a run: the explorer, the machine (which calls it itself), and what judges the run's end.
INTERLEAVINGS_OUTSIDE := $(INTERLEAVINGS_SUPPORT) hypervisor/mm/audit.cpp
interleavings_objects = $(patsubst %.cpp,$(INTERLEAVINGS_OBJ)/%.o,$(1))
INTERLEAVINGS_OBJECTS := $(call interleavings_objects,$(INTERLEAVINGS_CORE) $(INTERLEAVINGS_SUPPORT) $(INTERLEAVINGS_TESTS) \
    $(INTERLEAVINGS_SCHED_TESTS))

$(call interleavings_objects,$(INTERLEAVINGS_CORE)): INTERLEAVINGS_CXXFLAGS += -fno-exceptions -fno-rtti
$(filter-out $(call interleavings_objects,$(INTERLEAVINGS_OUTSIDE)),$(INTERLEAVINGS_OBJECTS)): \
    INTERLEAVINGS_CXXFLAGS += -fsanitize=thread

$(INTERLEAVINGS_OBJ)/%.o: %.cpp
	@mkdir -p $(@D)
	@echo "  CXX     $< (interleavings)"
	@$(CXX) $(INTERLEAVINGS_CXXFLAGS) -MMD -MP -c $< -o $@

UNIT_TESTS += $(BUILD)/tests/unit/interleavings $(BUILD)/tests/unit/sched_interleavings
# The core first: of an inline function that both have, the linker takes its.
$(BUILD)/tests/unit/interleavings: $(call interleavings_objects,$(INTERLEAVINGS_BASE) $(INTERLEAVINGS_SHARING) \
    $(INTERLEAVINGS_SUPPORT) $(INTERLEAVINGS_TESTS))
$(BUILD)/tests/unit/sched_interleavings: $(call interleavings_objects,$(INTERLEAVINGS_BASE) $(INTERLEAVINGS_SCHED) \
    $(INTERLEAVINGS_SUPPORT) $(INTERLEAVINGS_SCHED_TESTS))
$(BUILD)/tests/unit/interleavings $(BUILD)/tests/unit/sched_interleavings:
	@mkdir -p $(@D)
	@echo "  LINK    $@"
	@$(CXX) $^ -lgmock -lgtest -lgtest_main -lpthread -o $@
-include $(INTERLEAVINGS_OBJECTS:.o=.d)
