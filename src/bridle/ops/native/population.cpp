// A member's step has the order of the search's own step in torch: rows, mixup, masks of inputs,
// weights and units, loss, backward pass, Adam with penalties, max-norm.
//
// Weights and activations of a member stay in the core's cache for all steps of a call.
#include "population.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <memory>

#include "norms.h"
#include "subnormals.h"
#include "threads.h"

namespace bridle {
namespace {

constexpr int64_t kApart = 16 + 64 / sizeof(float);  // arrays must not lie 4096 bytes apart

float* at(Address address, int64_t element) {
  return reinterpret_cast<float*>(address) + element;
}

// One thread's buffers, and the training of one member.
class Trainer {
 public:
  Trainer(const Kernels& kernels, const Population& of) : kernels_(kernels), of_(of) {
    const int64_t layers = of.layers();
    int64_t units = 0, weights = 0, all_weights = 0;
    for (int64_t l = 0; l < layers; ++l) {
      units = std::max(units, of.sizes[index(l + 1)]);
      weights = std::max(weights, count(l));
      all_weights += count(l) + kApart;
    }
    int64_t needed = kPanel + 2 * (of.batch * units + kApart) + weights + units + 2 * kApart;
    for (const int64_t size : of.sizes) needed += of.batch * size + kApart;
    room_.resize(static_cast<size_t>(needed + all_weights + kApart));
    float* next = room_.data();
    const auto take = [&next](int64_t size) {
      float* taken = next;
      next += size + kApart;
      return taken;
    };
    for (const int64_t size : of.sizes) activations_.push_back(take(of.batch * size));
    for (int64_t l = 0; l < layers; ++l) masked_.push_back(take(count(l)));
    slopes_[0] = take(of.batch * units);
    slopes_[1] = take(of.batch * units);
    gradient_ = take(weights);
    bias_gradient_ = take(units);
    panel_ = next;
  }

  void train(int64_t member) {
    for (int64_t s = 0; s < of_.steps; ++s) step(member, s);
  }

 private:
  static size_t index(int64_t i) { return static_cast<size_t>(i); }
  int64_t inputs(int64_t layer) const { return of_.sizes[index(layer)]; }
  int64_t outputs(int64_t layer) const { return of_.sizes[index(layer + 1)]; }
  int64_t count(int64_t layer) const { return inputs(layer) * outputs(layer); }
  // null for averages that are not wanted
  float* weights(const std::vector<Address>& of, int64_t layer, int64_t member) const {
    return of.empty() ? nullptr : at(of[index(layer)], member * count(layer));
  }
  float* biases(const std::vector<Address>& of, int64_t layer, int64_t member) const {
    return of.empty() ? nullptr : at(of[index(of_.layers() + layer)], member * outputs(layer));
  }

  Drawn mask(int64_t member, int64_t kind, int64_t stream, int64_t s) const {
    return Drawn(static_cast<uint64_t>(read<int64_t>(of_.seeds)[member]), stream,
                 of_.first_step + s, keep(member, kind));
  }
  double keep(int64_t member, int64_t kind) const {
    return read<double>(of_.keeps)[kind * of_.members + member];
  }

  void step(int64_t member, int64_t s) {
    const int64_t* rows = read<int64_t>(of_.rows) + (s * of_.folds + member % of_.folds) * of_.batch;
    const float share = of_.shares ? read<float>(of_.shares)[s * of_.members + member] : 1.0f;
    take_rows(rows, share);
    const Drawn input = mask(member, 0, 0, s);
    if (input.drops) drop(input, inputs(0), activations_[0], nullptr);
    forward(member, s);
    if (of_.classes) {
      class_slopes(member, rows, share);
    } else {
      value_slopes(rows, share);
    }
    backward(member, s);
    const double bound = read<double>(of_.bounds)[member];
    if (std::isinf(bound)) return;
    for (int64_t l = 0; l < of_.layers(); ++l) {
      bound_columns(kernels_, inputs(l), outputs(l), weights(of_.values, l, member), bound,
                    kFloat32);
    }
  }

  // Mixes a row with the previous one, as torch.lerp does.
  void take_rows(const int64_t* rows, float share) {
    const int64_t size = inputs(0);
    for (int64_t b = 0; b < of_.batch; ++b) {
      const float* own = at(of_.X, rows[b] * size);
      float* to = activations_[0] + b * size;
      if (share == 1.0f) {
        std::memcpy(to, own, sizeof(float) * index(size));
        continue;
      }
      const float* other = at(of_.X, rows[b ? b - 1 : of_.batch - 1] * size);
      if (share < 0.5f) {
        for (int64_t i = 0; i < size; ++i) to[i] = other[i] + share * (own[i] - other[i]);
      } else {
        for (int64_t i = 0; i < size; ++i) to[i] = own[i] - (own[i] - other[i]) * (1.0f - share);
      }
    }
  }

  // With a bias: adds it and applies the ReLU, as in a hidden layer.
  void drop(const Drawn& by, int64_t units, float* x, const float* bias) {
    for (int64_t b = 0; b < of_.batch; ++b, x += units) {
      if (by.drops) {
        kernels_.dropout[kFloat32](RowState(by.key, static_cast<uint64_t>(b)), 0, units, x, bias, x,
                                   by.scale, bias != nullptr);
      } else {
        for (int64_t j = 0; j < units; ++j) {
          const float sum = x[j] + bias[j];
          x[j] = sum < 0.0f ? 0.0f : sum;  // NaN stays
        }
      }
    }
  }

  void forward(int64_t member, int64_t s) {
    const int64_t last = of_.layers() - 1;
    of_weights_.clear();
    for (int64_t l = 0; l <= last; ++l) {
      const float* used = weights(of_.values, l, member);
      of_weights_.push_back(mask(member, 2, 2 * l + 1, s));
      const Drawn& dropped = of_weights_.back();
      if (dropped.drops) {
        kernels_.dropout[kFloat32](RowState(dropped.key, 0), 0, count(l), used, nullptr,
                                   masked_[index(l)], dropped.scale, false);
        used = masked_[index(l)];
      }
      float* out = activations_[index(l + 1)];
      const int64_t in = inputs(l), units = outputs(l);
      kernels_.multiply({of_.batch, in, units, activations_[index(l)], in, 1, used, units, 1, out},
                        panel_);
      const float* bias = biases(of_.values, l, member);
      if (l < last) {
        drop(mask(member, 1, 2 * (l + 1), s), units, out, bias);
      } else {
        for (int64_t b = 0; b < of_.batch; ++b) {
          for (int64_t j = 0; j < units; ++j) out[b * units + j] += bias[j];
        }
      }
    }
  }

  // Gradient of the batch mean of share · w[y] · loss(y) + (1 - share) · w[other] · loss(other),
  // where loss is the cross-entropy with label smoothing.
  void class_slopes(int64_t member, const int64_t* rows, float share) {
    const int64_t classes = of_.classes;
    const float smoothing = read<float>(of_.smoothing)[member];
    const float even = smoothing / static_cast<float>(classes), all = 1.0f - smoothing;
    const float* weight = read<float>(of_.class_weight) + member * classes;
    const int64_t* y = read<int64_t>(of_.y);
    const float* scores = activations_[index(of_.layers())];
    float* slope = slopes_[0];
    const float size = static_cast<float>(of_.batch);
    for (int64_t b = 0; b < of_.batch; ++b, scores += classes, slope += classes) {
      const float most = *std::max_element(scores, scores + classes);
      float sum = 0.0f;
      for (int64_t c = 0; c < classes; ++c) sum += slope[c] = std::exp(scores[c] - most);
      const int64_t own = y[rows[b]], other = y[rows[b ? b - 1 : of_.batch - 1]];
      const float of_own = share * weight[own] / size;
      const float of_other = share == 1.0f ? 0.0f : (1.0f - share) * weight[other] / size;
      const float both = of_own + of_other;
      for (int64_t c = 0; c < classes; ++c) slope[c] = both * (slope[c] / sum - even);
      slope[own] -= of_own * all;
      slope[other] -= of_other * all;
    }
  }

  // Gradient of the mean squared error.
  void value_slopes(const int64_t* rows, float share) {
    const float* y = read<float>(of_.y);
    const float* said = activations_[index(of_.layers())];
    for (int64_t b = 0; b < of_.batch; ++b) {
      float target = y[rows[b]];
      if (share != 1.0f) {
        target = share * target + (1.0f - share) * y[rows[b ? b - 1 : of_.batch - 1]];
      }
      slopes_[0][b] = 2.0f * (said[b] - target) / static_cast<float>(of_.batch);
    }
  }

  void backward(int64_t member, int64_t s) {
    const Adam by = adam_of(read<double>(of_.strengths) + (s * of_.members + member) * 9);
    Adam bare = by;
    bare.l1 = bare.l2 = 0.0;
    for (int64_t l = of_.layers() - 1; l >= 0; --l) {
      const int64_t in = inputs(l), units = outputs(l);
      const float *slope = slopes_[0], *below = activations_[index(l)];
      const Drawn& dropped = of_weights_[index(l)];
      kernels_.multiply({in, of_.batch, units, below, 1, in, slope, units, 1, gradient_}, panel_);
      std::fill_n(bias_gradient_, units, 0.0f);
      for (int64_t b = 0; b < of_.batch; ++b) {
        for (int64_t j = 0; j < units; ++j) bias_gradient_[j] += slope[b * units + j];
      }
      const float* used = weights(of_.values, l, member);
      if (dropped.drops) {
        kernels_.dropout[kFloat32](RowState(dropped.key, 0), 0, count(l), gradient_, nullptr,
                                   gradient_, dropped.scale, false);
        used = masked_[index(l)];
      }
      if (l > 0) {
        kernels_.multiply({of_.batch, units, in, slope, units, 1, used, 1, units, slopes_[1]},
                          panel_);
        kernels_.relu_backward[kFloat32](of_.batch * in, slopes_[1], below, slopes_[1],
                                         scale_of(threshold_of(keep(member, 1))));
      }
      kernels_.adam[kFloat32](count(l), weights(of_.values, l, member), gradient_,
                              weights(of_.moments, l, member), weights(of_.squares, l, member),
                              weights(of_.averages, l, member), by);
      kernels_.adam[kFloat32](units, biases(of_.values, l, member), bias_gradient_,
                              biases(of_.moments, l, member), biases(of_.squares, l, member),
                              biases(of_.averages, l, member), bare);
      std::swap(slopes_[0], slopes_[1]);
    }
  }

  const Kernels& kernels_;
  const Population& of_;
  std::vector<float> room_;
  std::vector<Drawn> of_weights_;  // weight masks of this step, by layer
  std::vector<float*> activations_, masked_;  // by layer: its input; its masked weights
  float* slopes_[2];                          // gradients of a layer's output and input
  float *gradient_, *bias_gradient_, *panel_;
};

}  // namespace

void population_steps(const Kernels& kernels, const Population& of, int threads) {
  const int64_t parts = std::min<int64_t>(usable_threads(threads), of.members);
  std::vector<std::unique_ptr<Trainer>> trainers;  // allocated here, where bad_alloc can be thrown
  for (int64_t part = 0; part < parts; ++part) {
    trainers.push_back(std::make_unique<Trainer>(kernels, of));
  }
  split(parts, static_cast<int>(parts), [&](int64_t begin, int64_t end) {
    const FlushSubnormals flush;
    for (int64_t part = begin; part < end; ++part) {
      for (int64_t member = part; member < of.members; member += parts) {
        trainers[static_cast<size_t>(part)]->train(member);
      }
    }
  });
}

}  // namespace bridle
