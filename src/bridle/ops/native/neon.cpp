// NEON: sixteen numbers are four registers (eight of doubles); a mask is all ones or all zeros.
#include "products.h"

#if defined(__aarch64__) || defined(_M_ARM64)
#include <arm_neon.h>

namespace bridle {
namespace {

struct Neon {
  static constexpr const char* name = "neon";
  struct Mask {
    uint32x4_t v[4];
  };
  struct Single {
    float32x4_t v[4];
  };
  struct Double {
    float64x2_t v[8];
  };

  static uint32x4_t high_words(uint64x2_t lower, uint64x2_t upper) {
    return vuzp2q_u32(vreinterpretq_u32_u64(lower), vreinterpretq_u32_u64(upper));
  }
  static uint32x4_t low_words(uint64x2_t lower, uint64x2_t upper) {
    return vuzp1q_u32(vreinterpretq_u32_u64(lower), vreinterpretq_u32_u64(upper));
  }

  // Four blocks; each register holds one word of each.
  struct Quarter {
    uint32x4_t c0, c1, c2, c3;
  };

  static Quarter begin(const RowState& row, const GroupState& group, uint32x4_t block) {
    const uint64x2_t p0l = vmull_n_u32(vget_low_u32(block), kMul0);
    const uint64x2_t p0h = vmull_high_n_u32(block, kMul0);
    const uint32x4_t c2 = veorq_u32(high_words(p0l, p0h), vdupq_n_u32(row.r2));
    const uint64x2_t p1l = vmull_n_u32(vget_low_u32(c2), kMul1);
    const uint64x2_t p1h = vmull_high_n_u32(c2, kMul1);
    return {veorq_u32(high_words(p1l, p1h), vdupq_n_u32(row.r1 ^ row.key->k0[1])),
            low_words(p1l, p1h), veorq_u32(low_words(p0l, p0h), vdupq_n_u32(group.high2)),
            vdupq_n_u32(group.low3)};
  }

  static void turn(Quarter& c, uint32_t k0, uint32_t k1) {
    const uint64x2_t p0l = vmull_n_u32(vget_low_u32(c.c0), kMul0);
    const uint64x2_t p0h = vmull_high_n_u32(c.c0, kMul0);
    const uint64x2_t p1l = vmull_n_u32(vget_low_u32(c.c2), kMul1);
    const uint64x2_t p1h = vmull_high_n_u32(c.c2, kMul1);
    c.c0 = veorq_u32(high_words(p1l, p1h), veorq_u32(c.c1, vdupq_n_u32(k0)));
    c.c1 = low_words(p1l, p1h);
    c.c2 = veorq_u32(high_words(p0l, p0h), veorq_u32(c.c3, vdupq_n_u32(k1)));
    c.c3 = low_words(p0l, p0h);
  }

  static BRIDLE_INLINE void draw(const RowState& row, const GroupState& group, Mask masks[8]) {
    const MaskKey& key = *row.key;
    const uint32_t places[4] = {0, 1, 2, 3};
    const uint32x4_t limit = vdupq_n_u32(key.limit);
    const uint32x4_t first = vaddq_u32(vdupq_n_u32(group.block), vld1q_u32(places));
    Quarter c[4];
    for (uint32_t part = 0; part < 4; ++part) {
      c[part] = begin(row, group, vaddq_u32(first, vdupq_n_u32(4 * part)));
    }
    for (int round = 2; round < kRounds; ++round) {
      for (Quarter& part : c) turn(part, key.k0[round], key.k1[round]);
    }
    for (int part = 0; part < 4; ++part) {
      const uint32x4_t words[4] = {c[part].c0, c[part].c1, c[part].c2, c[part].c3};
      for (int w = 0; w < 4; ++w) {
        masks[2 * w].v[part] = vcleq_u32(vshlq_n_u32(words[w], 16), limit);
        masks[2 * w + 1].v[part] = vcleq_u32(words[w], limit);
      }
    }
  }

  static uint32x4_t places(int quarter) {
    const uint32_t bit[4] = {1, 2, 4, 8};
    return vshlq_u32(vld1q_u32(bit), vdupq_n_s32(4 * quarter));
  }
  static uint16_t bits(const Mask& mask) {
    uint32x4_t found = vdupq_n_u32(0);
    for (int k = 0; k < 4; ++k) found = vorrq_u32(found, vandq_u32(mask.v[k], places(k)));
    return static_cast<uint16_t>(vaddvq_u32(found));
  }
  static Mask mask(uint16_t bits) {
    Mask found;
    for (int k = 0; k < 4; ++k) found.v[k] = vtstq_u32(vdupq_n_u32(bits), places(k));
    return found;
  }

  static Single load(const float* x) {
    return {{vld1q_f32(x), vld1q_f32(x + 4), vld1q_f32(x + 8), vld1q_f32(x + 12)}};
  }
  static Double load(const double* x) {
    Double out;
    for (int k = 0; k < 8; ++k) out.v[k] = vld1q_f64(x + 2 * k);
    return out;
  }
  static uint16x4_t halves(const void* x, int quarter) {
    return vld1_u16(static_cast<const uint16_t*>(x) + 4 * quarter);
  }
  static Single load(const BFloat16* x) {
    Single out;
    for (int k = 0; k < 4; ++k) out.v[k] = vreinterpretq_f32_u32(vshll_n_u16(halves(x, k), 16));
    return out;
  }
  static Single load(const Float16* x) {
    Single out;
    for (int k = 0; k < 4; ++k) out.v[k] = vcvt_f32_f16(vreinterpret_f16_u16(halves(x, k)));
    return out;
  }

  static void store(float* out, const Single& x) {
    for (int k = 0; k < 4; ++k) vst1q_f32(out + 4 * k, x.v[k]);
  }
  static void store(double* out, const Double& x) {
    for (int k = 0; k < 8; ++k) vst1q_f64(out + 2 * k, x.v[k]);
  }
  static void put_halves(void* out, int quarter, uint16x4_t x) {
    vst1_u16(static_cast<uint16_t*>(out) + 4 * quarter, x);
  }
  static void store(BFloat16* out, const Single& x) {
    for (int k = 0; k < 4; ++k) {
      const uint32x4_t word = vreinterpretq_u32_f32(x.v[k]);
      const uint32x4_t odd = vandq_u32(vshrq_n_u32(word, 16), vdupq_n_u32(1));
      const uint32x4_t sum = vaddq_u32(word, vaddq_u32(odd, vdupq_n_u32(0x7FFF)));
      const uint32x4_t number = vceqq_f32(x.v[k], x.v[k]);
      put_halves(out, k, vshrn_n_u32(vbslq_u32(number, sum, vdupq_n_u32(0x7FC00000u)), 16));
    }
  }
  static void store(Float16* out, const Single& x) {
    for (int k = 0; k < 4; ++k) put_halves(out, k, vreinterpret_u16_f16(vcvt_f16_f32(x.v[k])));
  }

  static Single fill(Single x, double value) {
    for (auto& part : x.v) part = vdupq_n_f32(static_cast<float>(value));
    return x;
  }
  static Double fill(Double x, double value) {
    for (auto& part : x.v) part = vdupq_n_f64(value);
    return x;
  }

  static Single keep(const Mask& mask, Single x) {
    for (int k = 0; k < 4; ++k) {
      x.v[k] = vreinterpretq_f32_u32(vandq_u32(mask.v[k], vreinterpretq_u32_f32(x.v[k])));
    }
    return x;
  }
  static Double keep(const Mask& mask, Double x) {
    for (int k = 0; k < 8; ++k) {
      const int32x4_t words = vreinterpretq_s32_u32(mask.v[k / 2]);
      const int64x2_t wide = vmovl_s32(k % 2 ? vget_high_s32(words) : vget_low_s32(words));
      x.v[k] = vreinterpretq_f64_s64(vandq_s64(wide, vreinterpretq_s64_f64(x.v[k])));
    }
    return x;
  }
  // x where y is above 0 or NaN, else 0
  static Single pass(const Single& y, Single x) {
    for (int k = 0; k < 4; ++k) {
      const uint32x4_t bits = vreinterpretq_u32_f32(x.v[k]);
      x.v[k] = vreinterpretq_f32_u32(vbicq_u32(bits, vclezq_f32(y.v[k])));
    }
    return x;
  }
  static Double pass(const Double& y, Double x) {
    for (int k = 0; k < 8; ++k) {
      const uint64x2_t bits = vreinterpretq_u64_f64(x.v[k]);
      x.v[k] = vreinterpretq_f64_u64(vbicq_u64(bits, vclezq_f64(y.v[k])));
    }
    return x;
  }

#define BRIDLE_EACH(NAME, SINGLE, DOUBLE)                        \
  static Single NAME(Single x, const Single& y) {                \
    for (int k = 0; k < 4; ++k) x.v[k] = SINGLE(x.v[k], y.v[k]); \
    return x;                                                    \
  }                                                              \
  static Double NAME(Double x, const Double& y) {                \
    for (int k = 0; k < 8; ++k) x.v[k] = DOUBLE(x.v[k], y.v[k]); \
    return x;                                                    \
  }
  BRIDLE_EACH(add, vaddq_f32, vaddq_f64)
  BRIDLE_EACH(sub, vsubq_f32, vsubq_f64)
  BRIDLE_EACH(mul, vmulq_f32, vmulq_f64)
  BRIDLE_EACH(div, vdivq_f32, vdivq_f64)
  // NaN is passed through
  BRIDLE_EACH(max, vmaxq_f32, vmaxq_f64)
  BRIDLE_EACH(min, vminq_f32, vminq_f64)
#undef BRIDLE_EACH

  // For products: sums in 24 of the 32 registers.
  static constexpr int kVectors = 1, kWideRows = 6, kNarrowRows = 6;
  static constexpr bool kHalves = false;
  static Single fused(float a, const Single& b, Single sum) {
    for (int k = 0; k < 4; ++k) sum.v[k] = vfmaq_n_f32(sum.v[k], b.v[k], a);
    return sum;
  }
  static Double fused(double a, const Double& b, Double sum) {
    for (int k = 0; k < 8; ++k) sum.v[k] = vfmaq_n_f64(sum.v[k], b.v[k], a);
    return sum;
  }
  static void turn_four(const float* from, int64_t step, float* to, int64_t to_step) {
    float turned[16];
    const float32x4x4_t four = {{vld1q_f32(from), vld1q_f32(from + step),
                                 vld1q_f32(from + 2 * step), vld1q_f32(from + 3 * step)}};
    vst4q_f32(turned, four);  // a macro in some compilers, so no braces in its arguments
    for (int k = 0; k < 4; ++k) vst1q_f32(to + k * to_step, vld1q_f32(turned + 4 * k));
  }

  static Single sqrt(Single x) {
    for (auto& part : x.v) part = vsqrtq_f32(part);
    return x;
  }
  static Double sqrt(Double x) {
    for (auto& part : x.v) part = vsqrtq_f64(part);
    return x;
  }
  template <class V>
  static V relu(const V& x) {
    return max(x, fill(V{}, 0.0));
  }
  template <class V>
  static V clamp(const V& x, const V& limit) {
    return min(max(x, sub(fill(V{}, 0.0), limit)), limit);
  }
  static double sum(const Single& x) {
    const float32x4_t both = vaddq_f32(vaddq_f32(x.v[0], x.v[1]), vaddq_f32(x.v[2], x.v[3]));
    return static_cast<double>(vaddvq_f32(both));
  }
  static double sum(const Double& x) {
    float64x2_t total = x.v[0];
    for (int k = 1; k < 8; ++k) total = vaddq_f64(total, x.v[k]);
    return vaddvq_f64(total);
  }
};

}  // namespace

const Kernels* neon_kernels() { return multiplying_table<Neon>(); }

}  // namespace bridle

#else
namespace bridle {
const Kernels* neon_kernels() { return nullptr; }
}  // namespace bridle
#endif
