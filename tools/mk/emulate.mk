# Unit tests of the code that stands between a guest's bytes and us: the instruction decoder and emulator, the kernel image
# unpackers and parsers, and the CPU policy. The product sources themselves are linked by hypervisor.mk.

APT_DEPS += libgtest-dev libgmock-dev libzydis-dev

$(eval $(call unit_test,decode,tests/unit/decode/decode_test.cpp hypervisor/arch/x86_64/decode.cpp,-O2,-lZydis))

APT_DEPS += liblzma-dev zlib1g-dev
UNPACK_SOURCES := $(addprefix hypervisor/boot/,unpack.cpp lzma2.cpp bcj_x86.cpp xz.cpp inflate.cpp gzip.cpp)

$(eval $(call unit_test,xz,tests/unit/boot/xz_test.cpp $(UNPACK_SOURCES),-O2,-llzma))
$(eval $(call unit_test,gzip,tests/unit/boot/gzip_test.cpp $(UNPACK_SOURCES),-O2,-lz))
$(eval $(call unit_test,elf,tests/unit/boot/elf_test.cpp $(UNPACK_SOURCES) \
    $(addprefix hypervisor/boot/,bzimage.cpp elf.cpp),-O2))
$(eval $(call unit_test,emulate_write,tests/unit/emulate_write/emulate_write_test.cpp \
    hypervisor/arch/x86_64/decode.cpp hypervisor/arch/x86_64/emulate_write.cpp,-O2))

APT_DEPS += libxen-dev
CPU_POLICY_SOURCES := $(addprefix hypervisor/domain/,cpu_features.cpp cpu_policy.cpp cpu_policy_wire.cpp guest_cpuid.cpp)
$(eval $(call unit_test,cpu_policy,tests/unit/cpu_policy/cpu_policy_test.cpp tests/unit/cpu_policy/msr_policy_test.cpp \
    $(CPU_POLICY_SOURCES) hypervisor/domain/msr_policy.cpp))
