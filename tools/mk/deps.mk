# What the build needs of Debian: every fragment adds its packages to APT_DEPS; `make deps` installs what is missing.

.PHONY: deps
deps:
	@tools/deps.sh $(sort $(APT_DEPS))
