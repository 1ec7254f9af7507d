// Loads kernel modules out of /usr/lib/modules, by name or for the devices that the machine has.
//
// libkmod would do this too, but it brings libcrypto (5 MB) into an image that has to be unpacked at every boot.
#pragma once

#include <map>
#include <set>
#include <string>
#include <utility>
#include <vector>

namespace xylem::init {

class Modules {
public:
    /// Reads modules.dep and modules.alias of the running kernel.
    Modules();

    /// Loads a module after those it needs. What is loaded already, or built in, is no error; others are said on the
    /// console.
    void load(const std::string& name);

    /// Loads every module in the image that claims a device on the PCI or virtio bus.
    void load_for_devices();

private:
    bool insert(const std::string& path);
    void load_for_bus(const std::string& bus);

    std::string m_folder;
    std::map<std::string, std::string> m_paths;                 // name, with '_' for '-', to path in m_folder
    std::map<std::string, std::vector<std::string>> m_needs;    // path to paths, nearest first
    std::vector<std::pair<std::string, std::string>> m_aliases; // pattern to module
    std::set<std::string> m_loaded;                             // paths
};

}
