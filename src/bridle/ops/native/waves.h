// Periodic embeddings of numbers: cosines of a number, and a linear layer of its own.
//
// Plain loops, which compilers vectorize with each variant's own flags. Rows are a multiple of
// sixteen, the last of them empty. Sines and cosines have an error of about two units in the last
// place of 1: a number of turns is first reduced to half a turn, which is exact.
#pragma once

#include <cmath>

#include "kernels.h"

namespace bridle {
namespace {  // each variant is compiled with its own flags, and must not share code with another

constexpr float kTurn = 6.28318530717958647692f;

// sin(2π r) for |r| of at most a quarter turn.
BRIDLE_INLINE float sine_of_quarter(float r) {
  const float q = r * r;
  const float sum = ((39.71091842651367f * q - 76.57498931884766f) * q + 81.60223388671875f) * q;
  return ((sum - 41.341678619384766f) * q + kTurn) * r;
}

BRIDLE_INLINE float size_of(float x) { return x < 0.0f ? -x : x; }

// Adds sixteen partial sums in a fixed order.
BRIDLE_INLINE float sum_of_lanes(float* sums) {
  for (int64_t width = kWaveRows / 2; width; width /= 2) {
    for (int64_t k = 0; k < width; ++k) sums[k] += sums[k + width];
  }
  return sums[0];
}

inline float sum_of_products(int64_t rows, const float* __restrict a, const float* __restrict b) {
  float sums[kWaveRows] = {};
  for (int64_t i = 0; i < rows; i += kWaveRows) {
    for (int64_t k = 0; k < kWaveRows; ++k) sums[k] += a[i + k] * b[i + k];
  }
  return sum_of_lanes(sums);
}

inline float sum_of(int64_t rows, const float* a) {
  float sums[kWaveRows] = {};
  for (int64_t i = 0; i < rows; i += kWaveRows) {
    for (int64_t k = 0; k < kWaveRows; ++k) sums[k] += a[i + k];
  }
  return sum_of_lanes(sums);
}

// The cosines of a wave, and its sines if they are wanted, [rows] each.
template <bool kSines>
void find_waves(int64_t rows, float frequency, float shift, const float* __restrict x,
                float* __restrict cosines, float* __restrict sines) {
  for (int64_t b = 0; b < rows; ++b) {
    const float turns = x[b] * frequency + shift;
    const float r = turns - std::nearbyint(turns), size = size_of(r), rest = 0.5f - size;
    cosines[b] = sine_of_quarter(0.25f - size);
    if (kSines) {
      const float near = size < rest ? size : rest;
      sines[b] = sine_of_quarter(r < 0.0f ? -near : near);
    }
  }
}

inline void add_scaled(int64_t rows, float factor, const float* __restrict from,
                       float* __restrict to) {
  for (int64_t b = 0; b < rows; ++b) to[b] += factor * from[b];
}

// `kept` has for each number its rows, and then the cosines and the sines of each wave; without
// training it is used again for each number, without sines.
template <bool kTrains>
void embed(const Waves& of, float* x, const WaveParameters& by, float* kept) {
  const int64_t rows = of.padded(), outputs = of.outputs;
  const int64_t each = kTrains ? of.kept_of_a_number() : 0;
  float* sums = kept + (kTrains ? of.numbers * each : 2 * rows);
  for (int64_t i = 0; i < of.numbers; ++i, kept += each) {
    for (int64_t b = 0; b < rows; ++b) kept[b] = b < of.rows ? x[b * of.stride + i] : 0.0f;
    for (int64_t j = 0; j < outputs; ++j) {
      for (int64_t b = 0; b < rows; ++b) sums[j * rows + b] = by.biases[i * outputs + j];
    }
    for (int64_t k = 0; k < of.count; ++k) {
      const int64_t at = i * of.count + k;
      float *cosines = kept + (kTrains ? 1 + 2 * k : 1) * rows, *sines = cosines + rows;
      find_waves<kTrains>(rows, by.frequencies[at], by.shifts[at], kept, cosines, sines);
      for (int64_t j = 0; j < outputs; ++j) {
        add_scaled(rows, by.weights[at * outputs + j], cosines, sums + j * rows);
      }
    }
    float* to = x + of.stride - (of.numbers - i) * outputs;  // the outputs are a row's last inputs
    for (int64_t b = 0; b < of.rows; ++b, to += of.stride) {
      for (int64_t j = 0; j < outputs; ++j) to[j] = sums[j * rows + b];
    }
  }
}

inline void embed_backward(const Waves& of, const float* slopes, const WaveParameters& by,
                           const WaveParameters& gradients, float* kept) {
  const int64_t rows = of.padded(), outputs = of.outputs, all = of.numbers * outputs;
  float *own = kept + of.numbers * of.kept_of_a_number(), *inner = own + outputs * rows;
  for (int64_t i = 0; i < of.numbers; ++i, kept += of.kept_of_a_number()) {
    for (int64_t j = 0; j < outputs; ++j) {
      for (int64_t b = 0; b < rows; ++b) {
        own[j * rows + b] = b < of.rows ? slopes[b * all + i * outputs + j] : 0.0f;
      }
      gradients.biases[i * outputs + j] = sum_of(rows, own + j * rows);
    }
    for (int64_t k = 0; k < of.count; ++k) {
      const int64_t at = i * of.count + k;
      const float *cosines = kept + (1 + 2 * k) * rows, *sines = cosines + rows;
      for (int64_t b = 0; b < rows; ++b) inner[b] = 0.0f;
      for (int64_t j = 0; j < outputs; ++j) {
        gradients.weights[at * outputs + j] = sum_of_products(rows, own + j * rows, cosines);
        add_scaled(rows, by.weights[at * outputs + j], own + j * rows, inner);
      }
      for (int64_t b = 0; b < rows; ++b) inner[b] *= -kTurn * sines[b];
      gradients.shifts[at] = sum_of(rows, inner);
      gradients.frequencies[at] = sum_of_products(rows, inner, kept);
    }
  }
}

}  // namespace
}  // namespace bridle
