# What system tests bring into dom0: a program that counts pages, one that makes and moves data (in the guest, too, which has no
# libraries); and small guests: one that does nothing, one that measures how long hypercalls run.

TEST_PROGRAMS := $(addprefix $(BUILD)/tests/bin/,host-pages load-data idle.elf budget.elf)
HOST_PAGES_OBJECTS := $(call host_objects,tests/support/host_pages.cpp)
LOAD_DATA_OBJECTS := $(call host_objects,tests/support/load_data.cpp)

$(BUILD)/tests/bin/host-pages: $(HOST_PAGES_OBJECTS) $(BUILD)/lib/dom0.a
	@mkdir -p $(@D)
	@echo "  LINK    $@"
	@$(CXX) $^ -lfmt -o $@

$(BUILD)/tests/bin/load-data: $(LOAD_DATA_OBJECTS)
	@mkdir -p $(@D)
	@echo "  LINK    $@"
	@$(CXX) -static -s $^ -o $@

$(BUILD)/tests/bin/%.elf: $(GUEST_OBJ)/tests/support/%_guest/main.o $(GUEST_KERNEL_OBJECTS) frontends/guest/guest.lds
	$(link_guest)

-include $(HOST_PAGES_OBJECTS:.o=.d) $(LOAD_DATA_OBJECTS:.o=.d) $(patsubst %,$(GUEST_OBJ)/tests/support/%_guest/main.d,idle budget)
