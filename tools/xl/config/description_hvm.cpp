// What only HVM guests have. Nothing here is served; it is described so that a dry run tells the truth about any
// configuration.
#include "tools/xl/config/description_parts.hpp"

#include <array>

namespace xylem::xl::config {

namespace {

using Kind = Field::Kind;

constexpr std::array<std::string_view, 4> bios_types{"unknown", "rombios", "seabios", "ovmf"};
constexpr std::array<std::string_view, 13> enlightenments{
    "base",       "freq",  "time_ref_count", "reference_tsc", "hcall_remote_tlb_flush", "apic_assist",
    "crash_ctl",  "synic", "stimer",         "hcall_ipi",     "ex_processor_masks",     "no_vp_limit",
    "cpu_hotplug"};
constexpr std::size_t enlightenment_bits = 64; // of libxl's bitmaps

/// firmware= stands for either of the two.
void set_firmware(Json& json, const Reader& reader)
{
    auto firmware = reader.text("firmware_override");
    Json bios;
    set_choice(bios, "bios", reader, "bios", bios_types);
    if (const auto given = reader.text("firmware")) {
        if (const auto index = index_of(bios_types, *given))
            bios["bios"] = bios_types[*index];
        else if (std::string_view("uefi").starts_with(*given))
            bios["bios"] = "ovmf";
        else if (!std::string_view("bios").starts_with(*given))
            firmware = given;
    }
    set(json, "firmware", firmware);
    json.update(bios.is_null() ? Json::object() : bios);
}

void set_viridian(Json& json, const Reader& reader)
{
    if (!reader.is_list("viridian"))
        return set_flag(json, "viridian", reader.flag("viridian"));
    std::vector<bool> enabled(enlightenment_bits);
    std::vector<bool> disabled(enlightenment_bits);
    bool defaults = false;
    for (const Reader::Item& item : reader.items("viridian")) {
        const bool refused = item.text.starts_with('!');
        if (item.text == "all") {
            enabled.assign(enabled.size(), true);
        } else if (item.text == "defaults") {
            defaults = true;
        } else {
            const auto index = index_of(enlightenments, std::string_view(item.text).substr(refused));
            if (!index)
                throw SyntaxError(item.where, fmt::format("there is no viridian enlightenment '{}'", item.text));
            enabled[*index] = !refused;
            disabled[*index] = refused;
        }
    }
    if (defaults)
        set_flag(json, "viridian", true);
    for (const auto& [field, bits] : {std::pair("viridian_enable", &enabled), {"viridian_disable", &disabled}})
        for (std::size_t bit = 0; bit < bits->size(); ++bit)
            if ((*bits)[bit])
                json[field].push_back(bit);
}

void set_hole(Json& json, const Reader& reader)
{
    constexpr std::int64_t least_mib = 256; // what a 32-bit guest needs below 4 GiB for devices
    constexpr std::int64_t most_mib = 3840;
    const auto mib = reader.number("mmio_hole");
    if (!mib)
        return;
    if (*mib < least_mib || *mib > most_mib)
        reader.refuse("mmio_hole", "'mmio_hole' wants a number from {} to {}", least_mib, most_mib);
    json["mmio_hole_memkb"] = *mib << 10;
}

Json vga_part(const Reader& reader)
{
    Json json = Json::object();
    if (const auto kind = reader.text("vga")) {
        static constexpr std::array<std::string_view, 4> kinds{"stdvga", "cirrus", "none", "qxl"};
        if (std::find(kinds.begin(), kinds.end(), *kind) == kinds.end())
            reader.refuse("vga", "'vga' cannot be '{}'; expected one of {}", *kind, fmt::join(kinds, ", "));
        json["kind"] = *kind == "stdvga" ? "std" : *kind;
    } else if (const auto standard = reader.number("stdvga")) {
        json["kind"] = *standard != 0 ? "std" : "cirrus";
    }
    return json;
}

Json spice_part(const Reader& reader)
{
    static constexpr Field fields[] = {
        {"spice", "enable", Kind::flag},
        {"spiceport", "port", Kind::number},
        {"spicetls_port", "tls_port", Kind::number},
        {"spicehost", "host", Kind::text},
        {"spicedisable_ticketing", "disable_ticketing", Kind::flag},
        {"spicepasswd", "passwd", Kind::text},
        {"spiceagent_mouse", "agent_mouse", Kind::flag},
        {"spicevdagent", "vdagent", Kind::flag},
        {"spice_clipboard_sharing", "clipboard_sharing", Kind::flag},
        {"spiceusbredirection", "usbredirection", Kind::number},
        {"spice_image_compression", "image_compression", Kind::text},
        {"spice_streaming_video", "streaming_video", Kind::text},
    };
    Json json = Json::object();
    set_fields(json, reader, fields);
    return json;
}

void set_graphics_passthrough(Json& json, const Reader& reader)
{
    static constexpr std::array<std::string_view, 2> kinds{"default", "igd"};
    if (const auto number = reader.number_or_text("gfx_passthru"))
        return set_flag(json, "gfx_passthru", *number != 0);
    if (!reader.text("gfx_passthru"))
        return;
    set_flag(json, "gfx_passthru", true);
    set_choice(json, "gfx_passthru_kind", reader, "gfx_passthru", kinds);
}

/// A list, or one of its kind.
void set_one(Json& json, const char* field, const Reader& reader, const char* setting)
{
    if (!reader.is_list(setting))
        set(json, field, reader.text(setting));
}
void set_many(Json& json, const char* field, const Reader& reader, const char* setting)
{
    if (!reader.is_list(setting))
        return;
    if (auto values = reader.texts(setting); !values.empty())
        json[field] = std::move(values);
}

Json reserved_memory_part(const Reader& reader)
{
    Json json = Json::object();
    if (const auto text = reader.text("rdm"))
        for (const std::string& word : split(*text, ",")) {
            const auto pair = key_and_value(word);
            if (pair && pair->first == "strategy" && pair->second == "host")
                json["strategy"] = "host";
            else if (pair && pair->first == "policy" && (pair->second == "strict" || pair->second == "relaxed"))
                json["policy"] = pair->second;
            else
                reader.complain(reader.place("rdm"), fmt::format("'rdm': '{}' is not understood", word));
        }
    return json;
}

void set_machine_check(Json& json, const Reader& reader)
{
    constexpr std::uint64_t local_machine_check = 1;
    if (reader.find("mca_caps") && !reader.is_list("mca_caps"))
        reader.refuse("mca_caps", "'mca_caps' wants a list in [ ]");
    for (const Reader::Item& item : reader.items("mca_caps")) {
        if (item.text != "lmce")
            throw SyntaxError(item.where, fmt::format("'{}' is no machine-check capability; expected lmce", item.text));
        json["mca_caps"] = local_machine_check;
    }
}

}

Json vnc_part(const Reader& reader)
{
    static constexpr Field fields[] = {
        {"vnc", "enable", Kind::flag},           {"vnclisten", "listen", Kind::text},
        {"vncpasswd", "passwd", Kind::text},     {"vncdisplay", "display", Kind::number},
        {"vncunused", "findunused", Kind::flag},
    };
    Json json = Json::object();
    set_fields(json, reader, fields);
    return json;
}

Json sdl_part(const Reader& reader)
{
    static constexpr Field fields[] = {
        {"sdl", "enable", Kind::flag},
        {"opengl", "opengl", Kind::flag},
        {"display", "display", Kind::text},
        {"xauthority", "xauthority", Kind::text},
    };
    Json json = Json::object();
    set_fields(json, reader, fields);
    return json;
}

Json hvm_part(const Reader& reader)
{
    static constexpr std::array<std::string_view, 1> disk_types{"ahci"};
    static constexpr std::array<std::string_view, 2> vendor_devices{"none", "xenserver"};
    static constexpr Field first[] = {
        {"pae", "pae", Kind::flag},         {"acpi_s3", "acpi_s3", Kind::flag},
        {"acpi_s4", "acpi_s4", Kind::flag}, {"acpi_laptop_slate", "acpi_laptop_slate", Kind::flag},
        {"nx", "nx", Kind::flag},
    };
    static constexpr Field timers[] = {{"hpet", "hpet", Kind::flag}, {"vpt_align", "vpt_align", Kind::flag}};
    static constexpr Field firmware[] = {
        {"altp2mhvm", "altp2m", Kind::flag},
        {"bios_path_override", "system_firmware", Kind::text},
        {"smbios_firmware", "smbios_firmware", Kind::text},
        {"acpi_firmware", "acpi_firmware", Kind::text},
    };
    static constexpr Field usb[] = {
        {"boot", "boot", Kind::text},
        {"usb", "usb", Kind::flag},
        {"usbversion", "usbversion", Kind::number},
    };
    static constexpr Field platform[] = {
        {"vkb_device", "vkb_device", Kind::flag},
        {"soundhw", "soundhw", Kind::text},
        {"xen_platform_pci", "xen_platform_pci", Kind::flag},
    };
    Json json = Json::object();
    set_firmware(json, reader);
    set_fields(json, reader, first);
    set_viridian(json, reader);
    set_fields(json, reader, timers);
    set_hole(json, reader);
    set_fields(json, reader, firmware);
    if (const auto type = reader.text("hdtype"); type && lower(*type) != "ide") {
        if (!index_of(disk_types, *type))
            reader.refuse("hdtype", "'hdtype' cannot be '{}'; expected ide or ahci", *type);
        json["hdtype"] = "ahci";
    }
    set_flag(json, "nographic", reader.flag("nographic"));
    json["vga"] = vga_part(reader);
    json["vnc"] = vnc_part(reader);
    set(json, "keymap", reader.text("keymap"));
    json["sdl"] = sdl_part(reader);
    json["spice"] = spice_part(reader);
    set_graphics_passthrough(json, reader);
    set_one(json, "serial", reader, "serial");
    set_fields(json, reader, usb);
    set_one(json, "usbdevice", reader, "usbdevice");
    set_fields(json, reader, platform);
    set_many(json, "usbdevice_list", reader, "usbdevice");
    set_choice(json, "vendor_device", reader, "vendor_device", vendor_devices);
    if (const auto generation = reader.text("ms_vm_genid"); generation && *generation != "none") {
        if (*generation != "generate")
            reader.refuse("ms_vm_genid", "'ms_vm_genid' cannot be '{}'; expected generate or none", *generation);
        reader.complain(reader.place("ms_vm_genid"), "'ms_vm_genid' is not described: it is new each time");
    }
    set_many(json, "serial_list", reader, "serial");
    json["rdm"] = reserved_memory_part(reader);
    if (const auto mib = reader.number("rdm_mem_boundary"))
        json["rdm_mem_boundary_memkb"] = *mib << 10;
    set_machine_check(json, reader);
    const Json& vnc = json["vnc"];
    if (vnc.contains("display") && vnc.contains("listen") &&
        vnc["listen"].get<std::string>().find(':') != std::string::npos)
        reader.refuse("vncdisplay", "'vnclisten' names a display too; expected it in one of them");
    return json;
}

}
