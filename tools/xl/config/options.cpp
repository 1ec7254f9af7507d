// See options.hpp.
#include "tools/xl/config/options.hpp"

#include <algorithm>
#include <array>
#include <numeric>
#include <utility>
#include <vector>

namespace xylem::xl::config {

namespace {

constexpr auto served = std::to_array<std::string_view>({
    "bootloader",
    "builder",
    "cap",
    "channel",
    "cmdline",
    "cpu_weight",
    "cpus",
    "cpus_soft",
    "disk",
    "driver_domain",
    "extra",
    "kernel",
    "localtime",
    "max_event_channels",
    "max_grant_frames",
    "max_grant_version",
    "max_maptrack_frames",
    "maxmem",
    "maxvcpus",
    "memory",
    "name",
    "nomigrate",
    "on_crash",
    "on_poweroff",
    "on_reboot",
    "on_soft_reset",
    "on_watchdog",
    "passthrough",
    "pci",
    "pool",
    "ramdisk",
    "root",
    "rtc_timeoffset",
    "tsc_mode",
    "type",
    "uuid",
    "vcpus",
    "vfb",
    "vif",
});

constexpr auto not_yet = std::to_array<std::string_view>({
    "argo",
    "bootloader_args",
    "claim_mode",
    "cpuid",
    "device_tree",
    "extratime",
    "dtdev",
    "e820_host",
    "hap",
    "init_seclabel",
    "iomem",
    "ioports",
    "irqs",
    "msr_relaxed",
    "latency",
    "nodes",
    "oos",
    "p9",
    "pci_msitranslate",
    "pci_permissive",
    "pci_power_mgmt",
    "pci_seize",
    "period",
    "pvcalls",
    "pvshim",
    "pvshim_cmdline",
    "pvshim_extra",
    "pvshim_path",
    "seclabel",
    "slice",
    "suppress_spurious_page_faults",
    "trust_vcpus",
    "usbctrl",
    "usbdev",
    "vdispl",
    "vif2",
    "virtio",
    "vkb",
    "vmtrace_buf_kb",
    "vnuma",
    "vpmu",
    "vsnd",
    "vtpm",
    "xend_suspend_evtchn_compat",
});

constexpr auto for_hvm_only = std::to_array<std::string_view>({
    "acpi",
    "acpi_firmware",
    "acpi_laptop_slate",
    "acpi_s3",
    "acpi_s4",
    "altp2m",
    "altp2mhvm",
    "apic",
    "bios",
    "bios_path_override",
    "boot",
    "device_model",
    "device_model_args",
    "device_model_args_hvm",
    "device_model_args_pv",
    "device_model_machine",
    "device_model_override",
    "device_model_stubdomain_override",
    "device_model_stubdomain_seclabel",
    "device_model_user",
    "device_model_version",
    "display",
    "dm_restrict",
    "firmware",
    "firmware_override",
    "gfx_passthru",
    "gic_version",
    "hdtype",
    "hpet",
    "keymap",
    "mca_caps",
    "mmio_hole",
    "ms_vm_genid",
    "nestedhvm",
    "nographic",
    "nx",
    "opengl",
    "pae",
    "rdm",
    "rdm_mem_boundary",
    "sdl",
    "serial",
    "shadow_memory",
    "smbios",
    "smbios_firmware",
    "soundhw",
    "spice",
    "spice_clipboard_sharing",
    "spice_image_compression",
    "spice_streaming_video",
    "spiceagent_mouse",
    "spicedisable_ticketing",
    "spicehost",
    "spicepasswd",
    "spiceport",
    "spicetls_port",
    "spiceusbredirection",
    "spicevdagent",
    "stdvga",
    "stubdomain_cmdline",
    "stubdomain_kernel",
    "stubdomain_memory",
    "stubdomain_ramdisk",
    "system_firmware",
    "timer_mode",
    "tee",
    "usb",
    "usbdevice",
    "usbversion",
    "vendor_device",
    "vga",
    "videoram",
    "viridian",
    "vkb_device",
    "vnc",
    "vncdisplay",
    "vnclisten",
    "vncpasswd",
    "vncunused",
    "vncviewer",
    "vpt_align",
    "vuart",
    "xauthority",
    "xen_platform_pci",
});

/// What of a served option is refused all the same.
constexpr std::pair<std::string_view, std::string_view> notes[] = {
    {"bootloader", "an empty one alone; `kernel` names what is to run"},
    {"builder", "`generic` and `linux`; `type` says it today"},
    {"channel", "nine at most; `backend` is domain 0"},
    {"localtime", "0 alone"},
    {"on_crash", "a core is `/var/lib/xen/dump/NAME`"},
    {"on_soft_reset", "read; a PV guest that asks for a soft reset is destroyed"},
    {"passthrough", "`disabled` alone"},
    {"pci", "an empty list alone"},
    {"pool", "`Pool-0` alone"},
    {"tsc_mode", "`default` alone"},
    {"type", "`pv` alone"},
    {"vfb", "an empty list alone: there is no framebuffer backend"},
};

template <std::size_t N> bool among(const std::array<std::string_view, N>& names, std::string_view name)
{
    return std::find(names.begin(), names.end(), name) != names.end();
}

/// How many letters have to be changed, added or left out to make `a` of `b`.
std::size_t distance(std::string_view a, std::string_view b)
{
    std::vector<std::size_t> row(b.size() + 1);
    std::iota(row.begin(), row.end(), 0);
    for (std::size_t i = 1; i <= a.size(); ++i) {
        std::size_t diagonal = std::exchange(row[0], i);
        for (std::size_t j = 1; j <= b.size(); ++j) {
            const std::size_t changed = diagonal + (a[i - 1] != b[j - 1]);
            diagonal = row[j];
            row[j] = std::min({changed, row[j] + 1, row[j - 1] + 1});
        }
    }
    return row.back();
}

}

OptionState state_of(std::string_view option)
{
    if (among(served, option))
        return OptionState::served;
    if (among(not_yet, option))
        return OptionState::not_yet;
    return among(for_hvm_only, option) ? OptionState::for_hvm_only : OptionState::unknown;
}

std::string nearest_option(std::string_view name)
{
    const auto nearest = std::min_element(served.begin(), served.end(), [&](std::string_view a, std::string_view b) {
        return distance(name, a) < distance(name, b);
    });
    return distance(name, *nearest) <= 2 ? std::string(*nearest) : std::string();
}

std::vector<OptionEntry> all_options()
{
    std::vector<OptionEntry> all;
    const auto add = [&](const auto& names, OptionState state) {
        for (std::string_view name : names) {
            const auto note = std::find_if(std::begin(notes), std::end(notes),
                                           [&](const auto& entry) { return entry.first == name; });
            all.push_back({name, state, note == std::end(notes) ? std::string_view() : note->second});
        }
    };
    add(served, OptionState::served);
    add(not_yet, OptionState::not_yet);
    add(for_hvm_only, OptionState::for_hvm_only);
    std::sort(all.begin(), all.end(), [](const OptionEntry& a, const OptionEntry& b) { return a.name < b.name; });
    return all;
}

}
