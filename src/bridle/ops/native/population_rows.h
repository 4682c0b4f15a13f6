// What a step of a network does with the rows of a batch: takes them, drops units, and takes the
// gradient of the loss.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstring>

#include "population.h"

namespace bridle {

constexpr int64_t kApart = 16 + 64 / sizeof(float);  // arrays must not lie 4096 bytes apart

// Mixes a row with the previous one, as torch.lerp does. What is embedded comes after a row's inputs.
inline void take_rows(const Population& of, const int64_t* rows, float share, float* to) {
  const int64_t size = of.inputs();
  for (int64_t b = 0; b < of.batch; ++b, to += of.sizes[0]) {
    const float* own = at(of.X, rows[b] * size);
    if (share == 1.0f) {
      std::memcpy(to, own, sizeof(float) * static_cast<size_t>(size));
      continue;
    }
    const float* other = at(of.X, rows[b ? b - 1 : of.batch - 1] * size);
    if (share < 0.5f) {
      for (int64_t i = 0; i < size; ++i) to[i] = other[i] + share * (own[i] - other[i]);
    } else {
      for (int64_t i = 0; i < size; ++i) to[i] = own[i] - (own[i] - other[i]) * (1.0f - share);
    }
  }
}

// Drops units in place. With a bias: adds it and applies the ReLU first, as in a hidden layer.
inline void drop(const Kernels& kernels, const Drawn& by, int64_t rows, int64_t units, float* x,
                 const float* bias) {
  if (!by.drops) {
    if (bias) kernels.activate[kFloat32](kRelu, rows, units, x, bias);
    return;
  }
  for (int64_t b = 0; b < rows; ++b, x += units) {
    kernels.dropout[kFloat32](RowState(by.key, static_cast<uint64_t>(b)), 0, units, x, bias, x,
                              by.scale, bias != nullptr);
  }
}

// Gradient of share · w[y] · loss(y) + (1 - share) · w[other] · loss(other), divided by `size`,
// where loss is the cross-entropy with label smoothing.
inline void class_slopes(const Population& of, int64_t member, const int64_t* rows, float share,
                         float size, const float* scores, float* slope) {
  const int64_t classes = of.classes;
  const float smoothing = read<float>(of.smoothing)[member];
  const float even = smoothing / static_cast<float>(classes), all = 1.0f - smoothing;
  const float* weight = read<float>(of.class_weight) + member * classes;
  const int64_t* y = read<int64_t>(of.y);
  for (int64_t b = 0; b < of.batch; ++b, scores += classes, slope += classes) {
    const float most = *std::max_element(scores, scores + classes);
    float sum = 0.0f;
    for (int64_t c = 0; c < classes; ++c) sum += slope[c] = std::exp(scores[c] - most);
    const int64_t own = y[rows[b]], other = y[rows[b ? b - 1 : of.batch - 1]];
    const float of_own = share * weight[own] / size;
    const float of_other = share == 1.0f ? 0.0f : (1.0f - share) * weight[other] / size;
    const float both = of_own + of_other;
    for (int64_t c = 0; c < classes; ++c) slope[c] = both * (slope[c] / sum - even);
    slope[own] -= of_own * all;
    slope[other] -= of_other * all;
  }
}

// Gradient of the sum of squared errors, divided by `size`.
inline void value_slopes(const Population& of, const int64_t* rows, float share, float size,
                         const float* said, float* slope) {
  const float* y = read<float>(of.y);
  for (int64_t b = 0; b < of.batch; ++b) {
    float target = y[rows[b]];
    if (share != 1.0f) target = share * target + (1.0f - share) * y[rows[b ? b - 1 : of.batch - 1]];
    slope[b] = 2.0f * (said[b] - target) / size;
  }
}

inline void loss_slopes(const Population& of, int64_t member, const int64_t* rows, float share,
                        float size, const float* scores, float* slope) {
  if (of.classes) {
    class_slopes(of, member, rows, share, size, scores, slope);
  } else {
    value_slopes(of, rows, share, size, scores, slope);
  }
}

}  // namespace bridle
