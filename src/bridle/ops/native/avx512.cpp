// AVX-512: sixteen numbers are one register, and a mask is a mask register.
#include "products.h"

#if defined(__x86_64__) || defined(_M_X64)
#include "sse.h"

namespace bridle {
namespace {

struct Avx512 {
  static constexpr const char* name = "avx512";
  using Mask = __mmask16;
  using Single = __m512;
  struct Double {
    __m512d a, b;
  };

  // Words are in the low halves of 64-bit lanes, where a product is one instruction. The high halves
  // are not read before the end. `even` holds blocks 0, 2, 4, …, and `odd` the others.
  struct Half {
    __m512i c0, c1, c2, c3;
  };

  static __m512i word(uint32_t value) { return _mm512_set1_epi64(value); }
  // Moves the high half of each lane to its low half; a shuffle leaves the multiplier's port free.
  static __m512i top(__m512i x) { return _mm512_shuffle_epi32(x, _MM_PERM_CDAB); }
  static __m512i xor3(__m512i a, __m512i b, __m512i c) {
    return _mm512_ternarylogic_epi64(a, b, c, 0x96);
  }

  static Half begin(const RowState& row, const GroupState& group, __m512i block) {
    const MaskKey& key = *row.key;
    const __m512i m0 = word(kMul0), m1 = word(kMul1);
    // round 1: words 0 and 1 are the row's
    const __m512i p0 = _mm512_mul_epu32(block, m0);
    const __m512i c2 = _mm512_xor_si512(top(p0), word(row.r2));
    // round 2: words 3 and, in part, 2 are the group's
    const __m512i p1 = _mm512_mul_epu32(c2, m1);
    Half next;
    next.c0 = xor3(top(p1), word(row.r1), word(key.k0[1]));
    next.c1 = p1;
    next.c2 = _mm512_xor_si512(p0, word(group.high2));
    next.c3 = word(group.low3);
    return next;
  }

  static void turn(Half& c, __m512i k0, __m512i k1) {
    const __m512i p0 = _mm512_mul_epu32(c.c0, word(kMul0));
    const __m512i p1 = _mm512_mul_epu32(c.c2, word(kMul1));
    c.c0 = xor3(top(p1), c.c1, k0);
    c.c1 = p1;
    c.c2 = xor3(top(p0), c.c3, k1);
    c.c3 = p0;
  }

  static void compare(__m512i even, __m512i odd, __m512i limit, Mask* masks) {
    const __m512i words = _mm512_mask_shuffle_epi32(even, 0xAAAA, odd, _MM_PERM_CDAB);
    masks[0] = _mm512_cmple_epu32_mask(_mm512_slli_epi32(words, 16), limit);
    masks[1] = _mm512_cmple_epu32_mask(words, limit);
  }

  static BRIDLE_INLINE void draw(const RowState& row, const GroupState& group, Mask masks[8]) {
    const MaskKey& key = *row.key;
    const __m512i first = _mm512_add_epi64(word(group.block), _mm512_setr_epi64(0, 2, 4, 6, 8, 10, 12, 14));
    Half even = begin(row, group, first);
    Half odd = begin(row, group, _mm512_add_epi64(first, _mm512_set1_epi64(1)));
    for (int round = 2; round < kRounds; ++round) {
      const __m512i k0 = word(key.k0[round]), k1 = word(key.k1[round]);
      turn(even, k0, k1);
      turn(odd, k0, k1);
    }
    const __m512i limit = _mm512_set1_epi32(static_cast<int>(key.limit));
    compare(even.c0, odd.c0, limit, masks);
    compare(even.c1, odd.c1, limit, masks + 2);
    compare(even.c2, odd.c2, limit, masks + 4);
    compare(even.c3, odd.c3, limit, masks + 6);
  }

  static uint16_t bits(Mask mask) { return static_cast<uint16_t>(mask); }
  static Mask mask(uint16_t bits) { return static_cast<Mask>(bits); }

  static Single load(const float* x) { return _mm512_loadu_ps(x); }
  static Double load(const double* x) { return {_mm512_loadu_pd(x), _mm512_loadu_pd(x + 8)}; }
  static Single load(const BFloat16* x) {
    const __m256i halves = _mm256_loadu_si256(reinterpret_cast<const __m256i*>(x));
    return _mm512_castsi512_ps(_mm512_slli_epi32(_mm512_cvtepu16_epi32(halves), 16));
  }
  static Single load(const Float16* x) {
    return _mm512_cvtph_ps(_mm256_loadu_si256(reinterpret_cast<const __m256i*>(x)));
  }

  static void store(float* out, Single x) { _mm512_storeu_ps(out, x); }
  static void store(double* out, Double x) {
    _mm512_storeu_pd(out, x.a);
    _mm512_storeu_pd(out + 8, x.b);
  }
  static void store(BFloat16* out, Single x) {
    const __m512i bits = _mm512_castps_si512(x);
    const __m512i odd = _mm512_and_si512(_mm512_srli_epi32(bits, 16), _mm512_set1_epi32(1));
    const __m512i sum = _mm512_add_epi32(bits, _mm512_add_epi32(odd, _mm512_set1_epi32(0x7FFF)));
    const __m512i rounded = _mm512_mask_mov_epi32(_mm512_srli_epi32(sum, 16),
                                                  _mm512_cmp_ps_mask(x, x, _CMP_UNORD_Q),
                                                  _mm512_set1_epi32(0x7FC0));
    _mm256_storeu_si256(reinterpret_cast<__m256i*>(out), _mm512_cvtepi32_epi16(rounded));
  }
  static void store(Float16* out, Single x) {
    _mm256_storeu_si256(reinterpret_cast<__m256i*>(out),
                        _mm512_cvtps_ph(x, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC));
  }

  static Single fill(Single, double x) { return _mm512_set1_ps(static_cast<float>(x)); }
  static Double fill(Double, double x) { return {_mm512_set1_pd(x), _mm512_set1_pd(x)}; }

  static Single keep(Mask mask, Single x) { return _mm512_maskz_mov_ps(mask, x); }
  static Double keep(Mask mask, Double x) {
    return {_mm512_maskz_mov_pd(static_cast<__mmask8>(mask), x.a),
            _mm512_maskz_mov_pd(static_cast<__mmask8>(mask >> 8), x.b)};
  }
  // x where y is above 0 or NaN, else 0
  static Single pass(Single y, Single x) {
    return _mm512_maskz_mov_ps(_mm512_cmp_ps_mask(y, _mm512_setzero_ps(), _CMP_NLE_UQ), x);
  }
  static Double pass(Double y, Double x) {
    const auto zero = _mm512_setzero_pd();
    return {_mm512_maskz_mov_pd(_mm512_cmp_pd_mask(y.a, zero, _CMP_NLE_UQ), x.a),
            _mm512_maskz_mov_pd(_mm512_cmp_pd_mask(y.b, zero, _CMP_NLE_UQ), x.b)};
  }

  // returns the second operand if one is NaN
  static Single relu(Single x) { return _mm512_max_ps(_mm512_setzero_ps(), x); }
  static Double relu(Double x) {
    return {_mm512_max_pd(_mm512_setzero_pd(), x.a), _mm512_max_pd(_mm512_setzero_pd(), x.b)};
  }
  static Single clamp(Single x, Single limit) {
    return _mm512_min_ps(limit, _mm512_max_ps(_mm512_sub_ps(_mm512_setzero_ps(), limit), x));
  }
  static Double clamp(Double x, Double limit) {
    const auto zero = _mm512_setzero_pd();
    return {_mm512_min_pd(limit.a, _mm512_max_pd(_mm512_sub_pd(zero, limit.a), x.a)),
            _mm512_min_pd(limit.b, _mm512_max_pd(_mm512_sub_pd(zero, limit.b), x.b))};
  }

  static Single add(Single x, Single y) { return _mm512_add_ps(x, y); }
  static Single sub(Single x, Single y) { return _mm512_sub_ps(x, y); }
  static Single mul(Single x, Single y) { return _mm512_mul_ps(x, y); }
  static Single div(Single x, Single y) { return _mm512_div_ps(x, y); }
  static Single sqrt(Single x) { return _mm512_sqrt_ps(x); }
  static double sum(Single x) { return static_cast<double>(_mm512_reduce_add_ps(x)); }

  // For products: sums in 24 of the 32 registers, or in 12 if a panel has one vector.
  static constexpr int kVectors = 4, kWideRows = 24, kNarrowRows = 12;
  static constexpr bool kHalves = false;
  static Single fused(float a, Single b, Single sum) {
    return _mm512_fmadd_ps(_mm512_set1_ps(a), b, sum);
  }
  static Double fused(double a, Double b, Double sum) {
    const __m512d factor = _mm512_set1_pd(a);
    return {_mm512_fmadd_pd(factor, b.a, sum.a), _mm512_fmadd_pd(factor, b.b, sum.b)};
  }
  static void turn_four(const float* from, int64_t step, float* to, int64_t to_step) {
    turn_four_by_sse(from, step, to, to_step);
  }
  static Double add(Double x, Double y) {
    return {_mm512_add_pd(x.a, y.a), _mm512_add_pd(x.b, y.b)};
  }
  static Double sub(Double x, Double y) {
    return {_mm512_sub_pd(x.a, y.a), _mm512_sub_pd(x.b, y.b)};
  }
  static Double mul(Double x, Double y) {
    return {_mm512_mul_pd(x.a, y.a), _mm512_mul_pd(x.b, y.b)};
  }
  static Double div(Double x, Double y) {
    return {_mm512_div_pd(x.a, y.a), _mm512_div_pd(x.b, y.b)};
  }
  static Double sqrt(Double x) { return {_mm512_sqrt_pd(x.a), _mm512_sqrt_pd(x.b)}; }
  static double sum(Double x) { return _mm512_reduce_add_pd(_mm512_add_pd(x.a, x.b)); }
};

}  // namespace

const Kernels* avx512_kernels() { return multiplying_table<Avx512>(); }

}  // namespace bridle

#else
namespace bridle {
const Kernels* avx512_kernels() { return nullptr; }
}  // namespace bridle
#endif
