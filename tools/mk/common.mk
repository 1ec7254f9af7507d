# What every component's fragment builds on: flags, the object rules, and three macros.
#
#   $(call library,NAME,SOURCES)              build/lib/NAME.a           hosted code shared by programs
#   $(call program,NAME,SOURCES,LIBS,LDLIBS)  build/bin/NAME             a program for dom0 or the host; LIBS are names of `library`s
#   $(call unit_test,NAME,SOURCES,CXXFLAGS,LDLIBS)   build/tests/unit/NAME      a GoogleTest binary under ASan and UBSan; run by `make unit`
#
# Hosted objects lie in build/obj/host/, those of unit tests (sanitised) in build/obj/test/: the same source may be in both.

BUILD := build
CXX ?= g++
WARNINGS := -Wall -Wextra -Wshadow -Wnon-virtual-dtor -Wold-style-cast -Werror
INCLUDES := -I.
HOST_CXXFLAGS := -std=c++20 -O2 -g $(WARNINGS) $(INCLUDES) -D_FILE_OFFSET_BITS=64 -D_GNU_SOURCE
TEST_CXXFLAGS := -std=c++20 -O1 -g $(WARNINGS) $(INCLUDES) -D_GNU_SOURCE -fno-omit-frame-pointer -fsanitize=address,undefined -fno-sanitize-recover=all
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

# Each unit test has its own object folder, since tests of freestanding code compile it with other flags.
define unit_test
UNIT_TESTS += $(BUILD)/tests/unit/$(1)
$(BUILD)/obj/test/$(1)/%.o: %.cpp
	@mkdir -p $$(@D)
	@echo "  CXX     $$< ($(1))"
	@$$(CXX) $$(TEST_CXXFLAGS) $(3) -MMD -MP -c $$< -o $$@
$(BUILD)/tests/unit/$(1): $$(patsubst %.cpp,$(BUILD)/obj/test/$(1)/%.o,$(2))
	@mkdir -p $$(@D)
	@echo "  LINK    $$@"
	@$$(CXX) $$^ $$(TEST_LDFLAGS) $(4) -o $$@
-include $$(patsubst %.cpp,$(BUILD)/obj/test/$(1)/%.d,$(2))
endef
