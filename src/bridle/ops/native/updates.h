// The updates of weights by Adam and by SGD, and the gradient of L2.
//
// Plain loops: compilers vectorize them with each variant's own flags, and keep all numbers of an
// element in registers, which sixteen doubles at a time do not allow.
#pragma once

#include <cmath>

#include "kernels.h"

namespace bridle {
namespace {  // each variant is compiled with its own flags, and must not share code with another

template <class T>
BRIDLE_INLINE T clamped(T value, T limit) {
  const T raised = value < -limit ? -limit : value;
  return raised > limit ? limit : raised;
}

template <class T, bool kProx, bool kAverage>
void adam_loop(int64_t count, T* __restrict w, const T* __restrict grad, T* __restrict moment,
               T* __restrict square, T* __restrict average, const Adam& by) {
  const auto in = [](double value) { return static_cast<T>(value); };
  const T beta1 = in(by.beta1), rest1 = in(1.0 - by.beta1);
  const T beta2 = in(by.beta2), rest2 = in(1.0 - by.beta2);
  const T rate = in(by.rate), eps = in(by.eps), l1 = in(by.l1), l2 = in(by.l2);
  const T correction1 = in(by.correction1), correction2 = in(by.correction2);
  const T moved = in(1.0 - by.average);
  for (int64_t i = 0; i < count; ++i) {
    // load everything before storing anything: arrays are often a multiple of 4096 bytes apart, and
    // then a load waits for a store at the same offset of another page
    const T slope = grad[i], m_old = moment[i], v_old = square[i], x_old = w[i];
    const T a_old = kAverage ? average[i] : x_old;
    const T first = beta1 * m_old + rest1 * slope;
    const T second = beta2 * v_old + rest2 * (slope * slope);
    const T step = rate / (std::sqrt(second * correction2) + eps);
    T x = x_old - step * (first * correction1);
    if (kProx) x = (x - clamped(x, step * l1)) / (T(1) + step * l2);
    moment[i] = first;
    square[i] = second;
    w[i] = x;
    if (kAverage) average[i] = a_old + moved * (x - a_old);
  }
}

template <class T>
void adam(int64_t count, void* w, const void* grad, void* moment, void* square, void* average,
          const Adam& by) {
  const bool prox = by.l1 != 0 || by.l2 != 0;
  auto* loop = prox ? (average ? adam_loop<T, true, true> : adam_loop<T, true, false>)
                    : (average ? adam_loop<T, false, true> : adam_loop<T, false, false>);
  loop(count, static_cast<T*>(w), static_cast<const T*>(grad), static_cast<T*>(moment),
       static_cast<T*>(square), static_cast<T*>(average), by);
}

template <class T, bool kNesterov>
void sgd_loop(int64_t count, T* __restrict w, const T* __restrict g, T* __restrict v, T rate,
              T momentum, T limit) {
  for (int64_t i = 0; i < count; ++i) {
    const T step = rate * g[i], next = momentum * v[i] - step;
    const T moved = w[i] + (kNesterov ? momentum * next - step : next);
    v[i] = next;
    w[i] = limit > T(0) ? moved - clamped(moved, limit) : moved;
  }
}

template <class T>
void sgd(int64_t count, void* w, const void* grad, void* velocity, const Sgd& by) {
  auto* loop = by.nesterov ? sgd_loop<T, true> : sgd_loop<T, false>;
  loop(count, static_cast<T*>(w), static_cast<const T*>(grad), static_cast<T*>(velocity),
       static_cast<T>(by.rate), static_cast<T>(by.momentum), static_cast<T>(by.threshold));
}

// Sixteen partial sums, which vectorize; adding half of them to the other half does too.
template <class T>
BRIDLE_INLINE double total_of(const T* parts) {
  double sums[8];
  for (int k = 0; k < 8; ++k) {
    sums[k] = static_cast<double>(parts[k]) + static_cast<double>(parts[k + 8]);
  }
  for (int k = 0; k < 4; ++k) sums[k] += sums[k + 4];
  return (sums[0] + sums[2]) + (sums[1] + sums[3]);
}

template <class T>
void add_rows(int64_t rows, int64_t columns, const void* from, int64_t step, void* to) {
  const T* __restrict x = static_cast<const T*>(from);
  T* __restrict out = static_cast<T*>(to);
  for (int64_t j = 0; j < columns; ++j) out[j] = T(0);
  int64_t row = 0;
  for (; row + 4 <= rows; row += 4, x += 4 * step) {  // fewer loads and stores of the sums
    const T *a = x, *b = x + step, *c = x + 2 * step, *d = x + 3 * step;
    for (int64_t j = 0; j < columns; ++j) out[j] = (((out[j] + a[j]) + b[j]) + c[j]) + d[j];
  }
  for (; row < rows; ++row, x += step) {
    for (int64_t j = 0; j < columns; ++j) out[j] += x[j];
  }
}

}  // namespace
}  // namespace bridle
