# The tests: `make test` for every change (under 25 minutes on two cores), `make test-all` for all there is.
# ONLY='system/demo*' picks tests by a pattern of their names.

APT_DEPS += libgtest-dev libgmock-dev python3-prometheus-client
ONLY ?= *
TEST_FILES = $(UNIT_TESTS) $(GUEST_TEST_ELFS) $(GUEST_PROGRAM_ELFS) $(TEST_PROGRAMS) $(BUILD)/xylem.elf $(BUILD)/xen.elf $(BUILD)/dom0/initrd-debian.img $(BUILD)/dom0/initrd.img $(BUILD)/dom0/vmlinuz $(BUILD)/domu/driver-domain.img
TEST_WORDS = --only "$(ONLY)" --unit $(UNIT_TESTS) --tsan $(TSAN_TESTS) --fuzz $(FUZZERS) --guests $(GUEST_TEST_ELFS)

.PHONY: test test-all unit test-list
test:
	$(call with_deps,$(TEST_FILES))
	@python3 -m tests.run $(TEST_WORDS)

test-all:
	@tools/deps.sh $(FUZZ_APT_DEPS)
	$(call with_deps,$(TEST_FILES) $(TSAN_TESTS) $(FUZZERS) $(BUILD)/debian/disk.img)
	@python3 -m tests.run --all --table $(BUILD)/test-all.md --guest-results $(TEST_WORDS)

unit:
	$(call with_deps,$(UNIT_TESTS))
	@python3 -m tests.run --only "unit/*" --unit $(UNIT_TESTS)

test-list:
	@python3 -m tests.run --all --list $(TEST_WORDS)
