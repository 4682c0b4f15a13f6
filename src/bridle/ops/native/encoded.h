// Products of encoded rows and weights, by sums of rows of the weights.
//
// The bins of a number are ones up to one bin, a part there, and zeros above. So its share of the
// product is a prefix sum of the weights' rows, and a part of one more row. The gradient of the
// weights is a suffix sum. Each element adds its terms in order, as in products.h.
#pragma once

#include <cmath>

#include "kernels.h"
#include "loops.h"

namespace bridle {
namespace {  // each variant is compiled with its own flags, and must not share code with another

// Some columns of all rows: a number of registers, or one column.
template <class Isa, int kVectors>
struct Strip {
  static constexpr int64_t kColumns = kVectors * kLanes;
  typename Isa::Single v[kVectors];

  BRIDLE_INLINE void zero() {
    for (auto& each : v) each = Isa::fill(each, 0.0);
  }
  BRIDLE_INLINE void load(const float* x) {
    for (int k = 0; k < kVectors; ++k) v[k] = Isa::load(x + k * kLanes);
  }
  BRIDLE_INLINE void store(float* x) const {
    for (int k = 0; k < kVectors; ++k) Isa::store(x + k * kLanes, v[k]);
  }
  BRIDLE_INLINE void add(const float* x) {
    for (int k = 0; k < kVectors; ++k) v[k] = Isa::add(v[k], Isa::load(x + k * kLanes));
  }
  BRIDLE_INLINE void add(float factor, const float* x) {
    for (int k = 0; k < kVectors; ++k) v[k] = Isa::fused(factor, Isa::load(x + k * kLanes), v[k]);
  }
  BRIDLE_INLINE void add_to(float* x) const {
    for (int k = 0; k < kVectors; ++k) {
      Isa::store(x + k * kLanes, Isa::add(Isa::load(x + k * kLanes), v[k]));
    }
  }
  BRIDLE_INLINE void add_to(float* x, float factor) const {
    for (int k = 0; k < kVectors; ++k) {
      Isa::store(x + k * kLanes, Isa::fused(factor, v[k], Isa::load(x + k * kLanes)));
    }
  }
};

template <class Isa>
struct Strip<Isa, 0> {
  static constexpr int64_t kColumns = 1;
  float v;

  void zero() { v = 0.0f; }
  void load(const float* x) { v = *x; }
  void store(float* x) const { *x = v; }
  void add(const float* x) { v += *x; }
  void add(float factor, const float* x) { v = std::fma(factor, *x, v); }
  void add_to(float* x) const { *x += v; }
  void add_to(float* x, float factor) const { *x = std::fma(factor, v, *x); }
};

// Calls work(strip, column) for all columns.
template <class Isa, class Work>
BRIDLE_INLINE void by_strips(int64_t units, const Work& work) {
  int64_t j = 0;
  for (; j + 4 * kLanes <= units; j += 4 * kLanes) work(Strip<Isa, 4>(), j);
  for (; j + kLanes <= units; j += kLanes) work(Strip<Isa, 1>(), j);
  for (; j < units; ++j) work(Strip<Isa, 0>(), j);
}

template <class Isa>
void encoded_forward(const EncodedBatch& of, const float* w, float* below, float* out) {
  const int64_t units = of.units;
  by_strips<Isa>(units, [&](auto sum, int64_t j) {
    for (int64_t q = 0; q < of.binned; ++q) {
      sum.zero();
      for (int64_t i = of.first[q]; i < of.first[q] + of.count[q]; ++i) {
        sum.store(below + i * units + j);
        sum.add(w + i * units + j);
      }
    }
    for (int64_t b = 0; b < of.batch; ++b) {
      const int32_t* code = of.codes + of.rows[b] * of.blocks;
      const float* part = of.parts + of.rows[b] * of.blocks;
      sum.load(out + b * units + j);
      for (int64_t q = 0; q < of.blocks; ++q) {
        const int64_t at = code[q] * units + j;
        if (q < of.binned) sum.add(below + at);
        sum.add(part[q], w + at);
      }
      sum.store(out + b * units + j);
    }
  });
}

template <class Isa>
void encoded_backward(const EncodedBatch& of, const float* slope, float* below, float* gradient) {
  const int64_t units = of.units;
  by_strips<Isa>(units, [&](auto sum, int64_t j) {
    sum.zero();
    for (int64_t q = 0; q < of.blocks; ++q) {
      for (int64_t i = of.first[q]; i < of.first[q] + of.count[q]; ++i) {
        sum.store(gradient + i * units + j);
        if (q < of.binned) sum.store(below + i * units + j);
      }
    }
    for (int64_t b = 0; b < of.batch; ++b) {
      const int32_t* code = of.codes + of.rows[b] * of.blocks;
      const float* part = of.parts + of.rows[b] * of.blocks;
      sum.load(slope + b * units + j);
      for (int64_t q = 0; q < of.blocks; ++q) {
        const int64_t at = code[q] * units + j;
        if (q < of.binned) sum.add_to(below + at);
        sum.add_to(gradient + at, part[q]);
      }
    }
    for (int64_t q = 0; q < of.binned; ++q) {
      sum.zero();
      for (int64_t i = of.first[q] + of.count[q] - 1; i >= of.first[q]; --i) {
        sum.add_to(gradient + i * units + j);
        sum.add(below + i * units + j);
      }
    }
  });
}

}  // namespace
}  // namespace bridle
