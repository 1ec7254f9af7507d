# The core's threaded tests once more, under ThreadSanitizer, which cannot share a binary with AddressSanitizer: `make tsan`.
# `make test-all` runs them too. Of each test below, the sources that start threads are taken, and what they lean on.
#
#   $(call tsan_test,NAME)     tests/unit/NAME/ -> build/tests/tsan/NAME

TSAN_OBJ := $(BUILD)/obj/tsan
TSAN_LIB := $(BUILD)/lib/core-tsan.a
# It does not know fences of their own; what they order are words that are atomic themselves.
TSAN_CXXFLAGS := -std=c++20 -O1 -g $(WARNINGS) -Wno-tsan $(INCLUDES) -D_GNU_SOURCE -fno-omit-frame-pointer -fno-strict-aliasing \
    -fsanitize=thread
TSAN_CORE_OBJECTS := $(patsubst %.cpp,$(TSAN_OBJ)/%.o,$(CORE_TEST_SOURCES))

$(TSAN_CORE_OBJECTS): TSAN_CXXFLAGS += $(CORE_TEST_CXXFLAGS)

$(TSAN_OBJ)/%.o: %.cpp
	@mkdir -p $(@D)
	@echo "  CXX     $< (for ThreadSanitizer)"
	@$(CXX) $(TSAN_CXXFLAGS) -MMD -MP -c $< -o $@

$(TSAN_LIB): $(TSAN_CORE_OBJECTS)
	@mkdir -p $(@D); rm -f $@
	@echo "  AR      $@"
	@ar rcs $@ $^

TSAN_TESTS :=
tsan_sources = $(shell grep -l 'std::thread' tests/unit/$(1)/*_test.cpp) $(filter-out %_test.cpp,$(wildcard tests/unit/$(1)/*.cpp))

define tsan_test
TSAN_TESTS += $(BUILD)/tests/tsan/$(1)
$(BUILD)/tests/tsan/$(1): $$(patsubst %.cpp,$(TSAN_OBJ)/%.o,$(2)) $$(TSAN_LIB)
	@mkdir -p $$(@D)
	@echo "  LINK    $$@"
	@$$(CXX) $$^ -fsanitize=thread -lgmock -lgtest -lgtest_main -lpthread -o $$@
-include $$(patsubst %.cpp,$(TSAN_OBJ)/%.d,$(2))
endef

$(foreach test,mm event_channels grant_tables sched domains,$(eval $(call tsan_test,$(test),$(call tsan_sources,$(test)))))
-include $(TSAN_CORE_OBJECTS:.o=.d)

.PHONY: tsan
tsan:
	$(call with_deps,$(TSAN_TESTS))
	@python3 -m tests.run --all --only "tsan/*" --tsan $(TSAN_TESTS)
