// The functions of the Python module that multiply matrices and train networks.
//
// Tensors come as addresses; the Python code checks them.
#include "training.h"

#include <nanobind/stl/vector.h>

#include <stdexcept>
#include <vector>

#include "kernels.h"
#include "masks.h"
#include "outputs.h"
#include "perceptron.h"
#include "population.h"

namespace nb = nanobind;

namespace bridle {
namespace {

// Whether the active variant has products.
bool multiplies() { return active_kernels().multiply != nullptr; }

const Kernels& multiplying() {
  if (!multiplies()) throw std::runtime_error("this variant does not multiply");
  return active_kernels();
}

// The networks of a population; the caller sets the rest.
Population networks_of(int64_t members, int64_t folds, int64_t batch,
                       const std::vector<int64_t>& sizes, const std::vector<Address>& values,
                       const std::vector<int64_t>& embedding,
                       const std::vector<std::vector<int64_t>>& blocks, int64_t binned,
                       const std::vector<Address>& codes) {
  Population of = {};
  of.members = members, of.folds = folds, of.batch = batch, of.sizes = sizes, of.values = values;
  of.embedding = {embedding[0], embedding[1], embedding[2]};
  of.first = blocks[0], of.count = blocks[1], of.plain = blocks[2], of.binned = binned;
  of.codes = codes[0], of.parts = codes[1];
  return of;
}

// `data` are the addresses from X to the keep probabilities, in the order of a Population.
void population_steps_of(int64_t members, int64_t folds, int64_t steps, int64_t batch,
                         int64_t first_step, const std::vector<int64_t>& sizes,
                         const std::vector<std::vector<Address>>& states, int64_t classes,
                         const std::vector<Address>& data, int64_t shared, int threads,
                         const std::vector<int64_t>& embedding,
                         const std::vector<std::vector<int64_t>>& blocks, int64_t binned,
                         const std::vector<Address>& codes) {
  Population of =
      networks_of(members, folds, batch, sizes, states[0], embedding, blocks, binned, codes);
  of.steps = steps, of.first_step = first_step, of.classes = classes, of.shared = shared;
  of.moments = states[1], of.squares = states[2], of.averages = states[3];
  of.X = data[0], of.y = data[1], of.rows = data[2], of.shares = data[3], of.strengths = data[4];
  of.smoothing = data[5], of.class_weight = data[6], of.bounds = data[7];
  of.seeds = data[8], of.keeps = data[9];
  population_steps(multiplying(), of, threads);
}

// `data` are the addresses of X, the rows [folds, count] and the outputs.
void population_outputs_of(int64_t members, int64_t folds, int64_t count, int64_t batch,
                           const std::vector<int64_t>& sizes, const std::vector<Address>& values,
                           const std::vector<Address>& data, int threads,
                           const std::vector<int64_t>& embedding,
                           const std::vector<std::vector<int64_t>>& blocks, int64_t binned,
                           const std::vector<Address>& codes) {
  Population of =
      networks_of(members, folds, batch, sizes, values, embedding, blocks, binned, codes);
  of.X = data[0], of.rows = data[1];
  population_outputs(multiplying(), of, count, reinterpret_cast<float*>(data[2]), threads);
}

void embed_rows_of(int64_t members, const std::vector<int64_t>& shape,
                   const std::vector<Address>& parameters, Address x, int threads) {
  embed_rows(multiplying(), members, {shape[0], shape[1], shape[2], shape[3], shape[4]}, parameters,
             x, threads);
}

int64_t perceptron_steps_of(int dtype, const std::vector<int64_t>& sizes, int activation, int loss,
                            int solver, bool flags, int64_t epochs, int64_t rows, int64_t batch,
                            int64_t first_step, uint64_t seed, const std::vector<Address>& data,
                            const std::vector<double>& numbers, int threads) {
  const PerceptronSteps of = {sizes,
                              static_cast<Activation>(activation),
                              static_cast<Loss>(loss),
                              static_cast<Solver>(solver),
                              epochs,
                              rows,
                              batch,
                              first_step,
                              seed,
                              data[0],
                              data[1],
                              data[2],
                              data[3],
                              data[4],
                              data[5],
                              data[6],
                              data[7],
                              data[8],
                              data[9],
                              numbers[0],
                              numbers[1],
                              numbers[2],
                              {numbers[3], numbers[4], numbers[5]},
                              {numbers[6], numbers[7], numbers[8], numbers[9]},
                              flags};
  return perceptron_steps(multiplying(), of, static_cast<DType>(dtype), threads);
}

template <class T>
void multiply(void (*by)(const Product<T>&, T*), const std::vector<int64_t>& sizes, Address a,
              int64_t a_row, int64_t a_term, Address b, int64_t b_term, int64_t b_column,
              Address out) {
  std::vector<T> panel(static_cast<size_t>(kPanel));
  by({sizes[0], sizes[1], sizes[2], read<T>(a), a_row, a_term, read<T>(b), b_term, b_column,
      reinterpret_cast<T*>(out)},
     panel.data());
}

// out[i, j] = sum_k a[i, k] b[k, j], for the tests; sizes are rows, terms and columns.
void multiply_of(int dtype, const std::vector<int64_t>& sizes, Address a, int64_t a_row,
                 int64_t a_term, Address b, int64_t b_term, int64_t b_column, Address out) {
  const Kernels& kernels = multiplying();
  if (dtype == kFloat64) {
    multiply(kernels.multiply_doubles, sizes, a, a_row, a_term, b, b_term, b_column, out);
  } else {
    multiply(kernels.multiply, sizes, a, a_row, a_term, b, b_term, b_column, out);
  }
}

// x = f(x + bias) for one row, for the tests; without a bias, f is the exponential.
void activate_of(int dtype, int activation, int64_t count, Address x, Address bias) {
  void* at = mutable_bytes(x, 0, 1);
  if (bias) {
    active_kernels().activate[dtype](static_cast<Activation>(activation), 1, count, at,
                                     read<void>(bias));
  } else {
    active_kernels().exponential[dtype](count, at);
  }
}

}  // namespace

void add_training(nb::module_& m) {
  const auto unlocked = nb::call_guard<nb::gil_scoped_release>();
  m.def("multiplies", &multiplies, "Whether the active variant multiplies matrices.");
  m.def("multiply", &multiply_of, unlocked);
  m.def("activate", &activate_of, unlocked);
  m.def("population_steps", &population_steps_of, unlocked);
  m.def("embed_rows", &embed_rows_of, unlocked);
  m.def("population_outputs", &population_outputs_of, unlocked);
  m.def("perceptron_steps", &perceptron_steps_of, unlocked);
}

}  // namespace bridle
