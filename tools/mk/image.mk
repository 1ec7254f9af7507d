# Images: what dom0 and the demo's guest boot from, the boot ISO, and real Xen with Debian's tools to compare with.
#
# Everything Debian comes out of packages that apt downloads into XYLEM_CACHE and that are unpacked below build/stage.

APT_DEPS += busybox-static ca-certificates dpkg e2fsprogs groff-base grub-pc-bin kmod mtools xorriso zstd grub-common
AS_ROOT := $(if $(filter-out 0,$(shell id -u)),sudo)
XYLEM_CACHE ?= $(or $(XDG_CACHE_HOME),$(HOME)/.cache)/xylem

# Programs that go into dom0's image, of those that there are (every backend among them): known once all fragments are read,
# hence the second expansion.
DOM0_PROGRAMS = $(filter $(addprefix $(BUILD)/bin/,xl xenstored xenconsoled xylem-%back xenstore xylem-init),$(PROGRAMS))

IMAGE_CODE := $(wildcard dom0/image/*.py)
STAGE := $(BUILD)/stage/base
STAGE_DEBIAN := $(BUILD)/stage/debian

$(STAGE)/done: dom0/image/stage.py dom0/image/packages.py
	@echo "==> unpacking Debian's kernel"
	@python3 -m dom0.image.stage $(XYLEM_CACHE) $(STAGE) base
	@touch $@

$(STAGE_DEBIAN)/done: dom0/image/stage.py dom0/image/packages.py
	@echo "==> unpacking real Xen and Debian's tools for it"
	@python3 -m dom0.image.stage $(XYLEM_CACHE) $(STAGE_DEBIAN) debian
	@touch $@

$(BUILD)/dom0/vmlinuz $(BUILD)/domu/vmlinuz: $(STAGE)/done
	@mkdir -p $(@D)
	@cp $(STAGE)/kernel/boot/vmlinuz-$$(cat $(STAGE)/release) $@

# Fixed identities, so that the same input gives the same disk.
$(BUILD)/domu/disk.img:
	@mkdir -p $(@D); rm -f $@
	@truncate -s 32M $@
	@/sbin/mke2fs -q -F -t ext4 -L demo -U 7f1b0c5e-58a5-4d1e-8f55-0d2f0d6e0a01 -E hash_seed=7f1b0c5e-58a5-4d1e-8f55-0d2f0d6e0a02 $@

$(BUILD)/domu/initrd.img: $(STAGE)/done $(IMAGE_CODE) $(wildcard dom0/image/domu/*)
	@echo "==> building the guest's initrd"
	@python3 -m dom0.image.build_domu $(STAGE) $@

# Of those programs, what serves other guests' devices.
DRIVER_DOMAIN_PROGRAMS = $(filter-out %/xenstored %/xenconsoled,$(DOM0_PROGRAMS))

.SECONDEXPANSION:
$(BUILD)/domu/driver-domain.img: $(IMAGE_CODE) $(wildcard dom0/image/dom0/*) $(STAGE)/done $$(DRIVER_DOMAIN_PROGRAMS)
	@echo "==> building a driver domain's initrd"
	@python3 -m dom0.image.build_driver_domain --stage $(STAGE) --out $@ --programs $(DRIVER_DOMAIN_PROGRAMS)

DOMU_FILES := $(addprefix $(BUILD)/domu/,vmlinuz initrd.img disk.img)
DOM0_FILES := $(IMAGE_CODE) $(wildcard dom0/image/dom0/* docs/man/* tools/xl/completion/*) $(DOMU_FILES) $(STAGE)/done

$(BUILD)/dom0/initrd.img: $(DOM0_FILES) $$(DOM0_PROGRAMS)
	@echo "==> building dom0's initrd"
	@python3 -m dom0.image.build_dom0 --stage $(STAGE) --domu $(BUILD)/domu --out $@ --programs $(DOM0_PROGRAMS)

$(BUILD)/dom0/initrd-debian.img: $(DOM0_FILES) $(STAGE_DEBIAN)/done $$(DOM0_PROGRAMS)
	@echo "==> building dom0's initrd with Debian's tools"
	@python3 -m dom0.image.build_dom0 --stage $(STAGE) --domu $(BUILD)/domu --out $@ --programs $(DOM0_PROGRAMS) --debian $(STAGE_DEBIAN)

$(BUILD)/xen.elf: $(STAGE_DEBIAN)/done
	@gzip -dc $(STAGE_DEBIAN)/xen/boot/xen-4.17-amd64.gz > $@

.PHONY: images images-debian
images: $(BUILD)/dom0/vmlinuz $(BUILD)/dom0/initrd.img $(DOMU_FILES)
images-debian: $(BUILD)/dom0/vmlinuz $(BUILD)/dom0/initrd-debian.img $(BUILD)/xen.elf

# GRUB, the hypervisor and dom0 on a CD.
$(BUILD)/xylem.iso: $(BUILD)/xylem.elf $(BUILD)/dom0/vmlinuz $(BUILD)/dom0/initrd.img tools/run/machine.py tools/run/iso.py
	@echo "==> making $@"
	@python3 -m tools.run.iso $@

# Debian with systemd on its own disk. Its packages' scripts run as root; what comes out belongs to who asked.
$(BUILD)/debian/disk.img: dom0/image/build_debian.py $(wildcard dom0/image/debian/*)
	@tools/deps.sh fdisk gpgv mmdebstrap
	@echo "==> installing Debian on a disk (some minutes)"
	@$(AS_ROOT) python3 -m dom0.image.build_debian $(@D)

.PHONY: debian
debian: $(BUILD)/debian/disk.img

PRODUCTS := $(BUILD)/xylem.elf $(BUILD)/xylem-syms.elf $(BUILD)/xylem.iso $(BUILD)/dom0/vmlinuz $(BUILD)/dom0/initrd.img $(DOMU_FILES) $(BUILD)/domu/driver-domain.img

.PHONY: all clean
all:
	$(call with_deps,$(PRODUCTS))

clean:
	rm -rf $(BUILD)
