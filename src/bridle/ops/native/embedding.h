// Embeddings of numbers, which write the last inputs of the first layer: at prediction, and as a
// stage of a member's training, which also trains on the gradient of these inputs.
#pragma once

#include <algorithm>
#include <vector>

#include "kernels.h"
#include "masks.h"
#include "population.h"

namespace bridle {

constexpr int64_t kRowsAtOnce = 128;  // whose cosines stay in the core's first cache
static_assert(kRowsAtOnce % kWaveRows == 0);

// A member's part of the frequencies, shifts, weights and biases of all, [members, ...] each.
inline WaveParameters wave_parameters(const Waves& of, const Address* all, int64_t member) {
  const int64_t waves = of.numbers * of.count;
  return {at(all[0], member * waves), at(all[1], member * waves),
          at(all[2], member * waves * of.outputs), at(all[3], member * of.numbers * of.outputs)};
}

// Elements of the buffer of `predict_waves`.
inline size_t room_to_predict(int64_t outputs) {
  return static_cast<size_t>((outputs + 2) * kRowsAtOnce);
}

// Embeds the numbers in a member's rows at prediction, few rows at once.
inline void predict_waves(const Kernels& kernels, const Waves& of, const Address* all,
                          int64_t member, float* x, float* kept) {
  const WaveParameters by = wave_parameters(of, all, member);
  for (int64_t first = 0; first < of.rows; first += kRowsAtOnce) {
    Waves part = of;
    part.rows = std::min(kRowsAtOnce, of.rows - first);
    kernels.embed_only(part, x + first * of.stride, by, kept);
  }
}

// The stage of training: one thread's buffers.
class EmbeddingStage {
 public:
  EmbeddingStage(const Kernels& kernels, const Population& of)
      : kernels_(kernels), of_(of), waves_(of.waves()) {
    if (!of.embeds()) return;
    const int64_t waves = waves_.numbers * waves_.count;
    counts_[0] = counts_[1] = waves;
    counts_[2] = waves * waves_.outputs;
    counts_[3] = waves_.numbers * waves_.outputs;
    const int64_t parameters = counts_[0] + counts_[1] + counts_[2] + counts_[3];
    const int64_t slopes = of.batch * counts_[3];
    room_.resize(static_cast<size_t>(waves_.kept() + parameters + slopes + of.sizes[0]));
    kept_ = room_.data();
    gradients_ = placed(kept_ + waves_.kept());
    slopes_ = kept_ + waves_.kept() + parameters;
    row_ = slopes_ + slopes;
  }

  // Embeds the numbers in rows [batch, inputs of the first layer].
  void forward(int64_t member, float* x) {
    if (of_.embeds()) kernels_.embed(waves_, x, values(member), kept_);
  }

  // Makes the step; `weights` are those of the first layer, `slope` the gradient of its outputs.
  void backward(int64_t member, const float* slope, const float* weights, const Drawn& inputs,
                const Adam& by, float* panel) {
    if (!of_.embeds()) return;
    const int64_t units = of_.sizes[1], all = counts_[3], first = of_.sizes[0] - all;
    kernels_.multiply({of_.batch, units, all, slope, units, 1, weights + first * units, 1, units,
                       slopes_}, panel);
    if (inputs.drops) mask(inputs, first);
    kernels_.embed_backward(waves_, slopes_, values(member), gradients_, kept_);
    const float* gradient = gradients_.frequencies;
    for (int64_t p = 0; p < 4; ++p) {
      const auto own = [&](const std::vector<Address>& of) {
        const auto place = static_cast<size_t>(2 * of_.layers() + p);
        return of.empty() ? nullptr : at(of[place], member * counts_[p]);
      };
      kernels_.adam[kFloat32](counts_[p], own(of_.values), gradient, own(of_.moments),
                              own(of_.squares), own(of_.averages), by);
      gradient += counts_[p];
    }
  }

 private:
  // Masks the slopes as the outputs were; masks are drawn from the start of a group.
  void mask(const Drawn& inputs, int64_t first) {
    const int64_t begin = first / kGroup * kGroup, count = of_.sizes[0] - begin;
    for (int64_t b = 0; b < of_.batch; ++b) {
      float *own = slopes_ + b * counts_[3], *place = row_ + (first - begin);
      std::fill(row_, place, 0.0f);
      std::copy(own, own + counts_[3], place);
      kernels_.dropout[kFloat32](RowState(inputs.key, static_cast<uint64_t>(b)),
                                 static_cast<uint64_t>(begin), count, row_, nullptr, row_,
                                 inputs.scale, false);
      std::copy(place, place + counts_[3], own);
    }
  }

  WaveParameters values(int64_t member) const {
    return wave_parameters(waves_, of_.wave_values(), member);
  }
  WaveParameters placed(float* next) const {
    return {next, next + counts_[0], next + counts_[0] + counts_[1],
            next + counts_[0] + counts_[1] + counts_[2]};
  }

  const Kernels& kernels_;
  const Population& of_;
  const Waves waves_;
  int64_t counts_[4] = {};  // of frequencies, shifts, weights and biases
  std::vector<float> room_;
  float *kept_ = nullptr, *slopes_ = nullptr, *row_ = nullptr;
  WaveParameters gradients_ = {};
};

}  // namespace bridle
