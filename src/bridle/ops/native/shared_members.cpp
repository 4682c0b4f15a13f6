#include "shared_members.h"

#include <algorithm>
#include <cmath>
#include <cstring>

#include "norms.h"
#include "population_rows.h"

namespace bridle {
namespace {

size_t index(int64_t i) { return static_cast<size_t>(i); }

}  // namespace

SharedTrainer::SharedTrainer(const Kernels& kernels, const Population& of)
    : kernels_(kernels), of_(of), last_(of.layers() - 1), rows_(of.shared * of.batch) {
  const int64_t k = of.shared;
  int64_t widest = 0, weights = 0;
  for (const int64_t size : of.sizes) widest = std::max(widest, size);
  for (int64_t l = 0; l <= last_; ++l) weights = std::max(weights, count(l) * copies(l));
  for (int64_t m = 0; m < of.members; ++m) {
    const double keep = read<double>(of.keeps)[2 * of.members + m];
    masks_weights_ = masks_weights_ || threshold_of(keep) < 65536;
  }
  std::vector<std::pair<float**, int64_t>> wanted;
  const auto want = [&wanted](float** at, int64_t size) { wanted.emplace_back(at, size); };
  activations_.resize(of.sizes.size());
  for (auto* each : {&scaled_, &products_, &masked_}) each->resize(index(last_ + 1));
  for (int64_t l = 0; l <= last_ + 1; ++l) {
    want(&activations_[index(l)], rows_ * of.sizes[index(l)]);
    if (l > last_) continue;
    if (masks_weights_) want(&masked_[index(l)], k * count(l));
    if (l == last_) continue;
    want(&scaled_[index(l)], rows_ * inputs(l));
    want(&products_[index(l)], rows_ * outputs(l));
  }
  want(&slopes_[0], rows_ * widest);
  want(&slopes_[1], rows_ * widest);
  want(&gradient_, weights);
  want(&part_gradient_, masks_weights_ ? weights : 0);
  want(&sums_, k * widest);
  want(&panel_, kPanel);
  int64_t needed = 0;
  for (const auto& each : wanted) needed += each.second + kApart;
  room_.resize(index(needed));
  float* next = room_.data();
  for (const auto& each : wanted) {
    *each.first = next;
    next += each.second + kApart;
  }
  of_weights_.resize(index(last_ + 1));
}

void SharedTrainer::train(int64_t member) {
  for (int64_t s = 0; s < of_.steps; ++s) step(member, s);
}

float* SharedTrainer::part(const std::vector<Address>& of, int64_t place, int64_t size) const {
  return of.empty() ? nullptr : at(of[index(place)], size);
}
float* SharedTrainer::weights(const std::vector<Address>& of, int64_t l, int64_t member) const {
  return part(of, l, member * copies(l) * count(l));
}
float* SharedTrainer::biases(const std::vector<Address>& of, int64_t l, int64_t member) const {
  return part(of, of_.layers() + l, member * of_.shared * outputs(l));
}
float* SharedTrainer::input_scales(const std::vector<Address>& of, int64_t l,
                                   int64_t member) const {
  return part(of, 2 * of_.layers() + l, member * of_.shared * inputs(l));
}
float* SharedTrainer::output_scales(const std::vector<Address>& of, int64_t l,
                                    int64_t member) const {
  return part(of, 2 * of_.layers() + last_ + l, member * of_.shared * outputs(l));
}

Drawn SharedTrainer::mask(int64_t member, int64_t j, int64_t kind, int64_t stream,
                          int64_t s) const {
  const int64_t seed = read<int64_t>(of_.seeds)[member * of_.shared + j];
  const double keep = read<double>(of_.keeps)[kind * of_.members + member];
  return Drawn(static_cast<uint64_t>(seed), stream, of_.first_step + s, keep);
}

void SharedTrainer::step(int64_t member, int64_t s) {
  const int64_t* rows = read<int64_t>(of_.rows) + (s * of_.folds + member % of_.folds) * of_.batch;
  const float share = of_.shares ? read<float>(of_.shares)[s * of_.members + member] : 1.0f;
  const int64_t taken = of_.batch * inputs(0), said = of_.batch * outputs(last_);
  float* X = activations_[0];
  take_rows(of_, rows, share, X);
  for (int64_t j = 1; j < of_.shared; ++j) {
    std::memcpy(X + j * taken, X, sizeof(float) * index(taken));
  }
  for (int64_t j = 0; j < of_.shared; ++j) {
    drop(kernels_, mask(member, j, 0, 0, s), of_.batch, inputs(0), X + j * taken, nullptr);
  }
  forward(member, s);
  for (int64_t j = 0; j < of_.shared; ++j) {
    loss_slopes(of_, member, rows, share, static_cast<float>(rows_),
                activations_[index(last_ + 1)] + j * said, slopes_[0] + j * said);
  }
  backward(member, s);
  const double bound = read<double>(of_.bounds)[member];
  if (std::isinf(bound)) return;
  for (int64_t l = 0; l <= last_; ++l) {
    for (int64_t j = 0; j < copies(l); ++j) {
      bound_columns(kernels_, inputs(l), outputs(l),
                    weights(of_.values, l, member) + j * count(l), bound, kFloat32);
    }
  }
}

void SharedTrainer::scale(int64_t units, const float* x, const float* factors, float* out) const {
  for (int64_t j = 0; j < of_.shared; ++j, factors += units) {
    for (int64_t b = 0; b < of_.batch; ++b, x += units, out += units) {
      for (int64_t i = 0; i < units; ++i) out[i] = x[i] * factors[i];
    }
  }
}

void SharedTrainer::sum_products(int64_t units, const float* x, const float* y,
                                 float* sums) const {
  std::fill_n(sums, of_.shared * units, 0.0f);
  for (int64_t j = 0; j < of_.shared; ++j, sums += units) {
    for (int64_t b = 0; b < of_.batch; ++b, x += units, y += units) {
      for (int64_t i = 0; i < units; ++i) sums[i] += x[i] * y[i];
    }
  }
}

// The product with a layer's weights, masked by each network itself.
void SharedTrainer::product(int64_t l, int64_t member, int64_t s, const float* in, float* out) {
  const int64_t k = of_.shared, terms = inputs(l), units = outputs(l);
  const float* used = weights(of_.values, l, member);
  std::vector<Drawn>& masks = of_weights_[index(l)];
  masks.clear();
  for (int64_t j = 0; j < k; ++j) masks.push_back(mask(member, j, 2, 2 * l + 1, s));
  const bool drops = masks[0].drops;
  if (!drops && copies(l) == 1) {
    kernels_.multiply({rows_, terms, units, in, terms, 1, used, units, 1, out}, panel_);
    return;
  }
  for (int64_t j = 0; j < k; ++j) {
    const float* own = used + (copies(l) == 1 ? 0 : j * count(l));
    if (drops) {
      float* masked = masked_[index(l)] + j * count(l);
      kernels_.dropout[kFloat32](RowState(masks[index(j)].key, 0), 0, count(l), own, nullptr,
                                 masked, masks[index(j)].scale, false);
      own = masked;
    }
    kernels_.multiply({of_.batch, terms, units, in + j * of_.batch * terms, terms, 1, own, units,
                       1, out + j * of_.batch * units},
                      panel_);
  }
}

void SharedTrainer::forward(int64_t member, int64_t s) {
  for (int64_t l = 0; l <= last_; ++l) {
    const int64_t units = outputs(l);
    const float* in = activations_[index(l)];
    const float* bias = biases(of_.values, l, member);
    float* out = activations_[index(l + 1)];
    if (l == last_) {
      product(l, member, s, in, out);
      for (int64_t j = 0; j < of_.shared; ++j) {
        kernels_.activate[kFloat32](kIdentity, of_.batch, units, out + j * of_.batch * units,
                                    bias + j * units);
      }
      return;
    }
    scale(inputs(l), in, input_scales(of_.values, l, member), scaled_[index(l)]);
    product(l, member, s, scaled_[index(l)], products_[index(l)]);
    scale(units, products_[index(l)], output_scales(of_.values, l, member), out);
    for (int64_t j = 0; j < of_.shared; ++j) {
      drop(kernels_, mask(member, j, 1, 2 * (l + 1), s), of_.batch, units,
           out + j * of_.batch * units, bias + j * units);
    }
  }
}

// Into `gradient_`: the sum over the networks, or the gradients of their own output layers.
void SharedTrainer::weight_gradient(int64_t l, const float* in, const float* slope) {
  const int64_t terms = inputs(l), units = outputs(l), size = count(l);
  const std::vector<Drawn>& masks = of_weights_[index(l)];
  const bool drops = masks[0].drops, own = copies(l) > 1;
  if (!drops && !own) {
    kernels_.multiply({terms, rows_, units, in, 1, terms, slope, units, 1, gradient_}, panel_);
    return;
  }
  if (!own) std::fill_n(gradient_, size, 0.0f);
  for (int64_t j = 0; j < of_.shared; ++j) {
    float* to = own ? gradient_ + j * size : part_gradient_;
    kernels_.multiply({terms, of_.batch, units, in + j * of_.batch * terms, 1, terms,
                       slope + j * of_.batch * units, units, 1, to},
                      panel_);
    if (drops) {
      const Drawn& by = masks[index(j)];
      kernels_.dropout[kFloat32](RowState(by.key, 0), 0, size, to, nullptr, to, by.scale, false);
    }
    if (own) continue;
    for (int64_t i = 0; i < size; ++i) gradient_[i] += to[i];
  }
}

void SharedTrainer::input_gradient(int64_t l, int64_t member, const float* slope, float* below) {
  const int64_t terms = inputs(l), units = outputs(l);
  const bool drops = of_weights_[index(l)][0].drops, own = copies(l) > 1;
  const float* used = drops ? masked_[index(l)] : weights(of_.values, l, member);
  if (!drops && !own) {
    kernels_.multiply({rows_, units, terms, slope, units, 1, used, 1, units, below}, panel_);
    return;
  }
  for (int64_t j = 0; j < of_.shared; ++j) {
    kernels_.multiply({of_.batch, units, terms, slope + j * of_.batch * units, units, 1,
                       used + j * count(l), 1, units, below + j * of_.batch * terms},
                      panel_);
  }
}

template <class Part>
void SharedTrainer::update(int64_t size, Part of, const float* gradient, const Adam& by) {
  kernels_.adam[kFloat32](size, of(of_.values), gradient, of(of_.moments), of(of_.squares),
                          of(of_.averages), by);
}

void SharedTrainer::backward(int64_t member, int64_t s) {
  using List = const std::vector<Address>&;
  const int64_t k = of_.shared;
  const Adam by = adam_of(read<double>(of_.strengths) + (s * of_.members + member) * 9);
  Adam bare = by;
  bare.l1 = bare.l2 = 0.0;
  const double kept = read<double>(of_.keeps)[of_.members + member];
  for (int64_t l = last_; l >= 0; --l) {
    const int64_t in = inputs(l), units = outputs(l);
    const bool hidden = l < last_;
    float *slope = slopes_[0], *below = slopes_[1];
    const float* input = activations_[index(l)];
    const float* entered = hidden ? scaled_[index(l)] : input;
    for (int64_t j = 0; j < k; ++j) {
      kernels_.add_rows[kFloat32](of_.batch, units, slope + j * of_.batch * units, units,
                                  sums_ + j * units);
    }
    update(k * units, [&](List of) { return biases(of, l, member); }, sums_, bare);
    if (hidden) {
      sum_products(units, slope, products_[index(l)], sums_);
      scale(units, slope, output_scales(of_.values, l, member), slope);
      update(k * units, [&](List of) { return output_scales(of, l, member); }, sums_, bare);
    }
    weight_gradient(l, entered, slope);
    if (l > 0 || hidden) input_gradient(l, member, slope, below);
    update(copies(l) * count(l), [&](List of) { return weights(of, l, member); }, gradient_, by);
    if (hidden) {
      sum_products(in, below, input, sums_);
      if (l > 0) scale(in, below, input_scales(of_.values, l, member), below);
      update(k * in, [&](List of) { return input_scales(of, l, member); }, sums_, bare);
    }
    if (l == 0) return;
    kernels_.relu_backward[kFloat32](rows_ * in, below, input, below,
                                     scale_of(threshold_of(kept)));
    std::swap(slopes_[0], slopes_[1]);
  }
}

}  // namespace bridle
