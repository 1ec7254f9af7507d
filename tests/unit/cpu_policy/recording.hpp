// Reads what was recorded of real Xen (recorded/*.txt; each file's head says how its lines read).
#pragma once

#include "hypervisor/domain/cpu_policy.hpp"

#include <fstream>
#include <map>
#include <sstream>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

namespace xylem {

struct MsrAccess {
    u32 index;
    bool readable;
    u64 value;
    std::string same, zero, ones; // "ok", "fault", or "-" where it was not tried
    u64 back;                     // what reads after writing ones
};

struct Recording {
    using Leaf = std::pair<u32, u32>;
    std::map<std::string, std::map<Leaf, CpuidResult>> cpuid;    // machine, dom0, guest
    std::map<std::string, std::map<Leaf, CpuidResult>> policies; // pv_max, pv_default, domain: leaves that are not zero
    std::map<std::string, std::pair<u32, u32>> counts;           // of leaves and MSRs
    std::map<std::string, std::map<u32, u64>> msrs;
    std::map<std::string, std::vector<MsrAccess>> accesses; // dom0, guest

    explicit Recording(const std::string& name)
    {
        std::string here = __FILE__;
        std::string path = here.substr(0, here.rfind('/')) + "/recorded/" + name + ".txt";
        std::ifstream file(path);
        if (!file)
            throw std::runtime_error("no recording " + path);
        for (std::string line; std::getline(file, line);)
            if (!line.empty() && line[0] != '#')
                take(line);
    }

    CpuidSource machine() const
    {
        return {[](const void* context, u32 leaf, u32 subleaf) {
                    const auto& leaves = static_cast<const Recording*>(context)->cpuid.at("machine");
                    auto found = leaves.find({leaf, subleaf});
                    return found == leaves.end() ? CpuidResult{} : found->second;
                },
                this};
    }

private:
    void take(const std::string& line)
    {
        std::istringstream in(line);
        std::string kind, who;
        in >> kind >> who;
        if (kind == "cpuid" || kind == "leaf") {
            u32 leaf, subleaf;
            CpuidResult r;
            in >> std::hex >> leaf >> subleaf >> r.a >> r.b >> r.c >> r.d;
            (kind == "cpuid" ? cpuid : policies)[who][{leaf, subleaf}] = r;
        } else if (kind == "count") {
            in >> counts[who].first >> counts[who].second;
        } else if (kind == "msr") {
            u32 index;
            in >> std::hex >> index;
            in >> msrs[who][index];
        } else if (kind == "msr_access") {
            MsrAccess access{};
            std::string read, value, back;
            in >> std::hex >> access.index >> read >> value >> access.same >> access.zero >> access.ones >> back;
            access.readable = read == "ok";
            access.value = value == "-" ? 0 : std::stoull(value, nullptr, 16);
            access.back = back == "-" ? 0 : std::stoull(back, nullptr, 16);
            accesses[who].push_back(access);
        }
        if (!in)
            throw std::runtime_error("recording: cannot read: " + line);
    }
};

}
