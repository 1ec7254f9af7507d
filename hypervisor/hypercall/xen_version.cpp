// xen_version: what a guest may know of the hypervisor. The version is Xen's, whose ABI this is; the extra version and
// the changeset say that it is Xylem. (xen/include/public/version.h; docs/pv-abi.md 4.7)

#include "hypervisor/abi/features.hpp"
#include "hypervisor/abi/version.hpp"
#include "hypervisor/abi/x86_64/layout.hpp"
#include "hypervisor/core/build_info.hpp"
#include "hypervisor/core/guest_ptr.hpp"
#include "hypervisor/hypercall/hypercall.hpp"

namespace xylem::hypercall {
namespace {

template <size_t N> void put_text(char (&field)[N], const char* text)
{
    size_t i = 0;
    for (; i + 1 < N && text[i]; ++i)
        field[i] = text[i];
    for (; i < N; ++i)
        field[i] = 0;
}

template <typename T> Result<i64> put(u64 argument, const T& value)
{
    TRY(GuestOut<T>(argument).copy_out(value));
    return i64{0};
}

template <typename T> Result<i64> put_text_struct(u64 argument, const char* text)
{
    T value{};
    put_text(value.text, text);
    return put(argument, value);
}

Result<i64> compile_info(u64 argument)
{
    abi::CompileInfo info{};
    put_text(info.compiler, build_info.compiler);
    put_text(info.compile_by, "xylem");
    put_text(info.compile_domain, "xylem");
    put_text(info.compile_date, build_info.date);
    return put(argument, info);
}

Result<i64> features(const Domain& domain, u64 argument)
{
    abi::FeatureInfo info = TRY(GuestIn<abi::FeatureInfo>(argument).copy_in());
    if (info.submap_idx >= abi::nr_feature_submaps)
        return Error::Invalid;
    using abi::Feature;
    info.submap = abi::feature_bit(Feature::memory_op_vnode_supported) |
                  abi::feature_bit(Feature::mmu_pt_update_preserve_ad) | abi::feature_bit(Feature::highmem_assist) |
                  abi::feature_bit(Feature::gnttab_map_avail_bits) | abi::feature_bit(Feature::direct_mapped);
    if (domain.vm_assist_enabled(abi::VmassistType::pae_extended_cr3))
        info.submap |= abi::feature_bit(Feature::pae_pgdir_above_4gb);
    if (domain.is_hardware_domain)
        info.submap |= abi::feature_bit(Feature::dom0);
    return put(argument, info);
}

Result<i64> build_id(const Domain& domain, u64 argument)
{
    if (!domain.privileged())
        return Error::NotPermitted;
    const i64 size = static_cast<i64>(build_info.id_size);
    if (size == 0)
        return Error::NoData;
    if (argument == 0)
        return size;
    const abi::BuildId request = TRY(GuestIn<abi::BuildId>(argument).copy_in());
    if (request.len == 0)
        return Error::Invalid;
    if (request.len < build_info.id_size)
        return Error::NoBuffer;
    TRY(GuestOut<u8>(argument + sizeof(abi::BuildId)).copy_out_array(build_info.id, build_info.id_size));
    return size;
}

Result<i64> operate(Domain& domain, abi::VersionCmd cmd, u64 argument)
{
    switch (cmd) {
    case abi::VersionCmd::version:
        return i64{abi::version_major << 16 | abi::version_minor};
    case abi::VersionCmd::extraversion: {
        abi::Extraversion extra{};
        put_text(extra.text, "-xylem");
        return put(argument, extra);
    }
    case abi::VersionCmd::compile_info:
        return compile_info(argument);
    case abi::VersionCmd::capabilities:
        return put_text_struct<abi::CapabilitiesInfo>(argument, "xen-3.0-x86_64 ");
    case abi::VersionCmd::changeset:
        return put_text_struct<abi::ChangesetInfo>(argument, build_info.changeset);
    case abi::VersionCmd::platform_parameters:
        return put(argument, abi::PlatformParameters{abi::hypervisor_virt_start});
    case abi::VersionCmd::get_features:
        return features(domain, argument);
    case abi::VersionCmd::pagesize:
        return argument == 0 ? Result<i64>(static_cast<i64>(page_size)) : Error::Invalid;
    case abi::VersionCmd::guest_handle: {
        abi::DomainHandle handle;
        __builtin_memcpy(handle.bytes, domain.handle, sizeof handle.bytes);
        return put(argument, handle);
    }
    case abi::VersionCmd::commandline:
        return put_text_struct<abi::Commandline>(argument, domain.privileged() ? build_info.command_line : "<denied>");
    case abi::VersionCmd::build_id:
        return build_id(domain, argument);
    }
    return unknown_operation(domain, "xen_version", static_cast<u64>(cmd));
}

}

i64 xen_version(Vcpu& self, Arguments& args)
{
    // Linux calls this as a no-op, to be given its events on the way back: the answer is at hand.
    if (args.a[0] == static_cast<u64>(abi::VersionCmd::version))
        return abi::version_major << 16 | abi::version_minor;
    Result<i64> result = operate(*self.domain, static_cast<abi::VersionCmd>(args.a[0]), args.a[1]);
    return result.ok() ? result.value() : to_errno(result.error());
}

}
