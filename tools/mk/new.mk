# Laying out new files: a driver with both halves, or a program for the mini kernel.

.PHONY: new-driver new-guest
new-driver new-guest: new-%:
	@python3 -m tools.new.lay_out $* "$(NAME)"
