# What every component's fragment builds on: flags, the object rules, and three macros.
#
#   $(call library,NAME,SOURCES)              build/lib/NAME.a           hosted code shared by programs
#   $(call program,NAME,SOURCES,LIBS,LDLIBS)  build/bin/NAME             a program for dom0 or the host; LIBS are names of `library`s
#   $(call unit_test,NAME,SOURCES,CXXFLAGS,LDLIBS)   build/tests/unit/NAME      a GoogleTest binary under ASan and UBSan; run by `make unit`
#
# DEBUG=-g makes programs for a debugger that shows variables; without it they have line numbers and no more, which is a sixth
# of the compiler's time.
#
# Hosted objects lie in build/obj/host/, those of unit tests (sanitised) in build/obj/test/: the same source may be in both.
# Tests have line numbers and no more of what a debugger wants (-g1), and are optimised for compiling soon (-Og): more than half of
# their compiler's time.

BUILD := build
CXX ?= g++
DEBUG ?= -g1
WARNINGS := -Wall -Wextra -Wshadow -Wnon-virtual-dtor -Wold-style-cast -Werror
INCLUDES := -I.
HOST_CXXFLAGS := -std=c++20 -O2 $(DEBUG) $(WARNINGS) $(INCLUDES) -D_FILE_OFFSET_BITS=64 -D_GNU_SOURCE
TEST_CXXFLAGS := -std=c++20 -Og -g1 $(WARNINGS) $(INCLUDES) -D_GNU_SOURCE -fno-omit-frame-pointer -fsanitize=address,undefined -fno-sanitize-recover=all
TEST_LDFLAGS := -fsanitize=address,undefined -lgmock -lgtest -lgtest_main -lpthread

APT_DEPS := g++ make git python3 binutils
PROGRAMS :=
UNIT_TESTS :=

host_objects = $(patsubst %.cpp,$(BUILD)/obj/host/%.o,$(1))

$(BUILD)/obj/host/%.o: %.cpp
	@mkdir -p $(@D)
	@echo "  CXX     $<"
	@$(CXX) $(HOST_CXXFLAGS) $(CXXFLAGS_$(subst /,_,$*)) -MMD -MP -c $< -o $@

define library
$(BUILD)/lib/$(1).a: $$(call host_objects,$(2))
	@mkdir -p $$(@D); rm -f $$@
	@echo "  AR      $$@"
	@ar rcs $$@ $$^
-include $$(patsubst %.o,%.d,$$(call host_objects,$(2)))
endef

define program
PROGRAMS += $(BUILD)/bin/$(1)
$(BUILD)/bin/$(1): $$(call host_objects,$(2)) $$(patsubst %,$(BUILD)/lib/%.a,$(3))
	@mkdir -p $$(@D)
	@echo "  LINK    $$@"
	@$$(CXX) $$(call host_objects,$(2)) $$(patsubst %,$(BUILD)/lib/%.a,$(3)) $(4) -o $$@
-include $$(patsubst %.o,%.d,$$(call host_objects,$(2)))
endef

# Sanitised objects are shared by all unit tests that compile with no flags of their own; a test with such flags has a folder
# of its own. The GoogleTest headers are compiled once, for the former.
SHARED_TEST_OBJ := $(BUILD)/obj/test/shared
GTEST_HEADER := $(SHARED_TEST_OBJ)/gtest.hpp

$(GTEST_HEADER).gch:
	@mkdir -p $(@D)
	@echo "  CXX     the GoogleTest headers"
	@printf '#include <gmock/gmock.h>\n#include <gtest/gtest.h>\n' > $(GTEST_HEADER)
	@$(CXX) $(TEST_CXXFLAGS) -x c++-header $(GTEST_HEADER) -o $@

$(SHARED_TEST_OBJ)/tests/%.o: tests/%.cpp $(GTEST_HEADER).gch
	@mkdir -p $(@D)
	@echo "  CXX     $< (sanitised)"
	@$(CXX) $(TEST_CXXFLAGS) -include $(GTEST_HEADER) -MMD -MP -c $< -o $@

$(SHARED_TEST_OBJ)/%.o: %.cpp
	@mkdir -p $(@D)
	@echo "  CXX     $< (sanitised)"
	@$(CXX) $(TEST_CXXFLAGS) -MMD -MP -c $< -o $@

# $(call test_folder,NAME,CXXFLAGS): where the objects of a test lie.
test_folder = $(if $(strip $(2)),$(BUILD)/obj/test/$(1),$(SHARED_TEST_OBJ))

define test_objects_rule
$(BUILD)/obj/test/$(1)/%.o: %.cpp
	@mkdir -p $$(@D)
	@echo "  CXX     $$< ($(1))"
	@$$(CXX) $$(TEST_CXXFLAGS) $(2) -MMD -MP -c $$< -o $$@
endef

define unit_test
UNIT_TESTS += $(BUILD)/tests/unit/$(1)
$(if $(strip $(3)),$(call test_objects_rule,$(1),$(3)))
$(BUILD)/tests/unit/$(1): $$(patsubst %.cpp,$$(call test_folder,$(1),$(3))/%.o,$(2))
	@mkdir -p $$(@D)
	@echo "  LINK    $$@"
	@$$(CXX) $$(sort $$^) $$(TEST_LDFLAGS) $(4) -o $$@
-include $$(patsubst %.cpp,$$(call test_folder,$(1),$(3))/%.d,$(2))
endef

# What a test of both halves of a device is made of, beside the halves (tests/unit/frontends/both_ends.hpp). Here, because
# fragments are read in the order of their names, and a device may have any.
BOTH_ENDS := $(addprefix tests/unit/frontends/,both_ends.cpp fake_kernel.cpp) $(sort $(wildcard frontends/xenbus/*.cpp)) \
  $(addprefix backends/lib/,device_host.cpp event_loop.cpp grant_pool.cpp log.cpp store.cpp xenbus.cpp) \
  $(addprefix dom0/lib/,fd.cpp gntdev.cpp) hypervisor/base/format.cpp
# What a backend's main() is linked with.
BACKENDS_SERVICE_LDLIBS := -lcap-ng -lseccomp -lfmt
