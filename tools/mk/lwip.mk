# TCP/IP of small guests: lwIP, from the source package of Debian 12, and our port of it in frontends/lwip/. Programs whose
# files include a header from there are linked with both.

APT_DEPS += dpkg-dev debian-archive-keyring libc6-dev
LWIP := $(BUILD)/lwip
LWIP_SOURCES := $(patsubst %,core/%.c,init def inet_chksum ip mem memp netif pbuf stats tcp tcp_in tcp_out timeouts udp \
    ipv4/dhcp ipv4/etharp ipv4/icmp ipv4/ip4 ipv4/ip4_addr) netif/ethernet.c
LWIP_INCLUDES := -isystem $(LWIP)/source/src/include -Ifrontends/lwip
LWIP_PORT := $(sort $(wildcard frontends/lwip/*.cpp))
LWIP_HEADERS := $(wildcard frontends/lwip/*.h frontends/lwip/arch/*.h)

$(LWIP)/done: frontends/lwip/fetch.sh
	@echo "==> fetching lwIP's source"
	@frontends/lwip/fetch.sh $(LWIP)
	@touch $@

# ---- For guests
LWIP_PROGRAMS := $(sort $(shell grep -ls '"frontends/lwip/' frontends/programs/*/*.[ch]pp | cut -d/ -f3))
LWIP_GUEST_OBJECTS := $(patsubst %.c,$(GUEST_OBJ)/lwip/%.o,$(LWIP_SOURCES))
LWIP_USERS := $(patsubst %.cpp,$(GUEST_OBJ)/%.o,$(LWIP_PORT) $(wildcard $(LWIP_PROGRAMS:%=frontends/programs/%/*.cpp)))
# Ours, less what is for C++ and the warnings of our code.
LWIP_CFLAGS := -std=gnu11 $(filter-out -std=% -W% -fno-exceptions -fno-rtti -fno-threadsafe-statics -fno-use-cxa-atexit,$(GUEST_CXXFLAGS)) $(LWIP_INCLUDES)

$(LWIP_USERS): GUEST_CXXFLAGS += $(LWIP_INCLUDES)
$(LWIP_USERS): | $(LWIP)/done

$(GUEST_OBJ)/lwip/%.o: $(LWIP)/done $(LWIP_HEADERS)
	@mkdir -p $(@D)
	@echo "  CC      lwIP's $*.c (guest)"
	@gcc $(LWIP_CFLAGS) -c $(LWIP)/source/src/$*.c -o $@

$(BUILD)/lib/lwip.a: $(LWIP_GUEST_OBJECTS) $(patsubst %.cpp,$(GUEST_OBJ)/%.o,$(LWIP_PORT))
	@mkdir -p $(@D); rm -f $@
	@echo "  AR      $@"
	@ar rcs $@ $^

$(patsubst %,$(BUILD)/guests/%.elf,$(LWIP_PROGRAMS)): $(BUILD)/lib/lwip.a

.PRECIOUS: $(GUEST_OBJ)/lwip/%.o
-include $(LWIP_USERS:.o=.d)

# ---- For the host: the test of the web server, over lwIP's loopback interface
LWIP_TEST_OBJECTS := $(patsubst %.c,$(BUILD)/obj/test/lwip/%.o,$(LWIP_SOURCES))
HTTP_TEST_SOURCES := $(sort $(wildcard tests/unit/http/*.cpp)) $(addprefix frontends/programs/http/,open_metrics.cpp request.cpp server.cpp) \
    $(addprefix frontends/lwip/,pseudo_checksum.cpp settings.cpp time_wait.cpp) hypervisor/base/format.cpp

$(BUILD)/obj/test/lwip/%.o: $(LWIP)/done $(LWIP_HEADERS)
	@mkdir -p $(@D)
	@echo "  CC      lwIP's $*.c (sanitised)"
	@gcc -std=gnu11 $(filter-out -std=% -W%,$(TEST_CXXFLAGS)) $(LWIP_INCLUDES) -DLWIP_NETIF_LOOPBACK=1 -c $(LWIP)/source/src/$*.c -o $@

$(BUILD)/lib/lwip-test.a: $(LWIP_TEST_OBJECTS)
	@mkdir -p $(@D); rm -f $@
	@echo "  AR      $@"
	@ar rcs $@ $^

$(eval $(call unit_test,http,$(HTTP_TEST_SOURCES),$(LWIP_INCLUDES) -DLWIP_NETIF_LOOPBACK=1,$(BUILD)/lib/lwip-test.a))
$(patsubst %.cpp,$(BUILD)/obj/test/http/%.o,$(HTTP_TEST_SOURCES)): | $(LWIP)/done
$(BUILD)/tests/unit/http: $(BUILD)/lib/lwip-test.a
