// AVX2: sixteen numbers are two registers (four of doubles); a mask is all ones or all zeros.
#include "products.h"

#if defined(__x86_64__) || defined(_M_X64)
#include "sse.h"

namespace bridle {
namespace {

struct Avx2 {
  static constexpr const char* name = "avx2";
  struct Mask {
    __m256i v[2];
  };
  struct Single {
    __m256 v[2];
  };
  struct Double {
    __m256d v[4];
  };

  // As in AVX-512, words live in the low halves of 64-bit lanes: registers 0 and 1 hold the even
  // and the odd blocks of the first eight, 2 and 3 those of the last eight.
  struct State {
    __m256i c0[4], c1[4], c2[4], c3[4];
  };

  static __m256i word(uint32_t value) { return _mm256_set1_epi64x(value); }

  // Moves the high half of each lane to its low half; a shuffle leaves the multiplier's port free.
  static __m256i top(__m256i x) { return _mm256_shuffle_epi32(x, 0xB1); }

  static BRIDLE_INLINE State begin(const RowState& row, const GroupState& group) {
    const __m256i first = _mm256_add_epi64(word(group.block), _mm256_setr_epi64x(0, 2, 4, 6));
    const __m256i fixed0 = word(row.r1 ^ row.key->k0[1]);
    State c;
    for (int part = 0; part < 4; ++part) {
      const __m256i block = _mm256_add_epi64(first, word((part & 1) + 8u * (part >> 1)));
      const __m256i p0 = _mm256_mul_epu32(block, word(kMul0));
      const __m256i c2 = _mm256_xor_si256(top(p0), word(row.r2));
      const __m256i p1 = _mm256_mul_epu32(c2, word(kMul1));
      c.c0[part] = _mm256_xor_si256(top(p1), fixed0);
      c.c1[part] = p1;
      c.c2[part] = _mm256_xor_si256(p0, word(group.high2));
      c.c3[part] = word(group.low3);
    }
    return c;
  }

  static void turn(State& c, int part, __m256i k0, __m256i k1) {
    const __m256i p0 = _mm256_mul_epu32(c.c0[part], word(kMul0));
    const __m256i p1 = _mm256_mul_epu32(c.c2[part], word(kMul1));
    c.c0[part] = _mm256_xor_si256(top(p1), _mm256_xor_si256(c.c1[part], k0));
    c.c1[part] = p1;
    c.c2[part] = _mm256_xor_si256(top(p0), _mm256_xor_si256(c.c3[part], k1));
    c.c3[part] = p0;
  }

  static __m256i at_most(__m256i x, __m256i limit) {
    return _mm256_cmpeq_epi32(_mm256_min_epu32(x, limit), x);
  }

  static BRIDLE_INLINE void compare(const __m256i c[4], __m256i limit, Mask masks[2]) {
    for (int side = 0; side < 2; ++side) {
      const __m256i odd = top(c[2 * side + 1]);
      const __m256i words = _mm256_blend_epi32(c[2 * side], odd, 0xAA);
      masks[0].v[side] = at_most(_mm256_slli_epi32(words, 16), limit);
      masks[1].v[side] = at_most(words, limit);
    }
  }

  static BRIDLE_INLINE void draw(const RowState& row, const GroupState& group, Mask masks[8]) {
    const MaskKey& key = *row.key;
    State c = begin(row, group);
    for (int round = 2; round < kRounds; ++round) {
      const __m256i k0 = word(key.k0[round]), k1 = word(key.k1[round]);
      for (int part = 0; part < 4; ++part) turn(c, part, k0, k1);
    }
    const __m256i limit = _mm256_set1_epi32(static_cast<int>(key.limit));
    compare(c.c0, limit, masks);
    compare(c.c1, limit, masks + 2);
    compare(c.c2, limit, masks + 4);
    compare(c.c3, limit, masks + 6);
  }

  static uint16_t bits(const Mask& mask) {
    const int lower = _mm256_movemask_ps(_mm256_castsi256_ps(mask.v[0]));
    const int upper = _mm256_movemask_ps(_mm256_castsi256_ps(mask.v[1]));
    return static_cast<uint16_t>(lower | upper << 8);
  }
  static Mask mask(uint16_t bits) {
    const __m256i all = _mm256_set1_epi32(bits);
    const __m256i lower = _mm256_setr_epi32(1, 2, 4, 8, 16, 32, 64, 128);
    const __m256i upper = _mm256_slli_epi32(lower, 8);
    return {{_mm256_cmpeq_epi32(_mm256_and_si256(all, lower), lower),
             _mm256_cmpeq_epi32(_mm256_and_si256(all, upper), upper)}};
  }

  static __m256i halves(const void* x) {
    return _mm256_loadu_si256(static_cast<const __m256i*>(x));
  }
  static Single load(const float* x) { return {{_mm256_loadu_ps(x), _mm256_loadu_ps(x + 8)}}; }
  static Double load(const double* x) {
    return {{_mm256_loadu_pd(x), _mm256_loadu_pd(x + 4), _mm256_loadu_pd(x + 8),
             _mm256_loadu_pd(x + 12)}};
  }
  static __m256 from_bfloat16(__m128i x) {
    return _mm256_castsi256_ps(_mm256_slli_epi32(_mm256_cvtepu16_epi32(x), 16));
  }
  static Single load(const BFloat16* x) {
    const __m256i both = halves(x);
    return {{from_bfloat16(_mm256_castsi256_si128(both)),
             from_bfloat16(_mm256_extracti128_si256(both, 1))}};
  }
  static Single load(const Float16* x) {
    const __m256i both = halves(x);
    return {{_mm256_cvtph_ps(_mm256_castsi256_si128(both)),
             _mm256_cvtph_ps(_mm256_extracti128_si256(both, 1))}};
  }

  static void store(float* out, Single x) {
    for (int k = 0; k < 2; ++k) _mm256_storeu_ps(out + 8 * k, x.v[k]);
  }
  static void store(double* out, Double x) {
    for (int k = 0; k < 4; ++k) _mm256_storeu_pd(out + 4 * k, x.v[k]);
  }
  static __m256i to_bfloat16(__m256 x) {
    const __m256i bits = _mm256_castps_si256(x);
    const __m256i odd = _mm256_and_si256(_mm256_srli_epi32(bits, 16), _mm256_set1_epi32(1));
    const __m256i sum = _mm256_add_epi32(bits, _mm256_add_epi32(odd, _mm256_set1_epi32(0x7FFF)));
    const __m256i no_number = _mm256_castps_si256(_mm256_cmp_ps(x, x, _CMP_UNORD_Q));
    return _mm256_blendv_epi8(_mm256_srli_epi32(sum, 16), _mm256_set1_epi32(0x7FC0), no_number);
  }
  static void store(BFloat16* out, Single x) {
    const __m256i mixed = _mm256_packus_epi32(to_bfloat16(x.v[0]), to_bfloat16(x.v[1]));
    _mm256_storeu_si256(reinterpret_cast<__m256i*>(out), _mm256_permute4x64_epi64(mixed, 0xD8));
  }
  static void store(Float16* out, Single x) {
    for (int k = 0; k < 2; ++k) {
      _mm_storeu_si128(reinterpret_cast<__m128i*>(out) + k,
                       _mm256_cvtps_ph(x.v[k], _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC));
    }
  }

  static Single fill(Single, double value) {
    const __m256 x = _mm256_set1_ps(static_cast<float>(value));
    return {{x, x}};
  }
  static Double fill(Double, double value) {
    const __m256d x = _mm256_set1_pd(value);
    return {{x, x, x, x}};
  }

  static __m256d widen(const Mask& mask, int quarter) {
    const __m256i side = mask.v[quarter / 2];
    const __m128i half =
        quarter % 2 ? _mm256_extracti128_si256(side, 1) : _mm256_castsi256_si128(side);
    return _mm256_castsi256_pd(_mm256_cvtepi32_epi64(half));
  }
  static Single keep(const Mask& mask, Single x) {
    for (int k = 0; k < 2; ++k) x.v[k] = _mm256_and_ps(_mm256_castsi256_ps(mask.v[k]), x.v[k]);
    return x;
  }
  static Double keep(const Mask& mask, Double x) {
    for (int k = 0; k < 4; ++k) x.v[k] = _mm256_and_pd(widen(mask, k), x.v[k]);
    return x;
  }
  // x where y is above 0 or NaN, else 0
  static Single pass(Single y, Single x) {
    for (int k = 0; k < 2; ++k) {
      x.v[k] = _mm256_and_ps(_mm256_cmp_ps(y.v[k], _mm256_setzero_ps(), _CMP_NLE_UQ), x.v[k]);
    }
    return x;
  }
  static Double pass(Double y, Double x) {
    for (int k = 0; k < 4; ++k) {
      x.v[k] = _mm256_and_pd(_mm256_cmp_pd(y.v[k], _mm256_setzero_pd(), _CMP_NLE_UQ), x.v[k]);
    }
    return x;
  }

#define BRIDLE_EACH(NAME, SINGLE, DOUBLE)                        \
  static Single NAME(Single x, Single y) {                       \
    for (int k = 0; k < 2; ++k) x.v[k] = SINGLE(x.v[k], y.v[k]); \
    return x;                                                    \
  }                                                              \
  static Double NAME(Double x, Double y) {                       \
    for (int k = 0; k < 4; ++k) x.v[k] = DOUBLE(x.v[k], y.v[k]); \
    return x;                                                    \
  }
  BRIDLE_EACH(add, _mm256_add_ps, _mm256_add_pd)
  BRIDLE_EACH(sub, _mm256_sub_ps, _mm256_sub_pd)
  BRIDLE_EACH(mul, _mm256_mul_ps, _mm256_mul_pd)
  BRIDLE_EACH(div, _mm256_div_ps, _mm256_div_pd)
  // returns the second operand if one is NaN
  BRIDLE_EACH(max, _mm256_max_ps, _mm256_max_pd)
  BRIDLE_EACH(min, _mm256_min_ps, _mm256_min_pd)
#undef BRIDLE_EACH

  // For products: sums in 12 of the 16 registers.
  static constexpr int kVectors = 1, kWideRows = 6, kNarrowRows = 6;
  static constexpr bool kHalves = true;
  static Single fused(float a, Single b, Single sum) {
    const __m256 factor = _mm256_set1_ps(a);
    for (int k = 0; k < 2; ++k) sum.v[k] = _mm256_fmadd_ps(factor, b.v[k], sum.v[k]);
    return sum;
  }
  static Double fused(double a, Double b, Double sum) {
    const __m256d factor = _mm256_set1_pd(a);
    for (int k = 0; k < 4; ++k) sum.v[k] = _mm256_fmadd_pd(factor, b.v[k], sum.v[k]);
    return sum;
  }
  struct HalfSingle {
    __m256 v;
  };
  struct HalfDouble {
    __m256d v[2];
  };
  static HalfSingle load_half(const float* x) { return {_mm256_loadu_ps(x)}; }
  static HalfDouble load_half(const double* x) {
    return {{_mm256_loadu_pd(x), _mm256_loadu_pd(x + 4)}};
  }
  static HalfSingle fill(HalfSingle, double value) {
    return {_mm256_set1_ps(static_cast<float>(value))};
  }
  static HalfDouble fill(HalfDouble, double value) {
    const __m256d x = _mm256_set1_pd(value);
    return {{x, x}};
  }
  static void store(float* out, HalfSingle x) { _mm256_storeu_ps(out, x.v); }
  static void store(double* out, HalfDouble x) {
    for (int k = 0; k < 2; ++k) _mm256_storeu_pd(out + 4 * k, x.v[k]);
  }
  static HalfSingle fused(float a, HalfSingle b, HalfSingle sum) {
    return {_mm256_fmadd_ps(_mm256_set1_ps(a), b.v, sum.v)};
  }
  static HalfDouble fused(double a, HalfDouble b, HalfDouble sum) {
    const __m256d factor = _mm256_set1_pd(a);
    for (int k = 0; k < 2; ++k) sum.v[k] = _mm256_fmadd_pd(factor, b.v[k], sum.v[k]);
    return sum;
  }
  static void turn_four(const float* from, int64_t step, float* to, int64_t to_step) {
    turn_four_by_sse(from, step, to, to_step);
  }

  static Single sqrt(Single x) { return {{_mm256_sqrt_ps(x.v[0]), _mm256_sqrt_ps(x.v[1])}}; }
  static Double sqrt(Double x) {
    for (int k = 0; k < 4; ++k) x.v[k] = _mm256_sqrt_pd(x.v[k]);
    return x;
  }
  template <class V>
  static V relu(V x) {
    return max(fill(V{}, 0.0), x);
  }
  template <class V>
  static BRIDLE_INLINE V clamp(V x, V limit) {
    return min(limit, max(sub(fill(V{}, 0.0), limit), x));
  }
  static double sum(Single x) {
    float parts[8];
    _mm256_storeu_ps(parts, _mm256_add_ps(x.v[0], x.v[1]));
    double total = 0;
    for (const float part : parts) total += static_cast<double>(part);
    return total;
  }
  static double sum(Double x) {
    double parts[4];
    _mm256_storeu_pd(parts, _mm256_add_pd(_mm256_add_pd(x.v[0], x.v[1]),
                                          _mm256_add_pd(x.v[2], x.v[3])));
    return parts[0] + parts[1] + parts[2] + parts[3];
  }
};

}  // namespace

const Kernels* avx2_kernels() { return multiplying_table<Avx2>(); }

}  // namespace bridle

#else
namespace bridle {
const Kernels* avx2_kernels() { return nullptr; }
}  // namespace bridle
#endif
