// Training steps of one perceptron, of floats or doubles, as scikit-learn's estimators take them.
#pragma once

#include <cstdint>
#include <vector>

#include "kernels.h"
#include "masks.h"

namespace bridle {

enum Solver { kAdam, kSgd };

// When training stops: after more than `most` epochs in a row whose loss was not below the best by
// `tol`. `waited` and `best` are those of the epochs before.
struct Plateau {
  double waited, most, best, tol;

  // Takes the loss of an epoch, and returns whether training stops.
  bool reached_by(double loss) {
    waited = loss > best - tol ? waited + 1 : 0;
    best = loss < best ? loss : best;
    return waited > most;
  }
};

// Arrays are contiguous and of the network's type unless stated. `parameters`, `gradient`, `moment`
// and `square` have the weights of every layer, [inputs, outputs] each, and then the biases.
struct PerceptronSteps {
  std::vector<int64_t> sizes;  // units of each layer, inputs first
  Activation activation;
  Loss loss;
  Solver solver;
  int64_t epochs;
  int64_t rows, batch, first_step;  // rows of an epoch; its last batch may be smaller
  uint64_t seed;
  Address X, y;                  // [all rows, inputs]; [all rows, outputs]
  Address weight;                // of each row; may be null
  Address order;                 // int64 [epochs, rows]: the rows of the batches
  Address parameters, gradient;  // changed in place; the gradient is overwritten
  Address moment, square;        // Adam's; SGD has its velocity in `moment`
  Address strengths;             // float64 [all steps, 9]: Adam's; SGD has rate, momentum, L1 step, Nesterov
  Address losses;                // float64 [all steps], written: mean loss of a batch, with penalties
  double alpha;                  // L2, divided by the weight of the batch
  double l1, bound;              // L1 of the loss; max-norm, infinity without
  double keeps[3];               // keep probabilities of inputs, hidden units and weights
  Plateau plateau;
  bool flags;                    // whether an element of y is a byte, 0 or 1

  int64_t layers() const { return static_cast<int64_t>(sizes.size()) - 1; }
  int64_t steps() const { return (rows + batch - 1) / batch; }  // of an epoch
};

// Makes the steps, and returns the number of epochs until the plateau. Threads share the rows of a
// batch, and then the weights, so that the result does not depend on their number. `kernels` must
// have products.
int64_t perceptron_steps(const Kernels& kernels, const PerceptronSteps& of, DType dtype, int threads);

}  // namespace bridle
