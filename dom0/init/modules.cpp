// Loads kernel modules: see modules.hpp.

#include "dom0/init/modules.hpp"

#include "dom0/init/system.hpp"

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <ranges>
#include <sstream>

#include <fcntl.h>
#include <fnmatch.h>
#include <sys/syscall.h>
#include <sys/utsname.h>
#include <unistd.h>

namespace xylem::init {
namespace {

std::string plain_name(std::string name)
{
    std::ranges::replace(name, '-', '_');
    return name;
}

}

Modules::Modules()
{
    utsname kernel{};
    uname(&kernel);
    m_folder = std::string("/usr/lib/modules/") + kernel.release + "/";

    std::ifstream dependencies(m_folder + "modules.dep");
    for (std::string line; std::getline(dependencies, line);) {
        const auto colon = line.find(':');
        const std::string path = line.substr(0, colon);
        m_paths[plain_name(std::filesystem::path(path).stem())] = path;
        std::istringstream needs(line.substr(colon + 1));
        for (std::string need; needs >> need;)
            m_needs[path].push_back(need);
    }

    std::ifstream aliases(m_folder + "modules.alias");
    for (std::string keyword, pattern, module; aliases >> keyword >> pattern >> module;)
        m_aliases.emplace_back(pattern, module);
}

void Modules::load(const std::string& name)
{
    const auto path = m_paths.find(plain_name(name));
    if (path == m_paths.end()) {
        say("no module %s in %s: rebuild the image for this kernel", name.c_str(), m_folder.c_str());
        return;
    }
    for (const std::string& need : m_needs[path->second] | std::views::reverse)
        if (!insert(need))
            return;
    insert(path->second);
}

bool Modules::insert(const std::string& path)
{
    if (m_loaded.contains(path))
        return true;
    const int file = open((m_folder + path).c_str(), O_RDONLY | O_CLOEXEC);
    const bool done = file >= 0 && (syscall(SYS_finit_module, file, "", 0) == 0 || errno == EEXIST);
    if (!done)
        say("module %s does not load: %s", path.c_str(), std::strerror(errno));
    if (file >= 0)
        close(file);
    if (done)
        m_loaded.insert(path);
    return done;
}

void Modules::load_for_devices()
{
    load_for_bus("pci");
    load_for_bus("virtio"); // the devices behind the PCI functions that virtio_pci has just taken
}

void Modules::load_for_bus(const std::string& bus)
{
    std::error_code none;
    for (const auto& device : std::filesystem::directory_iterator("/sys/bus/" + bus + "/devices", none)) {
        std::istringstream text(read_file(device.path() / "modalias"));
        std::string alias;
        text >> alias;
        for (const auto& [pattern, module] : m_aliases)
            if (fnmatch(pattern.c_str(), alias.c_str(), 0) == 0)
                load(module);
    }
}

}
