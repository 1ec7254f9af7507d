// Feature bits of processors: their numbers, which of them PV guests may have, and which need which.
//
// A feature's number is 32 * word + bit, words in the order of the public header (arch-x86/cpufeatureset.h). The masks
// say in words what the header says in letters; a test reads the header and compares.
#pragma once

#include "hypervisor/base/types.hpp"

namespace xylem {

inline constexpr u32 featureset_words = 19;

/// A set of features.
struct FeatureSet {
    u32 words[featureset_words] = {};

    constexpr bool has(u32 feature) const { return words[feature / 32] >> (feature % 32) & 1; }
    constexpr void set(u32 feature) { words[feature / 32] |= 1u << (feature % 32); }
    constexpr void clear(u32 feature) { words[feature / 32] &= ~(1u << (feature % 32)); }
    constexpr void assign(u32 feature, bool value) { value ? set(feature) : clear(feature); }
    constexpr FeatureSet operator&(const FeatureSet& other) const
    {
        FeatureSet result;
        for (u32 i = 0; i < featureset_words; ++i)
            result.words[i] = words[i] & other.words[i];
        return result;
    }
    constexpr FeatureSet operator~() const
    {
        FeatureSet result;
        for (u32 i = 0; i < featureset_words; ++i)
            result.words[i] = ~words[i];
        return result;
    }
    bool operator==(const FeatureSet&) const = default;
};

/// The words, by where they come from.
namespace feature_word {
inline constexpr u32 leaf1_d = 0, leaf1_c = 1, ext1_d = 2, ext1_c = 3, xstate1_a = 4, leaf7_b = 5, leaf7_c = 6,
                     ext7_d = 7, ext8_b = 8, leaf7_d = 9, leaf7_1a = 10, ext21_a = 11, leaf7_1b = 12, leaf7_2d = 13,
                     leaf7_1c = 14, leaf7_1d = 15, arch_caps_low = 16, arch_caps_high = 17, ext21_c = 18;
}

/// Those features that code or the table of dependencies names.
namespace feature {
constexpr u32 at(u32 word, u32 bit)
{
    return 32 * word + bit;
}
inline constexpr u32 fpu = at(0, 0), de = at(0, 2), tsc = at(0, 4), pae = at(0, 6), cx8 = at(0, 8), apic = at(0, 9),
                     sep = at(0, 11), mtrr = at(0, 12), clflush = at(0, 19), mmx = at(0, 23), fxsr = at(0, 24),
                     sse = at(0, 25), sse2 = at(0, 26), htt = at(0, 28);
inline constexpr u32 sse3 = at(1, 0), pclmulqdq = at(1, 1), monitor = at(1, 3), eist = at(1, 7), ssse3 = at(1, 9),
                     fma = at(1, 12), cx16 = at(1, 13), pcid = at(1, 17), sse4_1 = at(1, 19), sse4_2 = at(1, 20),
                     x2apic = at(1, 21), tsc_deadline = at(1, 24), aesni = at(1, 25), xsave = at(1, 26),
                     osxsave = at(1, 27), avx = at(1, 28), f16c = at(1, 29), hypervisor = at(1, 31);
inline constexpr u32 nx = at(2, 20), mmxext = at(2, 22), ffxsr = at(2, 25), page1gb = at(2, 26), rdtscp = at(2, 27),
                     lm = at(2, 29), ext_3dnow = at(2, 30), amd_3dnow = at(2, 31);
inline constexpr u32 dbext = at(3, 26), lahf_lm = at(3, 0), cmp_legacy = at(3, 1), svm = at(3, 2), sse4a = at(3, 6),
                     misalignsse = at(3, 7), xop = at(3, 11), lwp = at(3, 15), fma4 = at(3, 16), topoext = at(3, 22);
inline constexpr u32 xsaveopt = at(4, 0), xsavec = at(4, 1), xgetbv1 = at(4, 2), xsaves = at(4, 3);
inline constexpr u32 fsgsbase = at(5, 0), hle = at(5, 4), avx2 = at(5, 5), fdp_excp_only = at(5, 6), erms = at(5, 9),
                     invpcid = at(5, 10), rtm = at(5, 11), no_fpu_sel = at(5, 13), mpx = at(5, 14), avx512f = at(5, 16),
                     avx512dq = at(5, 17), avx512_ifma = at(5, 21), avx512pf = at(5, 26), avx512er = at(5, 27),
                     avx512cd = at(5, 28), sha = at(5, 29), avx512bw = at(5, 30), avx512vl = at(5, 31);
inline constexpr u32 avx512_vbmi = at(6, 1), rdpid = at(6, 22), pku = at(6, 3), avx512_vbmi2 = at(6, 6),
                     gfni = at(6, 8), vaes = at(6, 9), vpclmulqdq = at(6, 10), avx512_vnni = at(6, 11),
                     avx512_bitalg = at(6, 12), avx512_vpopcntdq = at(6, 14);
inline constexpr u32 itsc = at(7, 8);
inline constexpr u32 rstr_fp_err_ptrs = at(8, 2), ibpb = at(8, 12), ibpb_ret = at(8, 30);
inline constexpr u32 avx512_4vnniw = at(9, 2), avx512_4fmaps = at(9, 3), fsrm = at(9, 4),
                     avx512_vp2intersect = at(9, 8), md_clear = at(9, 10), tsxldtrk = at(9, 16),
                     avx512_fp16 = at(9, 23), ibrsb = at(9, 26), stibp = at(9, 27), arch_caps = at(9, 29),
                     ssbd = at(9, 31);
inline constexpr u32 avx_vnni = at(10, 4), avx512_bf16 = at(10, 5);
inline constexpr u32 lfence_dispatch = at(11, 2), verw_clear = at(11, 5), sbpb = at(11, 27), ibpb_brtype = at(11, 28);
inline constexpr u32 intel_psfd = at(13, 0);
inline constexpr u32 rsba = at(16, 2), fb_clear = at(16, 17), rfds_clear = at(16, 28);
}

/// Every feature that the public header knows.
inline constexpr FeatureSet known_features{{0xbfebfbff, 0xfffef3ff, 0xee500800, 0x2469bfff, 0x0000000f, 0xffbfffff,
                                            0x3a405fdf, 0x00000780, 0x779fd205, 0xfc91ef1c, 0x00001c30, 0xf8000164,
                                            0x00000001, 0x00000037, 0x00000000, 0x00040000, 0x1fbeffff, 0x40000000,
                                            0x00000006}};

/// Letters A and a: what a PV guest may have.
inline constexpr FeatureSet pv_max_features{{0x1fc9cbf5, 0xf6d83203, 0xea500800, 0x042109e3, 0x00000007, 0xfdaf0b39,
                                             0x1a405f43, 0x00000100, 0x64001005, 0xac01451c, 0x00001c30, 0x78000064,
                                             0x00000000, 0x00000021, 0x00000000, 0x00000000, 0x1d12e173, 0x40000000,
                                             0x00000006}};

/// Letter A: what it has unless its builder asks for more.
inline constexpr FeatureSet pv_default_features{{0x1fc9cbf5, 0xf6d83203, 0xea500800, 0x042109e3, 0x00000007, 0xfdaf0b29,
                                                 0x02405f43, 0x00000000, 0x64001005, 0xac00441c, 0x00001c30, 0x78000064,
                                                 0x00000000, 0x00000021, 0x00000000, 0x00000000, 0x1d12e173, 0x40000000,
                                                 0x00000006}};

/// Takes away every feature that lacks one it needs.
void drop_unsupported(FeatureSet& features);

}
