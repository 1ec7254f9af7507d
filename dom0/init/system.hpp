// What the kernel leaves to its first program: file systems, device links, the host's name, the console.
#pragma once

#include <string>
#include <string_view>

namespace xylem::init {

/// Mounts /proc, /sys, /dev and their like, and makes the folders that services write to.
void mount_file_systems();

/// xenfs, which needs its module: it holds /proc/xen/{capabilities,privcmd,xsd_kva,xsd_port}.
void mount_xenfs();

void set_host_name(const std::string& name);

/// The value of `name=value` on the kernel's command line, or nothing.
std::string kernel_word(std::string_view name);

/// The device behind /dev/console: unlike that name it can be a shell's controlling terminal.
std::string console_device();

/// Seconds since the kernel's start.
double uptime();

/// A line on the console, with the time since the kernel's start.
[[gnu::format(printf, 1, 2)]] void say(const char* format, ...);

/// Reads a whole file of /proc or /sys, or gives an empty string.
std::string read_file(const std::string& path);

}
