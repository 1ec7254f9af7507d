# The wire ABI is headers alone; its test compares them with Xen's own, which libxen-dev brings to /usr/include/xen.
# (Never -I/usr/include/xen: its features.h would hide the C library's.)

APT_DEPS += libxen-dev libgtest-dev libgmock-dev

$(eval $(call unit_test,abi,$(wildcard tests/unit/abi/*.cpp),-std=gnu++20 -D__XEN_TOOLS__,))
