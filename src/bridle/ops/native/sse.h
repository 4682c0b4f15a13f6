// Functions that both x86 variants share and inline.
#pragma once

#include <immintrin.h>

#include "philox.h"

namespace bridle {

// Writes four lines of four numbers as columns.
BRIDLE_INLINE void turn_four_by_sse(const float* from, int64_t step, float* to, int64_t to_step) {
  __m128 a = _mm_loadu_ps(from), b = _mm_loadu_ps(from + step);
  __m128 c = _mm_loadu_ps(from + 2 * step), d = _mm_loadu_ps(from + 3 * step);
  _MM_TRANSPOSE4_PS(a, b, c, d);
  _mm_storeu_ps(to, a), _mm_storeu_ps(to + to_step, b);
  _mm_storeu_ps(to + 2 * to_step, c), _mm_storeu_ps(to + 3 * to_step, d);
}

}  // namespace bridle
