// Plain C++: arrays of sixteen, which the compiler can vectorize for its processor.
#include "loops.h"

#include <cmath>

namespace bridle {
namespace {

struct Plain {
  static constexpr const char* name = "plain";
  struct Mask {
    uint32_t v[kLanes];  // all ones, or zero
  };
  struct Single {
    float v[kLanes];
  };
  struct Double {
    double v[kLanes];
  };

  static BRIDLE_INLINE void draw(const RowState& row, const GroupState& group, Mask masks[8]) {
    const MaskKey& key = *row.key;
    uint32_t c[4][kBlocks];
    for (int b = 0; b < kBlocks; ++b) {
      const uint64_t p0 = uint64_t{group.block + static_cast<uint32_t>(b)} * kMul0;
      const uint64_t p1 = uint64_t{high(p0) ^ row.r2} * kMul1;
      c[0][b] = high(p1) ^ row.r1 ^ key.k0[1];
      c[1][b] = low(p1);
      c[2][b] = low(p0) ^ group.high2;
      c[3][b] = group.low3;
    }
    for (int round = 2; round < kRounds; ++round) {
      for (int b = 0; b < kBlocks; ++b) {
        const uint64_t p0 = uint64_t{c[0][b]} * kMul0, p1 = uint64_t{c[2][b]} * kMul1;
        c[0][b] = high(p1) ^ c[1][b] ^ key.k0[round];
        c[1][b] = low(p1);
        c[2][b] = high(p0) ^ c[3][b] ^ key.k1[round];
        c[3][b] = low(p0);
      }
    }
    const uint32_t limit = key.limit >> 16;
    for (int w = 0; w < 4; ++w) {
      for (int b = 0; b < kBlocks; ++b) {
        // the sign of a difference, spread over the word: no comparison, hence no branch
        masks[2 * w].v[b] = ~(0u - ((limit - (c[w][b] & 0xFFFFu)) >> 31));
        masks[2 * w + 1].v[b] = ~(0u - ((limit - (c[w][b] >> 16)) >> 31));
      }
    }
  }

  static uint16_t bits(const Mask& mask) {
    uint32_t found = 0;
    for (int k = 0; k < kLanes; ++k) found |= mask.v[k] & (1u << k);
    return static_cast<uint16_t>(found);
  }
  static Mask mask(uint16_t bits) {
    Mask found;
    for (int k = 0; k < kLanes; ++k) found.v[k] = 0u - ((uint32_t{bits} >> k) & 1u);
    return found;
  }

  static Single load(const float* x) {
    Single out;
    std::memcpy(out.v, x, sizeof out.v);
    return out;
  }
  static Double load(const double* x) {
    Double out;
    std::memcpy(out.v, x, sizeof out.v);
    return out;
  }
  template <class T>
  static Single load(const T* x) {
    Single out;
    for (int k = 0; k < kLanes; ++k) out.v[k] = widen(x[k]);
    return out;
  }
  static void store(float* out, const Single& x) { std::memcpy(out, x.v, sizeof x.v); }
  static void store(double* out, const Double& x) { std::memcpy(out, x.v, sizeof x.v); }
  template <class T>
  static void store(T* out, const Single& x) {
    for (int k = 0; k < kLanes; ++k) narrow(x.v[k], out[k]);
  }

  static Single fill(Single x, double value) {
    for (float& entry : x.v) entry = static_cast<float>(value);
    return x;
  }
  static Double fill(Double x, double value) {
    for (double& entry : x.v) entry = value;
    return x;
  }

  static Single keep(const Mask& mask, Single x) {
    for (int k = 0; k < kLanes; ++k) x.v[k] = float_of(bits_of(x.v[k]) & mask.v[k]);
    return x;
  }
  static Double keep(const Mask& mask, Double x) {
    for (int k = 0; k < kLanes; ++k) {
      uint64_t word;
      std::memcpy(&word, &x.v[k], sizeof word);
      word &= uint64_t{mask.v[k]} << 32 | mask.v[k];
      std::memcpy(&x.v[k], &word, sizeof word);
    }
    return x;
  }
  // x where y is above 0 or NaN, else 0
  template <class V>
  static V pass(const V& y, V x) {
    for (int k = 0; k < kLanes; ++k) x.v[k] = y.v[k] <= 0 ? 0 : x.v[k];
    return x;
  }

  template <class V, class F>
  static V each(V x, const V& y, F apply) {
    for (int k = 0; k < kLanes; ++k) x.v[k] = apply(x.v[k], y.v[k]);
    return x;
  }
  template <class V>
  static V add(const V& x, const V& y) {
    return each(x, y, [](auto a, auto b) { return a + b; });
  }
  template <class V>
  static V sub(const V& x, const V& y) {
    return each(x, y, [](auto a, auto b) { return a - b; });
  }
  template <class V>
  static V mul(const V& x, const V& y) {
    return each(x, y, [](auto a, auto b) { return a * b; });
  }
  template <class V>
  static V div(const V& x, const V& y) {
    return each(x, y, [](auto a, auto b) { return a / b; });
  }
  template <class V>
  static V sqrt(const V& x) {
    return each(x, x, [](auto a, auto) { return std::sqrt(a); });
  }
  // comparisons with NaN are false, so NaN is passed through
  template <class V>
  static V relu(const V& x) {
    Mask mask;
    for (int k = 0; k < kLanes; ++k) mask.v[k] = 0u - static_cast<uint32_t>(!(x.v[k] < 0));
    return keep(mask, x);
  }
  template <class V>
  static V clamp(const V& x, const V& limit) {
    return each(x, limit, [](auto a, auto most) {
      const auto raised = a < -most ? -most : a;
      return raised > most ? most : raised;
    });
  }
  template <class V>
  static double sum(const V& x) {
    double total = 0;
    for (const auto entry : x.v) total += static_cast<double>(entry);
    return total;
  }
};

}  // namespace

const Kernels* plain_kernels() { return table_of<Plain>(nullptr, nullptr, nullptr, nullptr); }

}  // namespace bridle
