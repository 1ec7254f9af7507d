// Which feature needs which: an operating system that finds the second without the first may well go wrong.

#include "hypervisor/domain/cpu_features.hpp"

namespace xylem {
namespace {

using namespace feature;

struct Dependency {
    u32 needed, feature;
};

// Grouped by what is needed.
// clang-format off
constexpr Dependency dependencies[] = {
    {apic, x2apic}, {apic, tsc_deadline},
    {tsc, tsc_deadline}, {tsc, itsc}, {tsc, rdtscp},
    {fpu, mmx}, {mmx, mmxext}, {mmx, amd_3dnow}, {amd_3dnow, ext_3dnow},
    {fxsr, ffxsr}, {fxsr, sse},
    {sse, misalignsse}, {sse, sse2},
    {sse2, lm}, {sse2, sse3}, {sse2, pclmulqdq}, {sse2, aesni}, {sse2, sha}, {sse2, gfni},
    {sse3, ssse3}, {sse3, sse4a}, {ssse3, sse4_1}, {sse4_1, sse4_2},
    {pae, lm}, {pae, nx},
    {lm, cx16}, {lm, pcid}, {lm, lahf_lm}, {lm, page1gb}, {lm, pku}, {lm, fsgsbase},
    {pcid, invpcid},
    {xsave, xsaveopt}, {xsave, xsavec}, {xsave, xgetbv1}, {xsave, xsaves}, {xsave, avx}, {xsave, mpx}, {xsave, pku},
    {xsave, lwp},
    {xsavec, xsaves},
    {avx, fma}, {avx, fma4}, {avx, f16c}, {avx, avx2}, {avx, xop}, {avx, avx_vnni},
    {avx2, avx512f}, {avx2, vaes}, {avx2, vpclmulqdq}, {aesni, vaes}, {pclmulqdq, vpclmulqdq}, {avx2, avx_vnni},
    {avx512f, avx512dq}, {avx512f, avx512_ifma}, {avx512f, avx512pf}, {avx512f, avx512er}, {avx512f, avx512cd},
    {avx512f, avx512bw}, {avx512f, avx512vl}, {avx512f, avx512_4vnniw}, {avx512f, avx512_4fmaps},
    {avx512f, avx512_vnni}, {avx512f, avx512_vpopcntdq}, {avx512f, avx512_vp2intersect},
    {avx512bw, avx512_vbmi}, {avx512bw, avx512_vbmi2}, {avx512bw, avx512_bitalg}, {avx512bw, avx512_bf16},
    {avx512bw, avx512_fp16},
    {rtm, tsxldtrk},
    {ibrsb, stibp}, {ibrsb, ssbd}, {ibrsb, intel_psfd},
};
// clang-format on

}

void drop_unsupported(FeatureSet& features)
{
    if (!features.has(arch_caps))
        features.words[feature_word::arch_caps_low] = features.words[feature_word::arch_caps_high] = 0;
    // The table is not in order of depth: repeat until nothing changes. Each round takes at least one feature away.
    for (bool changed = true; changed;) {
        changed = false;
        for (const Dependency& dependency : dependencies) {
            if (features.has(dependency.needed) || !features.has(dependency.feature))
                continue;
            features.clear(dependency.feature);
            changed = true;
        }
    }
}

}
