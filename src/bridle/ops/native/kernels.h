// The interface of the CPU kernels: plain C signatures, with one table of functions per variant.
#pragma once

#include <cstdint>

#include "philox.h"

namespace bridle {

enum DType { kFloat32, kFloat64, kBFloat16, kFloat16, kDTypes };

// The proximal step of l1 |w| + (l2 / 2) w² with the optimizer's step size. With second moments
// (Adam's), the step of a weight is rate / (sqrt(moment * correction) + eps); else it is rate.
struct Prox {
  double rate, eps, correction, l1, l2;
};

// Adam's step (Kingma & Ba 2015) and the proximal step of l1 |w| + (l2 / 2) w² in its metric. The
// corrections are the bias corrections of both moments; `average` is the decay of the average.
struct Adam {
  double rate, beta1, beta2, eps, correction1, correction2, l1, l2, average;
};

// From nine numbers in that order.
BRIDLE_INLINE Adam adam_of(const double* s) {
  return {s[0], s[1], s[2], s[3], s[4], s[5], s[6], s[7], s[8]};
}

// A step of SGD with momentum: v = momentum v - rate g, and w += v, or Nesterov's w += momentum v -
// rate g. Then w shrinks towards zero by `threshold`, the proximal step of L1.
struct Sgd {
  double rate, momentum, threshold;
  bool nesterov;
};

enum Activation { kIdentity, kRelu, kTanh, kLogistic };

enum Loss { kSquaredError, kPoisson, kBinary, kCrossEntropy };

// Rows of scores, their targets and weights. Writes the losses, each times its weight, and the slopes
// of their mean with respect to the scores. As in scikit-learn, the squared error is the mean over the
// outputs, but the slope that of the sum.
struct RowLosses {
  Loss loss;
  int64_t rows, units;
  const void *scores, *y, *weight;  // of the rows; of all rows; of all rows, may be null
  const int64_t* order;             // which of all rows these are
  bool flags;                       // whether a target is a byte, 0 or 1
  double total;                     // of the weights of the batch
  void *slopes, *losses;
};

// One example's product with masked weights: y[j] += sum_i x[i] m(i, j) w[i, j].
// Weights are [inputs, outputs], addressed as row `row`, unit i * outputs + j.
struct WeightTile {
  int64_t first, last;  // rows of the weights
  int64_t outputs;
};

// A product of matrices: out[i, j] = sum_k a[i, k] b[k, j]. A step is a stride, in elements.
// The rows of `out` are contiguous. One of the two strides of b, by term or by column, is 1.
template <class T>
struct Product {
  int64_t rows, terms, columns;
  const T* a;
  int64_t a_row, a_term;
  const T* b;
  int64_t b_term, b_column;
  T* out;
  // whether the panels still have b, of at most kTerms × kPanelColumns; a single column is not packed
  bool packed = false;
};

constexpr int64_t kWaveRows = 16;

// Embeddings of the first `numbers` inputs of each row. Output j of number i is the sum over k of
// weight[i, k, j] cos(2π (frequency[i, k] x + shift[i, k])), and bias[i, j].
struct Waves {
  int64_t rows, stride;  // of the inputs; a row ends with the outputs of all numbers
  int64_t numbers, count, outputs;

  int64_t padded() const { return (rows + kWaveRows - 1) / kWaveRows * kWaveRows; }
  // elements of the buffer between the two passes
  int64_t kept_of_a_number() const { return (1 + 2 * count) * padded(); }
  int64_t kept() const { return numbers * kept_of_a_number() + (outputs + 1) * padded(); }
};

struct WaveParameters {
  float *frequencies, *shifts, *weights, *biases;
};

// A batch of encoded rows. A block of inputs is the bins of a number, or the categories of a column;
// those of numbers come first. Of each row and block: the only input whose value may not be 0, or 1
// as that of all bins below, and that value.
struct EncodedBatch {
  int64_t batch, units, blocks, binned;
  const int64_t *first, *count;  // by block: its inputs
  const int32_t* codes;          // [all rows, blocks]
  const float* parts;            // [all rows, blocks]
  const int64_t* rows;           // [batch]
};

constexpr int64_t kTerms = 256;          // terms of a product that are packed together
constexpr int64_t kPanelColumns = 112;   // columns of so many terms that there is room for
constexpr int64_t kPanelOfB = kTerms * 128;            // elements of b that are packed at once
constexpr int64_t kPanel = kPanelOfB + kTerms * 24;    // size of the packing buffer, in elements

struct Kernels {
  const char* name;
  // one row of units from `unit`, a multiple of kGroup: out = keep(x) * scale, or with bias (may
  // be null) and relu
  void (*dropout[kDTypes])(const RowState&, uint64_t unit, int64_t count, const void* x,
                           const void* bias, void* out, double scale, bool relu);
  // out = grad * scale where y > 0 or y is NaN, else 0
  void (*relu_backward[kDTypes])(int64_t count, const void* grad, const void* y, void* out,
                                 double scale);
  void (*prox[kDTypes])(int64_t count, const void* w, const void* moment, void* out, const Prox&);
  // in place; `average` may be null
  void (*adam[2])(int64_t count, void* w, const void* grad, void* moment, void* square,
                  void* average, const Adam&);
  // squares[j] += w[j]², and w[j] *= factors[j]
  void (*add_squares[2])(int64_t count, const void* w, void* squares);
  void (*scale_by[2])(int64_t count, void* w, const void* factors);
  // bits of the groups [group, group + groups), eight words of 16 each, lowest bit first
  void (*draw_bits)(const RowState&, uint64_t group, int64_t groups, uint16_t* bits);
  // the four words of each block of these groups, word by word
  void (*draw_words)(const RowState&, uint64_t group, int64_t groups, uint32_t* words);
  void (*masked_forward[2])(const uint16_t* bits, int64_t offset, const WeightTile&, const void* x,
                            const void* w, void* y, double scale);
  void (*masked_backward[2])(const uint16_t* bits, int64_t offset, const WeightTile&,
                             const void* x, const void* w, const void* grad, void* grad_x,
                             void* grad_w, double scale);
  // x = f(x + bias) in place, for each of the rows
  void (*activate[2])(Activation, int64_t rows, int64_t units, void* x, const void* bias);
  // grad *= f'(x) in place, where y = f(x)
  void (*activate_backward[2])(Activation, int64_t count, void* grad, const void* y);
  void (*exponential[2])(int64_t count, void* x);
  void (*sgd[2])(int64_t count, void* w, const void* grad, void* velocity, const Sgd&);
  // grad += l2 w; writes the two sums of w² and of |w|
  void (*add_decay[2])(int64_t count, const void* w, void* grad, double l2, double* sums);
  // the same and Adam's step, without a proximal step, an average and the second sum; the gradient
  // stays as it is
  void (*adam_decay[2])(int64_t count, void* w, const void* grad, void* moment, void* square,
                        const Adam&, double l2, double* sum);
  void (*row_losses[2])(const RowLosses&);
  // out = the sum of the rows, in their order; rows are `step` elements apart
  void (*add_rows[2])(int64_t rows, int64_t columns, const void* x, int64_t step, void* out);
  // null if the variant has no fused multiply-add; `panel` has kPanel elements
  void (*multiply)(const Product<float>&, float* panel);
  void (*multiply_doubles)(const Product<double>&, double* panel);
  // writes the outputs into the rows, and what the backward pass needs into `kept`
  void (*embed)(const Waves&, float* x, const WaveParameters&, float* kept);
  // the same without a backward pass; `kept` has (outputs + 2) * padded() elements
  void (*embed_only)(const Waves&, float* x, const WaveParameters&, float* kept);
  // slopes of the outputs: [rows, numbers * outputs]
  void (*embed_backward)(const Waves&, const float* slopes, const WaveParameters&,
                         const WaveParameters& gradients, float* kept);
  // out += the product of encoded rows and w [inputs, units]; `below` has the size of w
  void (*encoded_forward)(const EncodedBatch&, const float* w, float* below, float* out);
  // the rows of the gradient that belong to blocks
  void (*encoded_backward)(const EncodedBatch&, const float* slope, float* below, float* gradient);
};

// null if the variant was not compiled for this processor family
const Kernels* avx512_kernels();
const Kernels* avx2_kernels();
const Kernels* neon_kernels();
const Kernels* plain_kernels();

const Kernels& active_kernels();

}  // namespace bridle
