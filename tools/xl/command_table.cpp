// See command_table.hpp.
#include "tools/xl/command_table.hpp"

namespace xylem::xl {

namespace {

using enum CommandState;

constexpr std::string_view no_pci = "no PCI device is handed to a guest yet";
constexpr std::string_view no_psr = "cache and bandwidth allocation (PSR) is not offered by this hypervisor";
constexpr std::string_view no_usb = "there is no USB backend";
constexpr std::string_view no_display = "there is no display backend";
constexpr std::string_view no_sound = "there is no sound backend";
constexpr std::string_view no_keyboard = "there is no keyboard backend";
constexpr std::string_view no_vtpm = "there is no TPM backend";
constexpr std::string_view no_flask = "the hypervisor has no security module: -ENOSYS";
constexpr std::string_view no_drive =
    "for HVM guests, as in Xen's xl; a PV guest's disks come and go by block-attach and block-detach";
constexpr std::string_view one_pool = "the hypervisor has one CPU pool: -EOPNOTSUPP";
constexpr std::string_view no_saving = "a domain's state cannot be saved yet";

constexpr CommandEntry table[] = {
    {"create", partly, "-V and -A have no viewer to start"},
    {"config-update", served, ""},
    {"list", served, ""},
    {"destroy", served, ""},
    {"shutdown", served, ""},
    {"reboot", served, ""},
    {"pci-attach", not_yet, no_pci, "Insert a new pass-through pci device"},
    {"pci-detach", not_yet, no_pci, "Remove a domain's pass-through pci device"},
    {"pci-list", not_yet, no_pci, "List pass-through pci devices for a domain"},
    {"pci-assignable-add", not_yet, no_pci, "Make a device assignable for pci-passthru"},
    {"pci-assignable-remove", not_yet, no_pci, "Remove a device from being assignable"},
    {"pci-assignable-list", not_yet, no_pci, "List all the assignable pci devices"},
    {"pause", served, ""},
    {"unpause", served, ""},
    {"console", served, "-n takes the number of a channel on a pty, too"},
    {"vncviewer", refused, "guests have no framebuffer here", "Attach to domain's VNC server"},
    {"save", not_yet, no_saving},
    {"migrate", not_yet, no_saving},
    {"restore", not_yet, no_saving},
    {"migrate-receive", not_yet, no_saving, "Restore a domain from a saved state"},
    {"dump-core", served, ""},
    {"cd-insert", refused, no_drive},
    {"cd-eject", refused, no_drive},
    {"mem-max", served, ""},
    {"mem-set", served, ""},
    {"button-press", refused, "a PV guest has no ACPI buttons; xl shutdown asks it",
     "Indicate an ACPI button press to the domain"},
    {"vcpu-list", served, ""},
    {"vcpu-pin", served, ""},
    {"vcpu-set", served, ""},
    {"vm-list", served, ""},
    {"info", served, ""},
    {"sharing", refused, "pages are not shared between guests: -EOPNOTSUPP", "Get information about page sharing"},
    {"sched-credit", partly, "the hypervisor's scheduler answers as credit2"},
    {"sched-credit2", partly, "the scheduler's own parameters (-s) cannot be set: -EOPNOTSUPP"},
    {"sched-rtds", partly, "the hypervisor's scheduler answers as credit2"},
    {"domid", served, ""},
    {"domname", served, ""},
    {"rename", served, ""},
    {"trigger", partly, "a PV guest takes nmi alone"},
    {"sysrq", served, ""},
    {"debug-keys", served, ""},
    {"set-parameters", partly, "on Xen; Xylem's parameters are set on its command line alone: it has no hypfs_op"},
    {"dmesg", served, ""},
    {"top", served, "with xentop's options"},
    {"network-attach", served, ""},
    {"network-list", served, ""},
    {"network-detach", served, ""},
    {"channel-list", served, ""},
    {"block-attach", served, ""},
    {"block-list", served, ""},
    {"block-detach", served, ""},
    {"vtpm-attach", refused, no_vtpm, "Create a new virtual TPM device"},
    {"vtpm-list", refused, no_vtpm, "List virtual TPM devices for a domain"},
    {"vtpm-detach", refused, no_vtpm, "Destroy a domain's virtual TPM device"},
    {"vkb-attach", refused, no_keyboard, "Create a new virtual keyboard device"},
    {"vkb-list", refused, no_keyboard, "List virtual keyboard devices for a domain"},
    {"vkb-detach", refused, no_keyboard, "Destroy a domain's virtual keyboard device"},
    {"vdispl-attach", refused, no_display, "Create a new virtual display device"},
    {"vdispl-list", refused, no_display, "List virtual display devices for a domain"},
    {"vdispl-detach", refused, no_display, "Destroy a domain's virtual display device"},
    {"vsnd-attach", refused, no_sound, "Create a new virtual sound device"},
    {"vsnd-list", refused, no_sound, "List virtual sound devices for a domain"},
    {"vsnd-detach", refused, no_sound, "Destroy a domain's virtual sound device"},
    {"uptime", served, ""},
    {"claims", served, ""},
    {"cpupool-create", not_yet, one_pool, "Create a new CPU pool"},
    {"cpupool-list", served, ""},
    {"cpupool-destroy", not_yet, one_pool, "Deactivates a CPU pool"},
    {"cpupool-rename", not_yet, one_pool, "Renames a CPU pool"},
    {"cpupool-cpu-add", not_yet, one_pool, "Adds a CPU to a CPU pool"},
    {"cpupool-cpu-remove", not_yet, one_pool, "Removes a CPU from a CPU pool"},
    {"cpupool-migrate", not_yet, one_pool, "Moves a domain into a CPU pool"},
    {"cpupool-numa-split", not_yet, one_pool, "Splits up the machine into one CPU pool per NUMA node"},
    {"getenforce", refused, no_flask, "Returns the current enforcing mode of the Flask Xen security module"},
    {"setenforce", refused, no_flask, "Sets the current enforcing mode of the Flask Xen security module"},
    {"loadpolicy", refused, no_flask, "Loads a new policy into the Flask Xen security module"},
    {"remus", not_yet, no_saving, "Enable Remus HA for domain"},
    {"devd", served, "in a driver domain; domain 0's backends are services that its supervisor keeps"},
    {"psr-hwinfo", refused, no_psr, "Show hardware information for Platform Shared Resource"},
    {"psr-cmt-attach", refused, no_psr, "Attach Cache Monitoring Technology service to a domain"},
    {"psr-cmt-detach", refused, no_psr, "Detach Cache Monitoring Technology service from a domain"},
    {"psr-cmt-show", refused, no_psr, "Show Cache Monitoring Technology information"},
    {"psr-cat-set", refused, no_psr, "Set cache capacity bitmasks(CBM) for a domain"},
    {"psr-cat-show", refused, no_psr, "Show Cache Allocation Technology information"},
    {"psr-mba-set", refused, no_psr, "Set throttling value(THRTL) for a domain"},
    {"psr-mba-show", refused, no_psr, "Show Memory Bandwidth Allocation information"},
    {"usbctrl-attach", refused, no_usb, "Create a virtual USB controller for a domain"},
    {"usbctrl-detach", refused, no_usb, "Remove the virtual USB controller specified by <DevId> for a domain"},
    {"usbdev-attach", refused, no_usb, "Attach a USB device to a domain"},
    {"usbdev-detach", refused, no_usb, "Detach a USB device from a domain"},
    {"usb-list", refused, no_usb, "List information about all USB controllers and devices for a domain"},
    {"qemu-monitor-command", refused, "there is no device model", "Issue a qemu monitor command to the device model"},
};

}

std::span<const CommandEntry> command_table()
{
    return table;
}

}
