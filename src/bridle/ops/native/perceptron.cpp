// A step has the order of the estimators' own step in torch: rows, masks of inputs, weights and
// units, loss, backward pass, penalties, Adam or SGD, max-norm.
//
// Each thread takes its rows of a batch through the network and back. After all have met, each takes
// its rows of every layer's weights: their gradient, and their update.
#include "perceptron.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <memory>
#include <numeric>

#include "gather.h"
#include "mover.h"
#include "norms.h"
#include "subnormals.h"
#include "sums.h"
#include "threads.h"

namespace bridle {
namespace {

constexpr int64_t kLine = 64 / sizeof(float);  // arrays begin at a line of the cache
constexpr int64_t kApart = 2 * kLine;          // and must not lie 4096 bytes apart
constexpr int64_t kMoved = 1 << 14;  // weights that are moved at once, in whole groups of a mask
constexpr int64_t kAheadRows = 2;  // the hardware cannot predict which row comes next
constexpr int64_t kWorthOne = 1 << 18;  // products of a weight and a row that are worth a thread

const auto& product_of(const Kernels& kernels, float) { return kernels.multiply; }
const auto& product_of(const Kernels& kernels, double) { return kernels.multiply_doubles; }

template <class T>
class Stepper {
 public:
  Stepper(const Kernels& kernels, const PerceptronSteps& of, int threads)
      : kernels_(kernels), of_(of), layers_(of.layers()), plateau_(of.plateau) {
    int64_t at = 0, blocks = 0, needed = threads * (kPanel + kApart) + of.batch;
    for (int64_t l = 0; l < layers_; ++l) {
      weights_at_.push_back(at);
      at += count(l);
      blocks += blocks_of(inputs(l), outputs(l));
    }
    for (int64_t l = 0; l < layers_; ++l) {
      biases_at_.push_back(at);
      at += outputs(l);
    }
    keeps_active_ = keeps(1) && of.activation != kRelu;
    const int64_t copies = keeps_active_ ? 3 : 2, more = kApart + kLine;
    for (int64_t l = 0; l <= layers_; ++l) needed += copies * (of.batch * size(l) + more);
    for (int64_t l = 0; l < layers_; ++l) needed += keeps(2) ? count(l) + more : 0;
    needed += kLine;
    room_.reset(new T[static_cast<size_t>(needed)]);  // not initialized
    next_ = room_.get() + kLine - reinterpret_cast<Address>(room_.get()) / sizeof(T) % kLine;
    for (int64_t l = 0; l <= layers_; ++l) {
      below_.push_back(take(of.batch * size(l)));
      slopes_.push_back(take(of.batch * size(l)));
      active_.push_back(keeps_active_ ? take(of.batch * size(l)) : below_.back());
    }
    for (int64_t l = 0; l < layers_; ++l) masked_.push_back(keeps(2) ? take(count(l)) : nullptr);
    for (int part = 0; part < threads; ++part) panels_.push_back(take(kPanel));
    row_losses_ = next_;
    sums_.resize(index(2 * blocks));
    if (of.batch > kTerms) room_of_sums_.resize(index(at));
  }

  void run(int part, int parts) {
    const FlushSubnormals flush;
    for (int64_t epoch = 0; epoch < of_.epochs; ++epoch) {
      for (int64_t s = 0; s < of_.steps(); ++s) step(epoch, s, part, parts);
      if (part == 0) end_epoch(epoch);
      meet(parts);
      if (stops_) return;
    }
  }

  int64_t epochs_done() const { return epochs_done_; }

 private:
  static constexpr DType kType = sizeof(T) == sizeof(float) ? kFloat32 : kFloat64;

  static size_t index(int64_t i) { return static_cast<size_t>(i); }
  T* take(int64_t size) {
    T* taken = next_;
    next_ += (size + kLine - 1) / kLine * kLine + kApart;
    return taken;
  }
  int64_t size(int64_t l) const { return of_.sizes[index(l)]; }
  int64_t inputs(int64_t l) const { return size(l); }
  int64_t outputs(int64_t l) const { return size(l + 1); }
  int64_t count(int64_t l) const { return inputs(l) * outputs(l); }
  bool keeps(int kind) const { return of_.keeps[kind] < 1.0; }
  T* weights(Address of, int64_t l) const { return reinterpret_cast<T*>(of) + weights_at_[index(l)]; }
  T* biases(Address of, int64_t l) const { return reinterpret_cast<T*>(of) + biases_at_[index(l)]; }
  Drawn mask(int kind, int64_t stream, int64_t s) const {
    return Drawn(of_.seed, stream, of_.first_step + s, of_.keeps[kind]);
  }
  void drop(const Drawn& by, uint64_t row, int64_t from, int64_t count, const T* x, T* out,
            const T* bias = nullptr, bool relu = false) const {
    kernels_.dropout[kType](RowState(by.key, row), static_cast<uint64_t>(from), count, x, bias, out,
                            by.scale, relu);
  }

  // The part of a layer's weights, in whole blocks of sums, and groups of a mask if they have one.
  int64_t first_input(int64_t l, int part, int parts) const {
    const int64_t groups = keeps(2) ? kGroup / std::gcd<int64_t>(kGroup, outputs(l)) : 1;
    const int64_t whole = std::max(groups, summed_inputs(outputs(l)));
    return std::min(inputs(l), inputs(l) * part / parts / whole * whole);
  }
  int64_t end_input(int64_t l, int part, int parts) const {
    return part + 1 == parts ? inputs(l) : first_input(l, part + 1, parts);
  }

  int64_t rows_of(int64_t step_of_epoch) const {
    return std::min(of_.batch, of_.rows - step_of_epoch * of_.batch);
  }

  void step(int64_t epoch, int64_t step_of_epoch, int part, int parts) {
    const int64_t s = epoch * of_.steps() + step_of_epoch, rows = rows_of(step_of_epoch);
    const int64_t* order =
        read<int64_t>(of_.order) + epoch * of_.rows + step_of_epoch * of_.batch;
    double total = static_cast<double>(rows), loss = 0.0;
    if (of_.weight) {
      total = 0.0;
      for (int64_t b = 0; b < rows; ++b) total += double{read<T>(of_.weight)[order[b]]};
    }
    if (keeps(2)) {
      mask_weights(s, part, parts);
      meet(parts);
    }
    T* panel = panels_[index(part)];
    const int64_t first = rows * part / parts, end = rows * (part + 1) / parts;
    if (first < end) {
      take_rows(order, s, first, end);
      forward(s, first, end, panel);
      slope_of_loss(order, total, first, end);
      backward(s, first, end, panel);
    }
    meet(parts);
    if (part == 0) {
      for (int64_t b = 0; b < rows; ++b) loss += double{row_losses_[b]};
    }
    update(s, rows, total, part, parts, panel);
    meet(parts);
    if (part == 0) write_loss(s, loss, total);
    if (std::isinf(of_.bound)) return;
    for (int64_t l = part; l < layers_; l += parts) {
      bound_columns(kernels_, inputs(l), outputs(l), weights(of_.parameters, l), of_.bound, kType);
    }
    meet(parts);
  }

  void mask_weights(int64_t s, int part, int parts) const {
    for (int64_t l = 0; l < layers_; ++l) {
      const int64_t from = first_input(l, part, parts) * outputs(l);
      const int64_t to = end_input(l, part, parts) * outputs(l);
      if (from < to) {
        drop(mask(2, 2 * l + 1, s), 0, from, to - from, weights(of_.parameters, l) + from,
             masked_[index(l)] + from);
      }
    }
  }

  void take_rows(const int64_t* order, int64_t s, int64_t first, int64_t end) const {
    const int64_t units = size(0);
    const Drawn by = mask(0, 0, s);
    for (int64_t b = first; b < end; ++b) {
      const T* from = read<T>(of_.X) + order[b] * units;
      T* to = below_[0] + b * units;
      if (b + kAheadRows < end) {
        prefetch_line(read<T>(of_.X) + order[b + kAheadRows] * units, units);
      }
      if (by.drops) {
        drop(by, static_cast<uint64_t>(b), 0, units, from, to);
      } else {
        std::memcpy(to, from, sizeof(T) * index(units));
      }
    }
  }

  const T* used_weights(int64_t l) const {
    return keeps(2) ? masked_[index(l)] : weights(of_.parameters, l);
  }

  void forward(int64_t s, int64_t first, int64_t end, T* panel) const {
    for (int64_t l = 0; l < layers_; ++l) {
      const int64_t in = inputs(l), units = outputs(l), rows = end - first;
      const T* bias = biases(of_.parameters, l);
      T *out = below_[index(l + 1)] + first * units, *active = active_[index(l + 1)] + first * units;
      product_of(kernels_, T())({rows, in, units, below_[index(l)] + first * in, in, 1,
                                 used_weights(l), units, 1, active},
                                panel);
      if (l + 1 == layers_) {
        kernels_.activate[kType](kIdentity, rows, units, active, bias);
        return;
      }
      const bool relu = of_.activation == kRelu, drops = keeps(1);
      if (!drops || !relu) kernels_.activate[kType](of_.activation, rows, units, active, bias);
      if (!drops) continue;
      const Drawn by = mask(1, 2 * (l + 1), s);
      for (int64_t b = 0; b < rows; ++b) {
        drop(by, static_cast<uint64_t>(first + b), 0, units, active + b * units, out + b * units,
             relu ? bias : nullptr, relu);
      }
    }
  }

  void slope_of_loss(const int64_t* order, double total, int64_t first, int64_t end) const {
    const int64_t units = size(layers_);
    const auto past = [](Address of) { return of ? read<void>(of) : nullptr; };
    kernels_.row_losses[kType]({of_.loss, end - first, units, active_[index(layers_)] + first * units,
                                past(of_.y), past(of_.weight), order + first, of_.flags, total,
                                slopes_[index(layers_)] + first * units, row_losses_ + first});
  }

  void backward(int64_t s, int64_t first, int64_t end, T* panel) const {
    for (int64_t l = layers_ - 1; l > 0; --l) {
      const int64_t in = inputs(l), units = outputs(l), rows = end - first;
      T* slope = slopes_[index(l)] + first * in;
      product_of(kernels_, T())({rows, units, in, slopes_[index(l + 1)] + first * units, units, 1,
                                 used_weights(l), 1, units, slope},
                                panel);
      if (keeps(1)) {
        const Drawn by = mask(1, 2 * l, s);
        if (of_.activation == kRelu) {
          kernels_.relu_backward[kType](rows * in, slope, below_[index(l)] + first * in, slope,
                                        by.scale);
          continue;
        }
        for (int64_t b = 0; b < rows; ++b) {
          drop(by, static_cast<uint64_t>(first + b), 0, in, slope + b * in, slope + b * in);
        }
      }
      kernels_.activate_backward[kType](of_.activation, rows * in, slope,
                                        active_[index(l)] + first * in);
    }
  }

  void update(int64_t s, int64_t rows, double total, int part, int parts, T* panel) {
    double* sums = sums_.data();
    for (int64_t l = 0; l < layers_; ++l) {
      const int64_t units = outputs(l), end = end_input(l, part, parts);
      const int64_t at_once = std::max<int64_t>(kGroup, kMoved / units / kGroup * kGroup);
      bool packed = false;
      for (int64_t i = first_input(l, part, parts); i < end; i += at_once) {
        update_inputs(s, l, rows, total, i, std::min(end, i + at_once), panel, packed, sums);
        packed = rows <= kTerms && units > 1 && units <= kPanelColumns;
      }
      sums += 2 * blocks_of(inputs(l), units);
      const int64_t from = units * part / parts, to = units * (part + 1) / parts;
      const auto slopes = [&](int64_t b, int64_t block, T* out) {
        kernels_.add_rows[kType](block, to - from, slopes_[index(l + 1)] + b * units + from, units,
                                 out);
      };
      sum_in_blocks(rows, to - from, biases(of_.gradient, l) + from,
                    room_of_sums_.data() + biases_at_[index(l)] + from, slopes);
      Mover<T>{kernels_, of_, s}.move(to - from, biases_at_[index(l)] + from, false);
    }
  }

  // The weights of some inputs of a layer, so that all that moves stays in the core's cache.
  void update_inputs(int64_t s, int64_t l, int64_t rows, double total, int64_t first, int64_t end,
                     T* panel, bool packed, double* sums) {
    const int64_t in = inputs(l), units = outputs(l), count = (end - first) * units;
    const int64_t offset = weights_at_[index(l)] + first * units;
    const T* slope = slopes_[index(l + 1)];
    T* gradient = weights(of_.gradient, l) + first * units;
    const auto products = [&](int64_t b, int64_t block, T* out) {
      product_of(kernels_, T())({end - first, block, units, below_[index(l)] + b * in + first, 1, in,
                                 slope + b * units, units, 1, out, packed},
                                panel);
    };
    sum_in_blocks(rows, count, gradient, room_of_sums_.data() + offset, products);
    if (keeps(2)) drop(mask(2, 2 * l + 1, s), 0, first * units, count, gradient, gradient);
    const Mover<T> by = {kernels_, of_, s};
    if (of_.alpha == 0 && of_.l1 == 0) return by.move(count, offset, true);
    const int64_t block = summed_inputs(units) * units;
    for (int64_t i = 0; i < count; i += block) {
      by.move(std::min(block, count - i), offset + i, true, of_.alpha / total,
              sums + 2 * ((first * units + i) / block));
    }
  }

  void write_loss(int64_t s, double loss, double total) const {
    double squares = 0.0, sizes = 0.0;
    for (size_t i = 0; i < sums_.size(); i += 2) {
      squares += sums_[i];
      sizes += sums_[i + 1];
    }
    reinterpret_cast<double*>(of_.losses)[s] =
        loss / total + 0.5 * of_.alpha / total * squares + of_.l1 * sizes;
  }

  void end_epoch(int64_t epoch) {
    const double* losses = reinterpret_cast<double*>(of_.losses) + epoch * of_.steps();
    double sum = 0.0;
    for (int64_t s = 0; s < of_.steps(); ++s) sum += losses[s] * static_cast<double>(rows_of(s));
    epochs_done_ = epoch + 1;
    stops_ = plateau_.reached_by(sum / static_cast<double>(of_.rows));
  }

  const Kernels& kernels_;
  const PerceptronSteps& of_;
  const int64_t layers_;
  Plateau plateau_;
  int64_t epochs_done_ = 0;
  bool stops_ = false;  // all threads read it after they have met
  bool keeps_active_;  // whether outputs of activations are kept beside the dropped ones
  std::vector<int64_t> weights_at_, biases_at_;
  std::unique_ptr<T[]> room_;
  T *next_, *row_losses_;
  // by layer: its input, after dropout; the same before; the gradient of its sums; its masked weights
  std::vector<T*> below_, active_, slopes_, masked_;
  std::vector<T*> panels_;    // by thread
  std::vector<double> sums_;  // of squares and of sizes, for some inputs of each layer
  std::vector<double> room_of_sums_;  // of each parameter's gradient over blocks of rows
};

template <class T>
int64_t steps_of(const Kernels& kernels, const PerceptronSteps& of, int threads) {
  Stepper<T> stepper(kernels, of, threads);  // allocated here, where bad_alloc can be thrown
  team(threads, [&](int part, int parts) { stepper.run(part, parts); });
  return stepper.epochs_done();
}

}  // namespace

int64_t perceptron_steps(const Kernels& kernels, const PerceptronSteps& of, DType dtype, int threads) {
  int64_t weights = 0;
  for (int64_t l = 0; l < of.layers(); ++l) weights += of.sizes[l] * of.sizes[l + 1];
  const int64_t worth = std::max<int64_t>(1, weights * of.batch / kWorthOne);
  const int used = static_cast<int>(std::min<int64_t>(usable_threads(threads), worth));
  return dtype == kFloat64 ? steps_of<double>(kernels, of, used)
                           : steps_of<float>(kernels, of, used);
}

}  // namespace bridle
