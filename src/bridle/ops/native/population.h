// Steps of training of a whole population of networks, each member on its own.
#pragma once

#include <cstdint>
#include <vector>

#include "kernels.h"
#include "masks.h"

namespace bridle {

// Networks of one shape with ReLU, float32. Addresses are those of arrays without gaps; what may
// be null says so. Of all members: `sizes` of the layers; `values`, `moments`, `squares` and
// `averages`, each the weights of every layer and then the biases, [members, ...].
struct Population {
  int64_t members, folds, steps, batch, first_step;
  std::vector<int64_t> sizes;
  std::vector<Address> values, moments, squares, averages;
  int64_t classes;       // 0: y is a value
  Address X, y;          // float32 [rows, inputs]; int64 or float32 [rows]
  Address rows;          // int64 [steps, folds, batch]: member m takes those of fold m % folds
  Address shares;        // float32 [steps, members]: what is kept of a row that is mixed; may be null
  Address strengths;     // float64 [steps, members, 9], as Adam has them; biases have no penalty
  Address smoothing;     // float32 [members]
  Address class_weight;  // float32 [members, classes]
  Address bounds;        // float64 [members], of the norm of a unit's weights; infinity is none
  Address seeds;         // int64 [members]
  Address keeps;         // float64 [3, members]: of an input, a hidden unit, a weight

  int64_t layers() const { return static_cast<int64_t>(sizes.size()) - 1; }
};

// Makes the steps of every member; each member's are done by one thread, so that the result does
// not depend on their number. `kernels` must multiply.
void population_steps(const Kernels& kernels, const Population& of, int threads);

}  // namespace bridle
