# Unit tests of the hypervisor's core: the sources of CORE_SOURCES, compiled hosted under ASan and UBSan once for all tests,
# with the fake machine behind the seam.
#
#   $(call core_test,NAME,TEST_SOURCES)    build/tests/unit/NAME    run by `make unit`

CORE_TEST_OBJ := $(BUILD)/obj/core-test
CORE_TEST_LIB := $(BUILD)/lib/core-test.a
CORE_TEST_SOURCES := $(CORE_SOURCES) $(wildcard tests/support/fake_*.cpp)
CORE_TEST_OBJECTS := $(patsubst %.cpp,$(CORE_TEST_OBJ)/%.o,$(CORE_TEST_SOURCES))
# The core has no run-time checks of the library to link, and lays objects over raw frames.
CORE_TEST_CXXFLAGS := -fno-exceptions -fno-rtti -fno-strict-aliasing

$(CORE_TEST_OBJ)/%.o: %.cpp
	@mkdir -p $(@D)
	@echo "  CXX     $< (core, sanitised)"
	@$(CXX) $(TEST_CXXFLAGS) $(CORE_TEST_CXXFLAGS) -MMD -MP -c $< -o $@

$(CORE_TEST_LIB): $(CORE_TEST_OBJECTS)
	@mkdir -p $(@D); rm -f $@
	@echo "  AR      $@"
	@ar rcs $@ $^

-include $(CORE_TEST_OBJECTS:.o=.d)

define core_test
$(call unit_test,$(1),$(2),,$(CORE_TEST_LIB))
$(BUILD)/tests/unit/$(1): $(CORE_TEST_LIB)
endef

$(eval $(call core_test,mm,$(wildcard tests/unit/mm/*.cpp)))
$(eval $(call core_test,paging_ops,$(wildcard tests/unit/paging_ops/*.cpp) tests/unit/sharing_ops/op_domain.cpp))
$(eval $(call core_test,page_type_model,$(wildcard tests/model/page_type_*.cpp)))

# What the core asks of the machine, read off its freestanding objects.
.PHONY: lint-symbols
lint: lint-symbols
lint-symbols: $(patsubst %.cpp,$(BUILD)/obj/hypervisor/%.o,$(CORE_SOURCES))
	@python3 tools/lint/core_symbols.py $^
