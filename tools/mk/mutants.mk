# Seeded flaws (tests/mutants/), each of which its test must find: `make mutants` prints a table. ONLY='xsa-4*' picks some.

APT_DEPS += patch

.PHONY: mutants
mutants:
	$(call with_deps,$(shell python3 -m tests.mutants.run --targets))
	@python3 -m tests.mutants.run "$(ONLY)"
