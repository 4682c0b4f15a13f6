// The losses of a row, given its scores and their exponentials or means.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>

namespace bridle {

enum Loss { kSquaredError, kPoisson, kBinary, kCrossEntropy };

// Divides the exponentials of scores, less the largest score, by their sum; returns the loss.
template <class T>
T cross_entropy(int64_t units, const T* scores, T* powers, const T* y) {
  T sum = T(0), loss = T(0);
  for (int64_t j = 0; j < units; ++j) sum += powers[j];
  const T level = *std::max_element(scores, scores + units) + std::log(sum);
  for (int64_t j = 0; j < units; ++j) {
    powers[j] /= sum;
    if (y[j] != T(0)) loss += (level - scores[j]) * y[j];
  }
  return loss;
}

// The loss of one score, given the mean that it stands for; of a squared error, twice the loss.
template <class T>
T loss_of(Loss kind, T score, T mean, T y) {
  if (kind == kBinary) {
    const T size = std::abs(score), wrong = score > T(0) ? T(1) - y : y;
    return (wrong == T(0) ? T(0) : size * wrong) + std::log1p(std::exp(-size));  // 0 ∞ is 0 here
  }
  if (kind == kPoisson) return (y == T(0) ? T(0) : y * std::log(y)) - y * score - y + mean;
  return (score - y) * (score - y);
}

}  // namespace bridle
