# What system tests bring into dom0: a program that counts pages, one that tells what dom0 holds, one that makes and moves data (in
# the guest, too, which has no libraries), one that talks to channels; an xl of which a chosen step fails; and small guests: one that
# does nothing, one that measures how long hypercalls run.

TEST_PROGRAMS := $(addprefix $(BUILD)/tests/bin/,host-pages dom0-state load-data ask failing-xl idle.elf budget.elf)
HOST_PAGES_OBJECTS := $(call host_objects,tests/support/host_pages.cpp)
DOM0_STATE_OBJECTS := $(call host_objects,tests/support/dom0_state.cpp)
LOAD_DATA_OBJECTS := $(call host_objects,tests/support/load_data.cpp)
ASK_OBJECTS := $(call host_objects,tests/support/ask.cpp)
FAILING_STEP_OBJECTS := $(call host_objects,tests/support/failing_step.cpp)
comma := ,
FAILING_CALLS := access connect flock fopen64 fork ioctl mkdir mmap64 open64 rename socket stat64 write writev xl_hand_over

$(BUILD)/tests/bin/host-pages: $(HOST_PAGES_OBJECTS) $(BUILD)/lib/dom0.a
	@mkdir -p $(@D)
	@echo "  LINK    $@"
	@$(CXX) $^ -lfmt -o $@

$(BUILD)/tests/bin/dom0-state: $(DOM0_STATE_OBJECTS) $(BUILD)/lib/dom0.a $(BUILD)/lib/xenstore.a
	@mkdir -p $(@D)
	@echo "  LINK    $@"
	@$(CXX) $^ -lfmt -o $@

# tools/xl's own objects: what is tested is what people run.
$(BUILD)/tests/bin/failing-xl: $(FAILING_STEP_OBJECTS) $(BUILD)/bin/xl
	@mkdir -p $(@D)
	@echo "  LINK    $@"
	@$(CXX) $(addprefix -Wl$(comma)--wrap=,$(FAILING_CALLS)) $(FAILING_STEP_OBJECTS) $(call host_objects,$(XL)) \
		$(patsubst %,$(BUILD)/lib/%.a,$(XL_LIBS)) $(XL_LDLIBS) -o $@

$(BUILD)/tests/bin/load-data: $(LOAD_DATA_OBJECTS)
$(BUILD)/tests/bin/ask: $(ASK_OBJECTS)
$(BUILD)/tests/bin/load-data $(BUILD)/tests/bin/ask:
	@mkdir -p $(@D)
	@echo "  LINK    $@"
	@$(CXX) -static -s $^ -o $@

$(BUILD)/tests/bin/%.elf: $(GUEST_OBJ)/tests/support/%_guest/main.o $(GUEST_KERNEL_OBJECTS) frontends/guest/guest.lds
	$(link_guest)

-include $(HOST_PAGES_OBJECTS:.o=.d) $(DOM0_STATE_OBJECTS:.o=.d) $(FAILING_STEP_OBJECTS:.o=.d) $(LOAD_DATA_OBJECTS:.o=.d) $(ASK_OBJECTS:.o=.d) $(patsubst %,$(GUEST_OBJ)/tests/support/%_guest/main.d,idle budget)
