# Xylem. `make help` says what there is to make.

.DEFAULT_GOAL := all
include tools/mk/common.mk
include $(filter-out tools/mk/common.mk,$(sort $(wildcard tools/mk/*.mk)))
