// A member's step has the order of the search's own step in torch: rows, mixup, masks of inputs,
// weights and units, loss, backward pass, Adam with penalties, max-norm.
//
// Weights and activations of a member stay in the core's cache for all steps of a call.
#include "population.h"

#include <algorithm>
#include <cmath>
#include <vector>

#include "by_members.h"
#include "embedding.h"
#include "first_layer.h"
#include "norms.h"
#include "population_rows.h"
#include "shared_members.h"

namespace bridle {
namespace {

// One thread's buffers, and the training of one member.
class Trainer {
 public:
  Trainer(const Kernels& kernels, const Population& of)
      : kernels_(kernels), of_(of), embedding_(kernels, of), first_(kernels, of) {
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
    const Drawn input = mask(member, 0, 0, s);
    encoded_ = first_.usable() && !input.drops;
    if (!encoded_ || of_.embeds()) take_rows(of_, rows, share, activations_[0]);
    embedding_.forward(member, activations_[0]);
    drop(kernels_, input, of_.batch, inputs(0), activations_[0], nullptr);
    forward(member, s, rows, share);
    loss_slopes(of_, member, rows, share, static_cast<float>(of_.batch),
                activations_[index(of_.layers())], slopes_[0]);
    backward(member, s, rows, share);
    const double bound = read<double>(of_.bounds)[member];
    if (std::isinf(bound)) return;
    for (int64_t l = 0; l < of_.layers(); ++l) {
      bound_columns(kernels_, inputs(l), outputs(l), weights(of_.values, l, member), bound,
                    kFloat32);
    }
  }

  void forward(int64_t member, int64_t s, const int64_t* rows, float share) {
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
      if (l == 0 && encoded_) {
        first_.forward(rows, share, activations_[0], used, out, panel_);
      } else {
        kernels_.multiply({of_.batch, in, units, activations_[index(l)], in, 1, used, units, 1, out},
                          panel_);
      }
      const float* bias = biases(of_.values, l, member);
      if (l < last) {
        drop(kernels_, mask(member, 1, 2 * (l + 1), s), of_.batch, units, out, bias);
      } else {
        kernels_.activate[kFloat32](kIdentity, of_.batch, units, out, bias);
      }
    }
  }

  void backward(int64_t member, int64_t s, const int64_t* rows, float share) {
    const Adam by = adam_of(read<double>(of_.strengths) + (s * of_.members + member) * 9);
    Adam bare = by;
    bare.l1 = bare.l2 = 0.0;
    for (int64_t l = of_.layers() - 1; l >= 0; --l) {
      const int64_t in = inputs(l), units = outputs(l);
      const float *slope = slopes_[0], *below = activations_[index(l)];
      const Drawn& dropped = of_weights_[index(l)];
      if (l == 0 && encoded_) {
        first_.backward(rows, share, slope, gradient_, panel_);
      } else {
        kernels_.multiply({in, of_.batch, units, below, 1, in, slope, units, 1, gradient_}, panel_);
      }
      kernels_.add_rows[kFloat32](of_.batch, units, slope, units, bias_gradient_);
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
      } else {
        embedding_.backward(member, slope, used, mask(member, 0, 0, s), bare, panel_);
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
  EmbeddingStage embedding_;
  FirstLayer first_;
  std::vector<float> room_;
  std::vector<Drawn> of_weights_;  // weight masks of this step, by layer
  std::vector<float*> activations_, masked_;  // by layer: its input; its masked weights
  float* slopes_[2];                          // gradients of a layer's output and input
  float *gradient_, *bias_gradient_, *panel_;
  bool encoded_ = false;  // whether this step's first layer takes encoded rows
};

}  // namespace

void population_steps(const Kernels& kernels, const Population& of, int threads) {
  const auto train = [](auto& trainer, int64_t member) { trainer.train(member); };
  if (of.shared > 1) {
    by_members<SharedTrainer>(kernels, of, threads, train);
  } else {
    by_members<Trainer>(kernels, of, threads, train);
  }
}

}  // namespace bridle
