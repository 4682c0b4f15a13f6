// How the parameters of a perceptron move, and the sums of the penalties of its weights.
#pragma once

#include <cstdint>

#include "perceptron.h"

namespace bridle {

constexpr int64_t kSummed = 1 << 10;  // weights whose penalties are summed together

// Inputs of a layer whose weights are a block of sums.
inline int64_t summed_inputs(int64_t units) {
  int64_t inputs = 1;
  while (inputs < kGroup && 2 * inputs * units <= kSummed) inputs *= 2;
  return inputs;
}
inline int64_t blocks_of(int64_t inputs, int64_t units) {
  const int64_t summed = summed_inputs(units);
  return (inputs + summed - 1) / summed;
}

// Moves parameters in a step.
template <class T>
struct Mover {
  const Kernels& kernels;
  const PerceptronSteps& of;
  int64_t step;

  // From an offset on, by their gradients; only weights have penalties. With `sums`, the gradient of
  // L2 is added, and the sums of w² and of |w| are written.
  void move(int64_t count, int64_t offset, bool penalized, double l2 = 0.0,
            double* sums = nullptr) const {
    constexpr DType kType = sizeof(T) == sizeof(float) ? kFloat32 : kFloat64;
    const double* strengths = read<double>(of.strengths) + 9 * step;
    const auto at = [offset](Address of) { return reinterpret_cast<T*>(of) + offset; };
    T *w = at(of.parameters), *gradient = at(of.gradient), *moment = at(of.moment);
    Adam by = adam_of(strengths);
    if (!penalized) by.l1 = by.l2 = 0.0;
    if (sums && of.solver == kAdam && of.l1 == 0 && by.l1 == 0 && by.l2 == 0) {
      sums[1] = 0.0;  // it has no part in the loss
      kernels.adam_decay[kType](count, w, gradient, moment, at(of.square), by, l2, sums);
      return;
    }
    if (sums) kernels.add_decay[kType](count, w, gradient, l2, sums);
    if (of.solver == kAdam) {
      kernels.adam[kType](count, w, gradient, moment, at(of.square), nullptr, by);
    } else {
      const double threshold = penalized ? strengths[2] : 0.0;
      const Sgd along = {strengths[0], strengths[1], threshold, strengths[3] != 0};
      kernels.sgd[kType](count, w, gradient, moment, along);
    }
  }
};

}  // namespace bridle
