# dom0/: the libraries of programs that run in the control domain.

DOM0_LIB := $(wildcard dom0/lib/*.cpp)

$(eval $(call library,dom0,$(DOM0_LIB)))
