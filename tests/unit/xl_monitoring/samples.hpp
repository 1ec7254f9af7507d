// A machine that does not exist, for what is made of samples.
#pragma once

#include "hypervisor/abi/domctl.hpp"
#include "tools/xl/monitoring/sample.hpp"

namespace xylem::xl {

inline DomainUse domain_use(u16 id, std::string name, u32 flags, u64 cpu_ns)
{
    DomainUse use;
    use.id = id;
    use.name = std::move(name);
    use.uuid = "00112233-4455-6677-8899-aabbccddeeff";
    use.flags = flags;
    use.cpu_ns = cpu_ns;
    use.memory_bytes = u64{128} << 20;
    use.max_memory_bytes = u64{256} << 20;
    use.vcpus = {{0, true, cpu_ns, std::array<u64, 4>{cpu_ns, 250'000'000, 3, 4}}};
    return use;
}

/// dom0, a guest with devices, one that has crashed.
inline Sample sample_machine()
{
    Sample sample;
    sample.version = "4.17.0";
    sample.memory_bytes = u64{1} << 30;
    sample.free_bytes = u64{256} << 20;
    sample.cpus = 2;
    sample.cpu_khz = 2'000'000;
    sample.domains = {domain_use(0, "Domain-0", abi::dominf_running, 24'000'000'000),
                      domain_use(5, "a-rather-long-name", abi::dominf_blocked, 1'500'000'000),
                      domain_use(6, "broken", abi::dominf_shutdown | 3U << abi::dominf_shutdownshift, 0)};
    sample.domains[0].max_memory_bytes.reset();
    DomainUse& guest = sample.domains[1];
    guest.vcpus.push_back({1, false, 0, std::nullopt});
    guest.interfaces = {{0, {2048, 20, 0, 1}, {4096, 40, 0, 0}}};
    dom0::DiskCount count{};
    count.refused = 1;
    count.operations[0] = {7, 1, 56, 900'000, {}};
    count.operations[0].by_latency = {4, 2, 1};
    guest.disks = {{51712, true, 3, 7, 8, 56, 64, count}, {51728, false, 0, 0, 0, 0, 0, std::nullopt}};
    guest.store = {{"nodes", 31}, {"watches", 4}};
    sample.store_quotas = {{"nodes", 1000}};
    return sample;
}

}
