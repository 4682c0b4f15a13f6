// The Python module: splits the work over threads and calls a variant. The Python code checks the
// arguments.
//
// Tensors come as addresses, sizes and strides in elements; a row address of null means 0, 1, 2, …
#include <nanobind/nanobind.h>
#include <nanobind/stl/string.h>
#include <nanobind/stl/vector.h>

#include <algorithm>
#include <atomic>
#include <cmath>
#include <stdexcept>
#include <string>
#include <vector>

#ifndef _WIN32
#include <pthread.h>
#endif

#include "cpu.h"
#include "gather.h"
#include "kernels.h"
#include "masks.h"
#include "norms.h"
#include "subnormals.h"
#include "threads.h"
#include "training.h"

namespace nb = nanobind;

namespace bridle {
namespace {

constexpr int64_t kChunk = 128 * kGroup;    // units per call of a kernel
constexpr int64_t kWorthThreads = 1 << 15;  // elements below which one thread is faster
constexpr int64_t kTile = 64 * kGroup;      // weights whose mask a thread holds at a time

std::atomic<bool> in_child{false};
const Kernels* active = nullptr;

constexpr int kWidth[kDTypes] = {4, 8, 2, 2};

int threads_for(int64_t elements, int wanted) {
  return elements < kWorthThreads ? 1 : usable_threads(wanted);
}

void dropout(int dtype, int64_t members, int64_t rows, int64_t units, Address x, int64_t x_member,
             int64_t x_row, Address bias, int64_t bias_member, Address out, Address address,
             Address row, int64_t row_member, int64_t row_step, Address keep, int64_t keep_step,
             bool inverted, bool relu, int threads) {
  const Masks masks(members, address, row, row_member, row_step, keep, keep_step, inverted);
  const int64_t chunks = (units + kChunk - 1) / kChunk;
  const int width = kWidth[dtype];
  const auto kernel = active->dropout[dtype];
  const auto work = [&](int64_t first, int64_t last) {
    for (int64_t task = first; task < last; ++task) {
      const int64_t unit = task % chunks * kChunk, line = task / chunks;
      const int64_t member = line / rows, index = line % rows;
      const int64_t from = member * x_member + index * x_row + unit;
      const void* added = bias ? bytes(bias, member * bias_member + unit, width) : nullptr;
      kernel(masks.row(member, index), static_cast<uint64_t>(unit), std::min(kChunk, units - unit),
             bytes(x, from, width), added, mutable_bytes(out, line * units + unit, width),
             masks.scale(member), relu);
    }
  };
  split(members * rows * chunks, threads_for(members * rows * units, threads), work);
}

// Calls `work(member, first, count)` on chunks of the elements of each member.
template <class Work>
void by_chunk(int64_t members, int64_t count, int threads, const Work& work) {
  const int64_t chunks = (count + kChunk - 1) / kChunk;
  split(members * chunks, threads_for(members * count, threads), [&](int64_t first, int64_t last) {
    for (int64_t task = first; task < last; ++task) {
      const int64_t start = task % chunks * kChunk;
      work(task / chunks, start, std::min(kChunk, count - start));
    }
  });
}

void relu_backward(int dtype, int64_t members, int64_t count, Address grad, Address y, Address out,
                   Address keep, int64_t keep_step, bool inverted, int threads) {
  const std::vector<int64_t> nowhere(static_cast<size_t>(3 * members));
  const Masks masks(members, reinterpret_cast<Address>(nowhere.data()), 0, 0, 0, keep, keep_step,
                    inverted);
  const int width = kWidth[dtype];
  by_chunk(members, count, threads, [&](int64_t member, int64_t start, int64_t size) {
    const int64_t from = member * count + start;
    active->relu_backward[dtype](size, bytes(grad, from, width), bytes(y, from, width),
                                 mutable_bytes(out, from, width), masks.scale(member));
  });
}

void prox(int dtype, int64_t members, int64_t count, Address w, Address moment, Address out,
          double rate, double eps, double correction, Address l1, Address l2, int threads) {
  const int width = kWidth[dtype];
  by_chunk(members, count, threads, [&](int64_t member, int64_t start, int64_t size) {
    const int64_t from = member * count + start;
    const Prox by = {rate, eps, correction, read<double>(l1)[member], read<double>(l2)[member]};
    active->prox[dtype](size, bytes(w, from, width), moment ? bytes(moment, from, width) : nullptr,
                        mutable_bytes(out, from, width), by);
  });
}

void adam(int dtype, int64_t members, int64_t count, Address w, Address grad, Address moment,
          Address square, Address average, Address strengths, int threads) {
  const int width = kWidth[dtype];
  by_chunk(members, count, threads, [&](int64_t member, int64_t start, int64_t size) {
    const int64_t from = member * count + start;
    const FlushSubnormals flush;
    const Adam by = adam_of(read<double>(strengths) + member * 9);
    active->adam[dtype](size, mutable_bytes(w, from, width), bytes(grad, from, width),
                        mutable_bytes(moment, from, width), mutable_bytes(square, from, width),
                        average ? mutable_bytes(average, from, width) : nullptr, by);
  });
}

void max_norm(int dtype, int64_t members, int64_t inputs, int64_t outputs, Address w,
              Address bounds, int threads) {
  const int width = kWidth[dtype];
  const int used = threads_for(members * inputs * outputs, threads);
  split(members, used, [&](int64_t first, int64_t last) {
    for (int64_t member = first; member < last; ++member) {
      const double bound = read<double>(bounds)[member];
      if (std::isinf(bound)) continue;
      void* place = mutable_bytes(w, member * inputs * outputs, width);
      if (dtype == kFloat64) {
        bound_columns(*active, inputs, outputs, static_cast<double*>(place), bound, dtype);
      } else {
        bound_columns(*active, inputs, outputs, static_cast<float*>(place), bound, dtype);
      }
    }
  });
}

void take_blocks(int dtype, int64_t names, int64_t lines, int64_t count, Address w,
                 int64_t name_step, int64_t line_step, Address line_places, Address column_places,
                 Address factors, Address out, int threads) {
  const int used = threads_for(names * lines * count, threads);
  split(names * lines, used, [&](int64_t begin, int64_t end) {
    const auto *at_lines = read<int64_t>(line_places), *at_columns = read<int64_t>(column_places);
    void* to = mutable_bytes(out, 0, 1);
    if (dtype == kFloat64) {
      take_lines(begin, end, lines, count, read<double>(w), name_step, line_step, at_lines,
                 at_columns, read<double>(factors), static_cast<double*>(to));
    } else {
      take_lines(begin, end, lines, count, read<float>(w), name_step, line_step, at_lines,
                 at_columns, read<float>(factors), static_cast<float*>(to));
    }
  });
}

// The sizes of a product with one weight mask for each example.
struct MaskedProduct {
  int64_t members, rows, inputs, outputs;

  int64_t tile() const { return std::max<int64_t>(1, kTile / std::max<int64_t>(1, outputs)); }
  int threads(int wanted) const { return threads_for(members * rows * inputs * outputs, wanted); }
};

// The mask bits of one tile: buffer and generation.
struct Bits {
  std::vector<uint16_t> words;

  explicit Bits(const MaskedProduct& size)
      : words(static_cast<size_t>((size.tile() * size.outputs / kGroup + 3) * 8 + 2)) {}

  // Returns the offset of the tile's first weight in `words`.
  int64_t draw(const RowState& row, const WeightTile& tile) {
    const int64_t start = tile.first * tile.outputs, offset = start % kGroup;
    const int64_t count = (tile.last - tile.first) * tile.outputs + offset;
    active->draw_bits(row, static_cast<uint64_t>(start / kGroup), (count + kGroup - 1) / kGroup,
                      words.data());
    return offset;
  }
};

void masked_forward(int dtype, int64_t members, int64_t rows, int64_t inputs, int64_t outputs,
                    Address x, Address w, Address y, Address address, Address row,
                    int64_t row_member, int64_t row_step, Address keep, int64_t keep_step,
                    bool inverted, int threads) {
  const MaskedProduct size{members, rows, inputs, outputs};
  const Masks masks(members, address, row, row_member, row_step, keep, keep_step, inverted);
  const int width = kWidth[dtype];
  // each thread has its own examples; a tile of the weights stays in its cache for all of them
  split(members * rows, size.threads(threads), [&](int64_t begin, int64_t end) {
    Bits bits(size);
    for (int64_t line = begin; line < end;) {
      const int64_t member = line / rows, stop = std::min(end, (member + 1) * rows);
      for (int64_t first = 0; first < inputs; first += size.tile()) {
        const WeightTile tile{first, std::min(inputs, first + size.tile()), outputs};
        for (int64_t at = line; at < stop; ++at) {
          const int64_t offset = bits.draw(masks.row(member, at % rows), tile);
          active->masked_forward[dtype](bits.words.data(), offset, tile,
                                        bytes(x, at * inputs, width),
                                        bytes(w, member * inputs * outputs, width),
                                        mutable_bytes(y, at * outputs, width), masks.scale(member));
        }
      }
      line = stop;
    }
  });
}

void masked_backward(int dtype, int64_t members, int64_t rows, int64_t inputs, int64_t outputs,
                     Address x, Address w, Address grad, Address grad_x, Address grad_w,
                     Address address, Address row, int64_t row_member, int64_t row_step,
                     Address keep, int64_t keep_step, bool inverted, int threads) {
  const MaskedProduct size{members, rows, inputs, outputs};
  const Masks masks(members, address, row, row_member, row_step, keep, keep_step, inverted);
  const int width = kWidth[dtype];
  const int64_t tiles = (inputs + size.tile() - 1) / size.tile();
  // each thread has its own weights, and so the inputs that they multiply
  split(members * tiles, size.threads(threads), [&](int64_t begin, int64_t end) {
    Bits bits(size);
    for (int64_t task = begin; task < end; ++task) {
      const int64_t member = task / tiles, first = task % tiles * size.tile();
      const WeightTile tile{first, std::min(inputs, first + size.tile()), outputs};
      for (int64_t index = 0; index < rows; ++index) {
        const int64_t at = member * rows + index;
        const int64_t offset = bits.draw(masks.row(member, index), tile);
        active->masked_backward[dtype](
            bits.words.data(), offset, tile, bytes(x, at * inputs, width),
            bytes(w, member * inputs * outputs, width), bytes(grad, at * outputs, width),
            mutable_bytes(grad_x, at * inputs, width),
            mutable_bytes(grad_w, member * inputs * outputs, width), masks.scale(member));
      }
    }
  });
}

// All words of all rows, [members, rows, groups, 4, blocks].
void draw_words(int64_t members, int64_t rows, int64_t groups, Address out, Address address,
                Address row, int64_t row_member, int64_t row_step, int threads) {
  const double all = 1.0;  // no mask is drawn
  const Masks masks(members, address, row, row_member, row_step, reinterpret_cast<Address>(&all), 0,
                    false);
  const int64_t size = groups * 4 * kBlocks;
  split(members * rows, threads_for(members * rows * size, threads),
        [&](int64_t first, int64_t last) {
          for (int64_t line = first; line < last; ++line) {
            active->draw_words(masks.row(line / rows, line % rows), 0, groups,
                               reinterpret_cast<uint32_t*>(out) + line * size);
          }
        });
}

// The mask itself, from any group on, for the tests.
std::vector<bool> keep_bits(int64_t seed, int64_t stream, int64_t step, int64_t row, uint64_t group,
                            int64_t groups, uint32_t threshold) {
  const MaskKey key(static_cast<uint64_t>(seed), static_cast<uint64_t>(stream),
                    static_cast<uint64_t>(step), threshold);
  std::vector<uint16_t> words(static_cast<size_t>(groups * 8));
  active->draw_bits(RowState(key, static_cast<uint64_t>(row)), group, groups, words.data());
  std::vector<bool> kept;
  for (const uint16_t word : words) {
    for (int bit = 0; bit < 16; ++bit) kept.push_back(word >> bit & 1);
  }
  return kept;
}

std::vector<const Kernels*> runnable() {
  const Cpu cpu;
  std::vector<const Kernels*> found;
  if (cpu.avx512) found.push_back(avx512_kernels());
  if (cpu.avx2) found.push_back(avx2_kernels());
  found.push_back(neon_kernels());
  found.push_back(plain_kernels());
  found.erase(std::remove(found.begin(), found.end(), nullptr), found.end());
  return found;
}

std::vector<std::string> variants() {
  std::vector<std::string> names;
  for (const Kernels* kernels : runnable()) names.emplace_back(kernels->name);
  return names;
}

bool use(const std::string& name) {
  for (const Kernels* kernels : runnable()) {
    if (name == kernels->name) {
      active = kernels;
      return true;
    }
  }
  return false;
}

}  // namespace

int usable_threads(int wanted) { return in_child.load() ? 1 : wanted; }

const Kernels& active_kernels() { return *active; }

}  // namespace bridle

NB_MODULE(_native, m) {
  using namespace bridle;
  active = runnable().front();
#ifndef _WIN32
  pthread_atfork(nullptr, nullptr, [] { in_child.store(true); });
#endif
  const auto unlocked = nb::call_guard<nb::gil_scoped_release>();
  m.def("variants", &variants, "Names of the variants that this processor runs, fastest first.");
  m.def("use", &use, "Make a variant the active one; false where it does not run here.");
  m.def("active", [] { return std::string(active->name); }, "Name of the active variant.");
  m.def("dropout", &dropout, unlocked);
  m.def("relu_backward", &relu_backward, unlocked);
  m.def("prox", &prox, unlocked);
  m.def("adam", &adam, unlocked);
  m.def("max_norm", &max_norm, unlocked);
  m.def("masked_forward", &masked_forward, unlocked);
  m.def("masked_backward", &masked_backward, unlocked);
  m.def("take_blocks", &take_blocks, unlocked);
  add_training(m);
  m.def("draw_words", &draw_words, unlocked);
  m.def("keep_bits", &keep_bits);
}
