// See environment.hpp.
#include "tools/xl/environment.hpp"

#include "dom0/lib/hypervisor.hpp"

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <sstream>
#include <unistd.h>

namespace xylem::xl {

bool verbose = false;

std::string read_file(const std::string& path)
{
    if (std::filesystem::is_directory(path))
        fail("cannot read the configuration '{}': it is a directory", path);
    std::ifstream file(path, std::ios::binary);
    if (!file)
        fail("cannot read the configuration '{}': {}", path, std::strerror(errno));
    std::ostringstream text;
    text << file.rdbuf();
    if (file.bad())
        fail("cannot read the configuration '{}'", path);
    return text.str();
}

const config::XlConf& xl_conf()
{
    static const config::XlConf conf = [] {
        static const std::string path = "/etc/xen/xl.conf";
        if (access(path.c_str(), F_OK) != 0)
            return config::XlConf();
        config::Settings settings;
        config::parse(read_file(path), path, settings);
        config::Complaints complaints;
        config::XlConf read = config::read_xl_conf(settings, path, complaints);
        for (const std::string& complaint : complaints)
            fmt::print(stderr, "xl: {}\n", complaint);
        return read;
    }();
    return conf;
}

config::Machine this_machine()
{
    if (access("/dev/xen/privcmd", F_OK) != 0) // a dry run needs no hypervisor
        return {static_cast<unsigned>(std::max(sysconf(_SC_NPROCESSORS_CONF), 1L)), 1};
    const abi::SysctlPhysinfo info = dom0::Hypervisor().physinfo();
    return {info.max_cpu_id + 1, std::max(info.nr_nodes, 1U)};
}

}
