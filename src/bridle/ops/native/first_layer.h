// The first layer of a member whose inputs are encoded numbers and categories.
#pragma once

#include <algorithm>
#include <cstdint>
#include <cstring>
#include <vector>

#include "kernels.h"
#include "population.h"

namespace bridle {

// One thread's buffers. Inputs outside of the blocks, and what is embedded, are multiplied as usual.
// Of the blocks, mixup mixes the products of rows in place of the rows, which is the same to rounding.
class FirstLayer {
  static constexpr int64_t kInputsOfStrip = 256;  // inputs × units; see benchmarks/population_step.py

 public:
  FirstLayer(const Kernels& kernels, const Population& of)
      : kernels_(kernels), of_(of), units_(of.sizes[1]), columns_(of.plain) {
    if (!usable()) return;
    for (int64_t i = of.inputs(); i < of.sizes[0]; ++i) columns_.push_back(i);
    plain_ = size(columns_);
    const int64_t weights = of.sizes[0] * units_, batch = of.batch * units_;
    below_.resize(place(weights));
    mixed_.resize(place(batch));
    if (plain_ == 0) return;
    taken_.resize(place(of.batch * plain_));
    rows_.resize(place(plain_ * units_));
  }

  // Whether sums of rows are quicker than products: the blocks have many inputs, and the units are not
  // few. Masks of inputs differ by row, so that there are no prefix sums then.
  bool usable() const {
    int64_t inputs = 0;
    for (const int64_t count : of_.count) inputs += count;
    const int64_t strips = units_ / 64 + units_ % 64 / 16 + units_ % 16;
    return inputs > 0 && inputs * units_ >= kInputsOfStrip * size(of_.count) * strips;
  }

  // out = the product of the batch's rows and the weights. With an embedding, `x` has the rows that
  // enter the layer, mixed.
  void forward(const int64_t* rows, float share, const float* x, const float* w, float* out,
               float* panel) {
    if (plain_) {
      for (int64_t k = 0; k < plain_; ++k) {
        copy(w + columns_[place(k)] * units_, rows_.data() + k * units_);
      }
      take(rows, share, x);
      kernels_.multiply({of_.batch, plain_, units_, taken_.data(), plain_, 1, rows_.data(), units_,
                         1, out},
                        panel);
    } else {
      std::memset(out, 0, sizeof(float) * place(of_.batch * units_));
    }
    if (share == 1.0f) {
      kernels_.encoded_forward(batch(rows), w, below_.data(), out);
      return;
    }
    std::fill(mixed_.begin(), mixed_.end(), 0.0f);
    kernels_.encoded_forward(batch(rows), w, below_.data(), mixed_.data());
    mix(mixed_.data(), share, -1, [&](int64_t i, float mixed) { out[i] += mixed; });
  }

  // The gradient of the weights, after `forward` for the same rows.
  void backward(const int64_t* rows, float share, const float* slope, float* gradient,
                float* panel) {
    if (plain_) {
      kernels_.multiply({plain_, of_.batch, units_, taken_.data(), 1, plain_, slope, units_, 1,
                         rows_.data()},
                        panel);
      for (int64_t k = 0; k < plain_; ++k) {
        copy(rows_.data() + k * units_, gradient + columns_[place(k)] * units_);
      }
    }
    if (share != 1.0f) {
      mix(slope, share, 1, [&](int64_t i, float mixed) { mixed_[place(i)] = mixed; });
      slope = mixed_.data();
    }
    kernels_.encoded_backward(batch(rows), slope, below_.data(), gradient);
  }

 private:
  static size_t place(int64_t i) { return static_cast<size_t>(i); }
  static int64_t size(const std::vector<int64_t>& of) { return static_cast<int64_t>(of.size()); }

  EncodedBatch batch(const int64_t* rows) const {
    return {of_.batch,        units_,          size(of_.first),         of_.binned,
            of_.first.data(), of_.count.data(), read<int32_t>(of_.codes), read<float>(of_.parts),
            rows};
  }
  void copy(const float* from, float* to) const {
    std::memcpy(to, from, sizeof(float) * place(units_));
  }
  void take(const int64_t* rows, float share, const float* x) {
    const int64_t inputs = of_.sizes[0];
    float* to = taken_.data();
    for (int64_t b = 0; b < of_.batch; ++b) {
      if (of_.embeds()) {
        for (const int64_t column : columns_) *to++ = x[b * inputs + column];
        continue;
      }
      const float* own = read<float>(of_.X) + rows[b] * inputs;
      const float* other = read<float>(of_.X) + rows[b ? b - 1 : of_.batch - 1] * inputs;
      for (const int64_t column : columns_) {
        *to++ = share == 1.0f ? own[column] : other[column] + share * (own[column] - other[column]);
      }
    }
  }
  // Calls put(i, share · from[b] + (1 - share) · from[b + step]) for all elements i of the batch's
  // rows b, around the batch.
  template <class Put>
  void mix(const float* from, float share, int64_t step, const Put& put) const {
    for (int64_t b = 0; b < of_.batch; ++b) {
      const float* own = from + b * units_;
      const float* other = from + (b + step + of_.batch) % of_.batch * units_;
      for (int64_t j = 0; j < units_; ++j) {
        put(b * units_ + j, share * own[j] + (1.0f - share) * other[j]);
      }
    }
  }

  const Kernels& kernels_;
  const Population& of_;
  const int64_t units_;
  std::vector<int64_t> columns_;  // of the inputs outside of the blocks
  int64_t plain_ = 0;
  std::vector<float> below_;  // by input: the sums over the bins below, or what is added to those
  std::vector<float> mixed_;  // the products before they are mixed, or the mixed slopes
  std::vector<float> taken_, rows_;  // of these inputs: values, rows of the weights
};

}  // namespace bridle
