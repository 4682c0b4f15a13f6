// The activations of a network.
//
// Plain loops, which compilers vectorize with each variant's own flags. Exponentials have an error of
// about one unit in the last place.
#pragma once

#include <cstring>
#include <limits>

#include "kernels.h"

namespace bridle {
namespace {  // each variant is compiled with its own flags, and must not share code with another

// The constants of an exponential by the base 2: e^x = 2^k e^r, where k is the nearest integer to
// x / ln 2, and |r| is at most ln(2) / 2.
template <class T>
struct Exponential;

template <>
struct Exponential<float> {
  using Bits = uint32_t;
  static constexpr int kShift = 23;
  static constexpr Bits kBias = 127;
  static constexpr float kRounding = 12582912.0f;  // 1.5 × 2^23: a sum with it is rounded to integers
  static constexpr float kHigh = 0.693359375f, kLow = -2.12194440e-4f;  // ln 2 in two parts
  static constexpr float kSmallest = -86.6f, kLargest = 88.7228f;
  static constexpr float kFlat = 20.0f;  // above it, tanh of a half is 1
  // (e^r - 1 - r) / r², from the highest power down
  static constexpr float kTerms[] = {1.9875691500e-4f, 1.3981999507e-3f, 8.3334519073e-3f,
                                     4.1665795894e-2f, 1.6666665459e-1f, 5.0000001201e-1f};
};

template <>
struct Exponential<double> {
  using Bits = uint64_t;
  static constexpr int kShift = 52;
  static constexpr Bits kBias = 1023;
  static constexpr double kRounding = 6755399441055744.0;
  static constexpr double kHigh = 6.93145751953125e-1, kLow = 1.42860682030941723212e-6;
  static constexpr double kSmallest = -707.7, kLargest = 709.782712893384;
  static constexpr double kFlat = 40.0;
  static constexpr double kTerms[] = {
      1.0 / 6227020800.0, 1.0 / 479001600.0, 1.0 / 39916800.0, 1.0 / 3628800.0,
      1.0 / 362880.0,     1.0 / 40320.0,     1.0 / 5040.0,     1.0 / 720.0,
      1.0 / 120.0,        1.0 / 24.0,        1.0 / 6.0,        1.0 / 2.0};
};

// The sum of the terms by Horner's rule: a loop in the loop over elements would not be vectorized.
template <class T, size_t kFrom>
BRIDLE_INLINE T terms_from(T r, T sum) {
  if constexpr (kFrom == sizeof Exponential<T>::kTerms / sizeof(T)) {
    return sum;
  } else {
    return terms_from<T, kFrom + 1>(r, sum * r + Exponential<T>::kTerms[kFrom]);
  }
}

// Returns e^r - 1 and 2^(k - 1); the halved power is finite wherever e^x is.
template <class T>
BRIDLE_INLINE T reduced(T x, T& half) {
  using E = Exponential<T>;
  using Bits = typename E::Bits;
  const T shifted = x * static_cast<T>(1.4426950408889634) + E::kRounding;
  const T whole = shifted - E::kRounding;
  Bits power, bits;
  const T rounding = E::kRounding;
  std::memcpy(&power, &shifted, sizeof power);
  std::memcpy(&bits, &rounding, sizeof bits);
  power = (power - bits + (E::kBias - 1)) << E::kShift;
  std::memcpy(&half, &power, sizeof power);
  const T r = (x - whole * E::kHigh) - whole * E::kLow;
  return terms_from<T, 1>(r, E::kTerms[0]) * r * r + r;
}

// Subnormal results are zero.
template <class T>
BRIDLE_INLINE T exponential_of(T x) {
  using E = Exponential<T>;
  T half;
  const T rest = reduced(x, half);
  T found = (rest * half + half) * T(2);
  found = x < E::kSmallest ? T(0) : found;
  return x > E::kLargest ? std::numeric_limits<T>::infinity() : found;
}

// From e^2|x| - 1, which is exact to rounding near 0.
template <class T>
BRIDLE_INLINE T tanh_of(T x) {
  using E = Exponential<T>;
  typename E::Bits sign, bits;
  std::memcpy(&sign, &x, sizeof sign);
  const T size = x < T(0) ? -x : x, twice = size + size;
  T half;
  const T rest = reduced(twice > E::kFlat ? E::kFlat : twice, half);
  const T power = half + half, less = power * rest + (power - T(1));
  const T found = less / (less + T(2));
  std::memcpy(&bits, &found, sizeof bits);
  bits |= sign & (typename E::Bits{1} << (8 * sizeof(T) - 1));
  T signed_one;
  std::memcpy(&signed_one, &bits, sizeof bits);
  return signed_one;
}

template <class T>
BRIDLE_INLINE T logistic_of(T x) {
  return T(1) / (T(1) + exponential_of(-x));
}

template <class T, class F>
BRIDLE_INLINE void each_row(int64_t rows, int64_t units, T* x, const T* bias, F apply) {
  for (int64_t row = 0; row < rows; ++row, x += units) {
    for (int64_t i = 0; i < units; ++i) x[i] = apply(x[i] + bias[i]);
  }
}

template <class T>
void activate(Activation kind, int64_t rows, int64_t units, void* at, const void* added) {
  T* x = static_cast<T*>(at);
  const T* bias = static_cast<const T*>(added);
  if (kind == kIdentity) each_row(rows, units, x, bias, [](T v) { return v; });
  if (kind == kRelu) each_row(rows, units, x, bias, [](T v) { return v < T(0) ? T(0) : v; });
  if (kind == kTanh) each_row(rows, units, x, bias, [](T v) { return tanh_of(v); });
  if (kind == kLogistic) each_row(rows, units, x, bias, [](T v) { return logistic_of(v); });
}

template <class T>
void activate_backward(Activation kind, int64_t count, void* grad, const void* output) {
  T* g = static_cast<T*>(grad);
  const T* y = static_cast<const T*>(output);
  if (kind == kRelu) {
    for (int64_t i = 0; i < count; ++i) g[i] = y[i] <= T(0) ? T(0) : g[i];
  } else if (kind == kTanh) {
    for (int64_t i = 0; i < count; ++i) g[i] *= T(1) - y[i] * y[i];
  } else if (kind == kLogistic) {
    for (int64_t i = 0; i < count; ++i) g[i] = g[i] * (T(1) - y[i]) * y[i];
  }
}

template <class T>
void exponential(int64_t count, void* at) {
  T* x = static_cast<T*>(at);
  for (int64_t i = 0; i < count; ++i) x[i] = exponential_of(x[i]);
}

}  // namespace
}  // namespace bridle
