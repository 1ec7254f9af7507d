// start_info: the page a PV kernel finds in RSI at its entry; and the VGA description that follows it for dom0.
#pragma once

#include "hypervisor/abi/types.hpp"

namespace xylem::abi {

inline constexpr size_t max_guest_cmdline = 1024;

struct StartInfo {
    char magic[32]; // "xen-3.0-x86_64"
    uint64_t nr_pages;
    uint64_t shared_info; // a machine address
    uint32_t flags;       // sif_*
    RawFrame store_mfn;
    uint32_t store_evtchn;
    union Console {
        struct DomU {
            RawFrame mfn;
            uint32_t evtchn;
        } domU;
        struct Dom0 {
            uint32_t info_off;
            uint32_t info_size;
        } dom0;
    } console;
    uint64_t pt_base;
    uint64_t nr_pt_frames;
    uint64_t mfn_list;
    uint64_t mod_start; // a virtual address, or a PFN under sif_mod_start_pfn
    uint64_t mod_len;
    int8_t cmd_line[max_guest_cmdline];
    RawFrame first_p2m_pfn;
    uint64_t nr_p2m_frames;
};

inline constexpr uint32_t sif_privileged = 1U << 0;
inline constexpr uint32_t sif_initdomain = 1U << 1;
inline constexpr uint32_t sif_multiboot_mod = 1U << 2;
inline constexpr uint32_t sif_mod_start_pfn = 1U << 3;
inline constexpr uint32_t sif_virt_p2m_4tools = 1U << 4;
inline constexpr uint32_t sif_pm_mask = 0xFFU << 8;

/// One entry of the list that mod_start names under sif_multiboot_mod.
struct MultibootModList {
    uint32_t mod_start;
    uint32_t mod_end;
    uint32_t cmdline;
    uint32_t pad;
};

enum class VgaType : uint8_t { text_mode_3 = 0x03, vesa_lfb = 0x23, efi_lfb = 0x70 };

struct Dom0VgaConsoleInfo {
    VgaType video_type;
    union Mode {
        struct TextMode3 {
            uint16_t font_height;
            uint16_t cursor_x, cursor_y;
            uint16_t rows, columns;
        } text_mode_3;
        struct VesaLfb {
            uint16_t width, height;
            uint16_t bytes_per_line;
            uint16_t bits_per_pixel;
            uint32_t lfb_base;
            uint32_t lfb_size;
            uint8_t red_pos, red_size;
            uint8_t green_pos, green_size;
            uint8_t blue_pos, blue_size;
            uint8_t rsvd_pos, rsvd_size;
            uint32_t gbl_caps;
            uint16_t mode_attrs;
            uint16_t pad;
            uint32_t ext_lfb_base;
        } vesa_lfb;
    } u;
};

}
