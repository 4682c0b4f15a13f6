// What this processor, under this operating system, can run.
#pragma once

#if defined(_MSC_VER) && defined(_M_X64)
#include <immintrin.h>
#include <intrin.h>
#endif

namespace bridle {

struct Cpu {
  bool avx2 = false, avx512 = false;

  Cpu() {
#if defined(__x86_64__) && (defined(__GNUC__) || defined(__clang__))
    __builtin_cpu_init();
    avx2 = __builtin_cpu_supports("avx2") && __builtin_cpu_supports("f16c") &&
           __builtin_cpu_supports("fma");
    avx512 = __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
             __builtin_cpu_supports("avx512vl") && __builtin_cpu_supports("avx512dq");
#elif defined(_MSC_VER) && defined(_M_X64)
    int found[4];
    __cpuid(found, 0);
    if (found[0] < 7) return;
    __cpuid(found, 1);
    const bool f16c = found[2] >> 29 & 1, saves = found[2] >> 27 & 1;
    const bool fma = found[2] >> 12 & 1;
    if (!saves) return;
    const unsigned long long state = _xgetbv(0);
    __cpuidex(found, 7, 0);
    const auto has = [&](int bit) { return (found[1] >> bit & 1) != 0; };
    avx2 = (state & 0x6) == 0x6 && f16c && fma && has(5);
    avx512 = (state & 0xE6) == 0xE6 && has(16) && has(17) && has(30) && has(31);
#endif
  }
};

}  // namespace bridle
