// Training steps of a population of networks; members are independent.
#pragma once

#include <cstdint>
#include <vector>

#include "kernels.h"
#include "masks.h"

namespace bridle {

inline float* at(Address address, int64_t element) {
  return reinterpret_cast<float*>(address) + element;
}

// The shape of an embedding of the first inputs; without numbers there is none.
struct EmbeddingShape {
  int64_t numbers, waves, outputs;
};

// ReLU networks with the same layer sizes, float32. Addresses are those of contiguous arrays, and
// not null unless stated. `sizes` are those of the layers. `values`, `moments`, `squares` and
// `averages` have the weights of every layer and then the biases, each [members, ...], and then the
// frequencies, shifts, weights and biases of an embedding. Its outputs are the last of sizes[0].
struct Population {
  int64_t members, folds, steps, batch, first_step;
  std::vector<int64_t> sizes;
  std::vector<Address> values, moments, squares, averages;
  int64_t classes;       // 0 means regression
  Address X, y;          // float32 [rows, inputs]; int64 or float32 [rows]
  Address rows;          // int64 [steps, folds, batch]: member m uses fold m % folds
  Address shares;        // float32 [steps, members]: mixup weight of the row itself; may be null
  Address strengths;     // float64 [steps, members, 9], as for Adam; biases have no penalty
  Address smoothing;     // float32 [members]
  Address class_weight;  // float32 [members, classes]
  Address bounds;        // float64 [members]: max-norm of a unit's weights; infinity means no bound
  Address seeds;         // int64 [members]
  Address keeps;         // float64 [3, members]: keep probabilities of inputs, hidden units, weights
  // The networks that share a member's weights. If more than one: the output layer's weights and all
  // biases are [members, shared, ...], and the scales [members, shared, units] of each hidden layer's
  // inputs and then of its outputs come after the biases; seeds are [members, shared].
  int64_t shared = 1;
  EmbeddingShape embedding;
  // The blocks of encoded inputs, as in EncodedBatch, and the other inputs. Without blocks all inputs
  // are multiplied.
  std::vector<int64_t> first, count, plain;
  int64_t binned;
  Address codes, parts;

  bool embeds() const { return embedding.numbers > 0; }
  // of the rows of a batch that enter the first layer
  Waves waves() const {
    return {batch, sizes[0], embedding.numbers, embedding.waves, embedding.outputs};
  }
  // of an embedding, among the values
  const Address* wave_values() const { return values.data() + 2 * layers(); }
  // of a row of X
  int64_t inputs() const { return sizes[0] - embedding.numbers * embedding.outputs; }
  int64_t layers() const { return static_cast<int64_t>(sizes.size()) - 1; }
};

// Makes the steps of every member. One thread trains a member, so that the result does not depend on
// the number of threads. `kernels` must have products.
void population_steps(const Kernels& kernels, const Population& of, int threads);

// Embeds the numbers in rows [members, rows, inputs], whose last inputs are the outputs.
// `parameters` are frequencies, shifts, weights and biases, [members, ...].
void embed_rows(const Kernels& kernels, int64_t members, const Waves& of,
                const std::vector<Address>& parameters, Address x, int threads);

}  // namespace bridle
