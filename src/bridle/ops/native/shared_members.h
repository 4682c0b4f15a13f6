// Training of networks that share weight matrices: `of.shared` networks for each member.
#pragma once

#include <vector>

#include "population.h"

namespace bridle {

// One thread's buffers, and the training of one member. Network j has the weights
// diag(r_j) W diag(s_j) in the hidden layers, biases and an output layer of its own. All its rows and
// those of the others go through one product, unless each masks the weights itself.
class SharedTrainer {
 public:
  SharedTrainer(const Kernels& kernels, const Population& of);
  void train(int64_t member);

 private:
  int64_t inputs(int64_t layer) const { return of_.sizes[static_cast<size_t>(layer)]; }
  int64_t outputs(int64_t layer) const { return of_.sizes[static_cast<size_t>(layer) + 1]; }
  int64_t count(int64_t layer) const { return inputs(layer) * outputs(layer); }
  int64_t copies(int64_t layer) const { return layer == last_ ? of_.shared : 1; }
  // null for averages that are not wanted
  float* part(const std::vector<Address>& of, int64_t place, int64_t size) const;
  float* weights(const std::vector<Address>& of, int64_t layer, int64_t member) const;
  float* biases(const std::vector<Address>& of, int64_t layer, int64_t member) const;
  float* input_scales(const std::vector<Address>& of, int64_t layer, int64_t member) const;
  float* output_scales(const std::vector<Address>& of, int64_t layer, int64_t member) const;

  Drawn mask(int64_t member, int64_t j, int64_t kind, int64_t stream, int64_t step) const;
  void step(int64_t member, int64_t s);
  void forward(int64_t member, int64_t s);
  void product(int64_t layer, int64_t member, int64_t s, const float* in, float* out);
  void backward(int64_t member, int64_t s);
  void weight_gradient(int64_t layer, const float* in, const float* slope);
  void input_gradient(int64_t layer, int64_t member, const float* slope, float* below);
  // x[j, b] *= factors[j], for each row b of each network j
  void scale(int64_t units, const float* x, const float* factors, float* out) const;
  // sums[j] = sum over b of x[j, b] * y[j, b]
  void sum_products(int64_t units, const float* x, const float* y, float* sums) const;
  template <class Part>
  void update(int64_t size, Part part, const float* gradient, const Adam& by);

  const Kernels& kernels_;
  const Population& of_;
  const int64_t last_, rows_;  // the output layer; rows of all networks
  bool masks_weights_ = false;
  std::vector<float> room_;
  std::vector<std::vector<Drawn>> of_weights_;  // weight masks of this step, by layer and network
  // by layer: its input, that with r, its output before s, its masked weights
  std::vector<float*> activations_, scaled_, products_, masked_;
  float* slopes_[2];  // gradients of a layer's output and input
  float *gradient_, *part_gradient_, *sums_, *panel_;
};

}  // namespace bridle
