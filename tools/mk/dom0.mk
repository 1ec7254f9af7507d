# dom0/: the libraries of programs that run in the control domain.

APT_DEPS += libfmt-dev zlib1g-dev liblzma-dev libzstd-dev liblz4-dev

DOM0_LIB := $(wildcard dom0/lib/*.cpp)
DOM0_BUILDER := $(wildcard dom0/builder/*.cpp)
DOM0_BUILDER_LDLIBS := -lz -llzma -lzstd -llz4 -lfmt

$(eval $(call library,dom0,$(DOM0_LIB)))
$(eval $(call library,builder,$(DOM0_BUILDER)))

$(eval $(call unit_test,builder,$(addprefix tests/unit/dom0/,builder_test.cpp fd_test.cpp kernel_test.cpp kernel_cache_test.cpp) \
	tests/unit/dom0/synthetic_kernel.cpp $(filter-out dom0/builder/live_target.cpp,$(DOM0_BUILDER)) dom0/lib/fd.cpp,,\
	$(DOM0_BUILDER_LDLIBS)))
