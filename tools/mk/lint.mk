# What a machine can check of how the code reads, without building it.

APT_DEPS += clang-format
CXX_FILES = $(shell git ls-files -co --exclude-standard '*.cpp' '*.hpp')

.PHONY: lint lint-format lint-floors lint-names
lint:
	$(call with_deps,lint-format lint-floors lint-names)
	@echo "lint: clean"

lint-format:
	@clang-format --dry-run -Werror $(CXX_FILES)

lint-floors:
	@python3 tools/lint/floors.py

# Tests are switched on or deleted, never commented out or disabled; merges leave no marks.
lint-names:
	@! git grep -nE 'DISABLED_|^(<<<<<<<|>>>>>>>) ' -- . ':!tools/mk/lint.mk'

.PHONY: format
format:
	@clang-format -i $(CXX_FILES)
