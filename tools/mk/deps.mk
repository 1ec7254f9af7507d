# What the build needs of Debian: every fragment adds its packages to APT_DEPS; `make deps` installs what is missing.

.PHONY: deps
deps:
	@tools/deps.sh $(sort $(APT_DEPS))

# $(call with_deps,FILES): a recipe's line that installs what is missing and then builds FILES. In makes of their own: what is
# installed may change what the fragments find, and the building runs in parallel.
with_deps = @$(MAKE) --no-print-directory deps && $(MAKE) --no-print-directory -j$$(nproc) $(1)
