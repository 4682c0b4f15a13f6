// The losses of a batch, and their slopes.
//
// Plain loops, without branches on an element: compilers vectorize them with each variant's own
// flags.
#pragma once

#include <cmath>

#include "activations.h"
#include "kernels.h"

namespace bridle {
namespace {  // each variant is compiled with its own flags, and must not share code with another

constexpr int64_t kAhead = 8;  // rows: the hardware cannot predict which target comes next

template <class T>
BRIDLE_INLINE void prefetch(const T* line, int64_t count) {
#if defined(__GNUC__)
  for (int64_t j = 0; j < count; j += 64 / static_cast<int64_t>(sizeof(T))) {
    __builtin_prefetch(line + j);
  }
#else
  (void)line, (void)count;
#endif
}

// Exponentials of a row's scores less the largest, or the means that the scores stand for.
template <class T>
void means_of(Loss loss, int64_t rows, int64_t units, const T* scores, T* out) {
  const int64_t count = rows * units;
  if (loss == kCrossEntropy) {
    for (int64_t i = 0; i < count; i += units) {
      T most = scores[i];
      for (int64_t j = 1; j < units; ++j) most = most < scores[i + j] ? scores[i + j] : most;
      for (int64_t j = 0; j < units; ++j) out[i + j] = scores[i + j] - most;
    }
    for (int64_t i = 0; i < count; ++i) out[i] = exponential_of(out[i]);
  } else if (loss == kPoisson) {
    for (int64_t i = 0; i < count; ++i) out[i] = exponential_of(scores[i]);
  } else if (loss == kBinary) {
    for (int64_t i = 0; i < count; ++i) out[i] = logistic_of(scores[i]);
  } else {
    for (int64_t i = 0; i < count; ++i) out[i] = scores[i];
  }
}

// Divides the exponentials by their sum; returns the loss.
template <class T, class Y>
BRIDLE_INLINE T row_cross_entropy(int64_t units, const T* scores, T* powers, const Y* y) {
  T sum = T(0), loss = T(0), most = scores[0];
  for (int64_t j = 0; j < units; ++j) {
    sum += powers[j];
    most = most < scores[j] ? scores[j] : most;
  }
  const T level = most + std::log(sum);
  for (int64_t j = 0; j < units; ++j) powers[j] /= sum;
  for (int64_t j = 0; j < units; ++j) {
    const T share = static_cast<T>(y[j]), part = (level - scores[j]) * share;
    loss += share == T(0) ? T(0) : part;  // 0 ∞ is 0 here
  }
  return loss;
}

// The loss of one score, given the mean that it stands for; of a squared error, twice the loss.
template <class T>
BRIDLE_INLINE T score_loss(Loss kind, T score, T mean, T y) {
  if (kind == kBinary) {
    const T size = score < T(0) ? -score : score, wrong = score > T(0) ? T(1) - y : y;
    return (wrong == T(0) ? T(0) : size * wrong) + std::log1p(exponential_of(-size));
  }
  if (kind == kPoisson) return (y == T(0) ? T(0) : y * std::log(y)) - y * score - y + mean;
  return (score - y) * (score - y);
}

template <class T, class Y>
void row_losses_of(const RowLosses& of) {
  const int64_t units = of.units;
  const T* scores = static_cast<const T*>(of.scores);
  const Y* all = static_cast<const Y*>(of.y);
  const T* weights = static_cast<const T*>(of.weight);
  T *slope = static_cast<T*>(of.slopes), *losses = static_cast<T*>(of.losses);
  const T total = static_cast<T>(of.total), share = T(1) / total;
  means_of(of.loss, of.rows, units, scores, slope);
  for (int64_t b = 0; b < of.rows; ++b, slope += units, scores += units) {
    if (b + kAhead < of.rows) prefetch(all + of.order[b + kAhead] * units, units);
    const Y* y = all + of.order[b] * units;
    const T weight = weights ? weights[of.order[b]] : T(1);
    const T factor = weights ? weight / total : share;
    T loss = T(0);
    if (of.loss == kCrossEntropy) {
      loss = row_cross_entropy(units, scores, slope, y);
    } else {
      for (int64_t j = 0; j < units; ++j) {
        loss += score_loss(of.loss, scores[j], slope[j], static_cast<T>(y[j]));
      }
      if (of.loss == kSquaredError) loss *= T(0.5) / static_cast<T>(units);
    }
    losses[b] = loss * weight;
    for (int64_t j = 0; j < units; ++j) slope[j] = (slope[j] - static_cast<T>(y[j])) * factor;
  }
}

template <class T>
void row_losses(const RowLosses& of) {
  if (of.flags) {
    row_losses_of<T, uint8_t>(of);
  } else {
    row_losses_of<T, T>(of);
  }
}

}  // namespace
}  // namespace bridle
