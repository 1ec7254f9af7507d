// Questions about the hypervisor: xen_version, and its own audit. (hypervisor.hpp)
#include "dom0/lib/hypervisor_support.hpp"

#include <algorithm>
#include <cerrno>
#include <cstring>

namespace xylem::dom0 {

using abi::HypercallNumber;
using abi::VersionCmd;

std::string Hypervisor::version_text(VersionCmd command, std::size_t size, const char* name)
{
    Bounce<char> buffer(privcmd_, Elements{size});
    checked(privcmd_.call(number_of(HypercallNumber::xen_version), static_cast<u64>(command), buffer.address()), name);
    return std::string(buffer.values().data(), strnlen(buffer.values().data(), size));
}

Hypervisor::Version Hypervisor::version()
{
    const int number = checked(
        privcmd_.call(number_of(HypercallNumber::xen_version), static_cast<u64>(VersionCmd::version)), "xen_version");
    return {static_cast<u32>(number) >> 16, static_cast<u32>(number) & 0xFFFF,
            version_text(VersionCmd::extraversion, sizeof(abi::Extraversion), "xen_version extraversion")};
}

std::string Hypervisor::capabilities()
{
    return version_text(VersionCmd::capabilities, sizeof(abi::CapabilitiesInfo), "xen_version capabilities");
}

std::string Hypervisor::changeset()
{
    return version_text(VersionCmd::changeset, sizeof(abi::ChangesetInfo), "xen_version changeset");
}

std::string Hypervisor::command_line()
{
    return version_text(VersionCmd::commandline, sizeof(abi::Commandline), "xen_version commandline");
}

abi::CompileInfo Hypervisor::compile_info()
{
    Bounce<abi::CompileInfo> buffer(privcmd_, Elements{1});
    checked(privcmd_.call(number_of(HypercallNumber::xen_version), static_cast<u64>(VersionCmd::compile_info),
                          buffer.address()),
            "xen_version compile_info");
    return *buffer;
}

u64 Hypervisor::virtual_start()
{
    Bounce<abi::PlatformParameters> buffer(privcmd_, Elements{1});
    checked(privcmd_.call(number_of(HypercallNumber::xen_version), static_cast<u64>(VersionCmd::platform_parameters),
                          buffer.address()),
            "xen_version platform_parameters");
    return buffer->virt_start;
}

std::string Hypervisor::build_id()
{
    constexpr u32 longest = 64;
    Bounce<u8> buffer(privcmd_, Elements{sizeof(abi::BuildId) + longest});
    std::memcpy(buffer.values().data(), &longest, sizeof longest);
    const int length = privcmd_.call(number_of(HypercallNumber::xen_version), static_cast<u64>(VersionCmd::build_id),
                                     buffer.address());
    if (length == -ENODATA || length == -ENOSYS)
        return {};
    checked(length, "xen_version build_id");
    std::string text;
    static constexpr char digits[] = "0123456789abcdef";
    for (u8 byte : buffer.values().subspan(sizeof(abi::BuildId), static_cast<std::size_t>(length))) {
        text += digits[byte >> 4];
        text += digits[byte & 15];
    }
    return text;
}

std::optional<Hypervisor::Audit> Hypervisor::audit()
{
    constexpr std::size_t room = 256 << 10;
    Bounce<char> text(privcmd_, Elements{room});
    Bounce<abi::XylemOp> argument(privcmd_, abi::XylemOp{abi::XylemCmd::audit, 0, {text.address()}, room, 0});
    const i64 result = privcmd_.call_long(number_of(abi::xylem_op_number), argument.address());
    if (result == -ENOSYS)
        return std::nullopt;
    checked(static_cast<int>(result < 0 ? result : 0), "xylem_op audit");
    const std::size_t length = std::min<std::size_t>(argument->length, room);
    return Audit{static_cast<u64>(result), std::string(text.values().data(), length)};
}

}
