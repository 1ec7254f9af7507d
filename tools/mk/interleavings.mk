# tests/interleavings/: the core with the explorer at each of its atomic operations (atomics.hpp), without sanitizers, which do
# not know fibers.

INTERLEAVINGS_OBJ := $(BUILD)/obj/interleavings
INTERLEAVINGS_CXXFLAGS := -std=c++20 -O1 -g $(WARNINGS) $(INCLUDES) -D_GNU_SOURCE -fno-strict-aliasing
INTERLEAVINGS_CORE := $(sort $(wildcard $(addsuffix /*.cpp,hypervisor/base hypervisor/core hypervisor/mm event_channels grant_tables)))
INTERLEAVINGS_TESTS := $(wildcard tests/interleavings/*.cpp) $(addprefix tests/,support/fake_machine.cpp support/fake_guest.cpp \
    unit/event_channels/event_domain.cpp unit/grant_tables/grant_domain.cpp)
INTERLEAVINGS_OBJECTS := $(patsubst %.cpp,$(INTERLEAVINGS_OBJ)/%.o,$(INTERLEAVINGS_CORE) $(INTERLEAVINGS_TESTS))

$(patsubst %.cpp,$(INTERLEAVINGS_OBJ)/%.o,$(INTERLEAVINGS_CORE)): INTERLEAVINGS_CXXFLAGS += -fno-exceptions -fno-rtti \
    -include tests/interleavings/atomics.hpp

$(INTERLEAVINGS_OBJ)/%.o: %.cpp
	@mkdir -p $(@D)
	@echo "  CXX     $< (interleavings)"
	@$(CXX) $(INTERLEAVINGS_CXXFLAGS) -MMD -MP -c $< -o $@

UNIT_TESTS += $(BUILD)/tests/unit/interleavings
$(BUILD)/tests/unit/interleavings: $(INTERLEAVINGS_OBJECTS)
	@mkdir -p $(@D)
	@echo "  LINK    $@"
	@$(CXX) $^ -lgmock -lgtest -lgtest_main -lpthread -o $@
-include $(INTERLEAVINGS_OBJECTS:.o=.d)
