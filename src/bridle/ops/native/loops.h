// The loops of all kernels, over sixteen elements at a time; each variant has its own class Isa.
//
// An Isa has the types Mask (sixteen lanes), Single and Double (sixteen numbers) and their
// functions. There is no branch on an element: dropped elements are replaced by a select.
#pragma once

#include <cstring>

#include "activations.h"
#include "half.h"
#include "kernels.h"
#include "losses.h"
#include "updates.h"
#include "waves.h"

namespace bridle {
namespace {  // each variant is compiled with its own flags, and must not share code with another

constexpr int kLanes = 16;

// The type of the arithmetic for an element type.
template <class Isa, class T>
struct Wide {
  using type = typename Isa::Single;
};
template <class Isa>
struct Wide<Isa, double> {
  using type = typename Isa::Double;
};

// Calls `body(offset, pointers...)` for sixteen elements at a time; the last few go through
// buffers, so that nothing is read or written beyond the end.
template <class T, class Body>
inline void sixteen_at_a_time(int64_t count, const T* a, const T* b, T* out, Body body) {
  int64_t i = 0;
  for (; i + kLanes <= count; i += kLanes) body(i, a + i, b ? b + i : b, out + i);
  if (i == count) return;
  T pads[3][kLanes] = {};
  const size_t bytes = sizeof(T) * static_cast<size_t>(count - i);
  std::memcpy(pads[0], a + i, bytes);
  if (b) std::memcpy(pads[1], b + i, bytes);
  std::memcpy(pads[2], out + i, bytes);  // for bodies that add to it
  body(i, pads[0], b ? pads[1] : b, pads[2]);
  std::memcpy(out + i, pads[2], bytes);
}

template <class Isa, class T, bool kRelu, bool kBias>
inline void dropout_sixteen(const typename Isa::Mask& mask, const T* x, const T* bias, T* out,
                            typename Wide<Isa, T>::type scale) {
  auto value = Isa::load(x);
  if constexpr (kBias) value = Isa::add(value, Isa::load(bias));
  if constexpr (kRelu) value = Isa::relu(value);
  Isa::store(out, Isa::keep(mask, Isa::mul(value, scale)));
}

template <class Isa, class T, bool kRelu, bool kBias>
void dropout_loop(const RowState& row, uint64_t unit, int64_t count, const T* x, const T* bias,
                  T* out, double factor) {
  const auto scale = Isa::fill(typename Wide<Isa, T>::type{}, factor);
  uint64_t group = unit / kGroup;
  int64_t i = 0;
  for (; i + kGroup <= count; i += kGroup) {
    typename Isa::Mask masks[8];  // a local array, so that it stays in registers
    Isa::draw(row, GroupState(row, group++), masks);
    for (int lane = 0; lane < 8; ++lane) {
      const int64_t at = i + lane * kLanes;
      dropout_sixteen<Isa, T, kRelu, kBias>(masks[lane], x + at, kBias ? bias + at : bias, out + at,
                                            scale);
    }
  }
  if (i == count) return;
  typename Isa::Mask masks[8];
  Isa::draw(row, GroupState(row, group), masks);
  if (count - i > kLanes) {  // the last sixteen overlap; they are found before others are written
    const int64_t lanes = (count - i) / kLanes, last = count - kLanes;
    const uint32_t bits = Isa::bits(masks[lanes - 1]) | uint32_t{Isa::bits(masks[lanes])} << 16;
    const auto mask = Isa::mask(static_cast<uint16_t>(bits >> (count % kLanes)));
    T found[kLanes];
    dropout_sixteen<Isa, T, kRelu, kBias>(mask, x + last, kBias ? bias + last : bias, found, scale);
    for (int64_t lane = 0; lane < lanes; ++lane, i += kLanes) {
      dropout_sixteen<Isa, T, kRelu, kBias>(masks[lane], x + i, kBias ? bias + i : bias, out + i,
                                            scale);
    }
    std::memcpy(out + last, found, sizeof found);
    return;
  }
  sixteen_at_a_time(count - i, x + i, kBias ? bias + i : nullptr, out + i,
                    [&](int64_t at, const T* a, const T* b, T* o) {
                      dropout_sixteen<Isa, T, kRelu, kBias>(masks[at / kLanes], a, b, o, scale);
                    });
}

template <class Isa, class T>
void dropout(const RowState& row, uint64_t unit, int64_t count, const void* x, const void* bias,
             void* out, double scale, bool relu) {
  const T *from = static_cast<const T*>(x), *added = static_cast<const T*>(bias);
  T* to = static_cast<T*>(out);
  auto* loop = relu ? (bias ? dropout_loop<Isa, T, true, true> : dropout_loop<Isa, T, true, false>)
                    : (bias ? dropout_loop<Isa, T, false, true> : dropout_loop<Isa, T, false, false>);
  loop(row, unit, count, from, added, to, scale);
}

template <class Isa, class T>
void relu_backward(int64_t count, const void* grad, const void* y, void* out, double factor) {
  const auto scale = Isa::fill(typename Wide<Isa, T>::type{}, factor);
  sixteen_at_a_time(count, static_cast<const T*>(grad), static_cast<const T*>(y),
                    static_cast<T*>(out), [&](int64_t, const T* g, const T* passed, T* o) {
                      Isa::store(o, Isa::pass(Isa::load(passed), Isa::mul(Isa::load(g), scale)));
                    });
}

// Inlined by force: as a function, sixteen numbers in two registers would pass through memory.
template <class Isa, class V>
BRIDLE_INLINE V soft(V value, V limit) {
  return Isa::sub(value, Isa::clamp(value, limit));
}

template <class Isa, class T>
void prox(int64_t count, const void* w, const void* moment, void* out, const Prox& by) {
  using V = typename Wide<Isa, T>::type;
  const auto fill = [](double value) { return Isa::fill(V{}, value); };
  const V l1 = fill(by.l1), l2 = fill(by.l2), one = fill(1.0);
  const V rate = fill(by.rate), eps = fill(by.eps), correction = fill(by.correction);
  const V threshold = fill(by.rate * by.l1), shrink = fill(1.0 / (1.0 + by.rate * by.l2));
  const T* moments = static_cast<const T*>(moment);
  if (moments == nullptr) {
    sixteen_at_a_time(count, static_cast<const T*>(w), moments, static_cast<T*>(out),
                      [&](int64_t, const T* a, const T*, T* o) {
                        Isa::store(o, Isa::mul(soft<Isa>(Isa::load(a), threshold), shrink));
                      });
    return;
  }
  sixteen_at_a_time(
      count, static_cast<const T*>(w), moments, static_cast<T*>(out),
      [&](int64_t, const T* a, const T* m, T* o) {
        const V root = Isa::sqrt(Isa::mul(Isa::load(m), correction));
        const V step = Isa::div(rate, Isa::add(root, eps));
        const V kept = soft<Isa>(Isa::load(a), Isa::mul(step, l1));
        Isa::store(o, Isa::div(kept, Isa::add(one, Isa::mul(step, l2))));
      });
}

template <class Isa, class T>
void add_squares(int64_t count, const void* w, void* squares) {
  T* sums = static_cast<T*>(squares);
  sixteen_at_a_time(count, static_cast<const T*>(w), static_cast<const T*>(sums), sums,
                    [&](int64_t, const T* a, const T* sum, T* o) {
                      const auto x = Isa::load(a);
                      Isa::store(o, Isa::add(Isa::load(sum), Isa::mul(x, x)));
                    });
}

template <class Isa, class T>
void scale_by(int64_t count, void* w, const void* factors) {
  T* to = static_cast<T*>(w);
  sixteen_at_a_time(count, static_cast<const T*>(to), static_cast<const T*>(factors), to,
                    [&](int64_t, const T* a, const T* factor, T* o) {
                      Isa::store(o, Isa::mul(Isa::load(a), Isa::load(factor)));
                    });
}

template <class Isa, class T>
void add_decay(int64_t count, const void* weights, void* grad, double l2, double* sums) {
  using V = typename Wide<Isa, T>::type;
  T* g = static_cast<T*>(grad);
  V squares = Isa::fill(V{}, 0.0), sizes = squares;
  sixteen_at_a_time(count, static_cast<const T*>(weights), static_cast<const T*>(g), g,
                    [&](int64_t, const T* w, const T* slope, T* out) {
                      const V x = Isa::load(w), minus = Isa::sub(Isa::fill(V{}, 0.0), x);
                      Isa::store(out, Isa::add(Isa::load(slope), Isa::mul(Isa::fill(V{}, l2), x)));
                      squares = Isa::add(squares, Isa::mul(x, x));
                      sizes = Isa::add(sizes, Isa::add(Isa::relu(x), Isa::relu(minus)));
                    });
  T parts[2][kLanes];
  Isa::store(parts[0], squares);
  Isa::store(parts[1], sizes);
  for (int k = 0; k < 2; ++k) sums[k] = total_of(parts[k]);
}

// The same numbers as by `add_decay` and `adam`. The sums cost nothing beside the divisions.
template <class Isa, class T>
void adam_decay(int64_t count, void* weights, const void* grad, void* moment, void* square,
                const Adam& by, double l2, double* sum) {
  using V = typename Wide<Isa, T>::type;
  const auto fill = [](double value) { return Isa::fill(V{}, value); };
  V squares = fill(0.0);
  const auto take = [&](T* w, const T* g, T* m, T* v) {
    const V x = Isa::load(w), slope = Isa::add(Isa::load(g), Isa::mul(fill(l2), x));
    squares = Isa::add(squares, Isa::mul(x, x));
    const V first = Isa::add(Isa::mul(fill(by.beta1), Isa::load(m)),
                             Isa::mul(fill(1.0 - by.beta1), slope));
    const V second = Isa::add(Isa::mul(fill(by.beta2), Isa::load(v)),
                              Isa::mul(fill(1.0 - by.beta2), Isa::mul(slope, slope)));
    const V root = Isa::sqrt(Isa::mul(second, fill(by.correction2)));
    const V step = Isa::div(fill(by.rate), Isa::add(root, fill(by.eps)));
    Isa::store(m, first);
    Isa::store(v, second);
    Isa::store(w, Isa::sub(x, Isa::mul(step, Isa::mul(first, fill(by.correction1)))));
  };
  T* all[] = {static_cast<T*>(weights), static_cast<T*>(moment), static_cast<T*>(square)};
  const T* slopes = static_cast<const T*>(grad);
  int64_t i = 0;
  for (; i + kLanes <= count; i += kLanes) take(all[0] + i, slopes + i, all[1] + i, all[2] + i);
  if (i < count) {
    T pads[4][kLanes] = {};
    const size_t bytes = sizeof(T) * static_cast<size_t>(count - i);
    for (int k = 0; k < 3; ++k) std::memcpy(pads[k], all[k] + i, bytes);
    std::memcpy(pads[3], slopes + i, bytes);
    take(pads[0], pads[3], pads[1], pads[2]);
    for (int k = 0; k < 3; ++k) std::memcpy(all[k] + i, pads[k], bytes);
  }
  T parts[kLanes];
  Isa::store(parts, squares);
  *sum = total_of(parts);
}

template <class Isa>
void draw_bits(const RowState& row, uint64_t group, int64_t groups, uint16_t* bits) {
  typename Isa::Mask masks[8];
  for (int64_t index = 0; index < groups; ++index) {
    Isa::draw(row, GroupState(row, group + static_cast<uint64_t>(index)), masks);
    for (int lane = 0; lane < 8; ++lane) bits[index * 8 + lane] = Isa::bits(masks[lane]);
  }
}

// Sixteen bits from any offset; `bits` must be followed by a spare word.
inline uint16_t bits_at(const uint16_t* bits, int64_t offset) {
  uint32_t both;
  std::memcpy(&both, bits + offset / 16, sizeof both);
  return static_cast<uint16_t>(both >> (offset % 16));
}

template <class Isa, class T>
void masked_forward(const uint16_t* bits, int64_t offset, const WeightTile& tile, const void* x,
                    const void* w, void* y, double scale) {
  const T *from = static_cast<const T*>(x), *weights = static_cast<const T*>(w);
  T* sums = static_cast<T*>(y);
  for (int64_t i = tile.first; i < tile.last; ++i, offset += tile.outputs) {
    const auto factor = Isa::fill(typename Wide<Isa, T>::type{}, static_cast<double>(from[i]) * scale);
    sixteen_at_a_time(tile.outputs, weights + i * tile.outputs, static_cast<const T*>(sums), sums,
                      [&](int64_t at, const T* a, const T* sum, T* o) {
                        const auto mask = Isa::mask(bits_at(bits, offset + at));
                        Isa::store(o, Isa::add(Isa::load(sum),
                                               Isa::mul(Isa::keep(mask, Isa::load(a)), factor)));
                      });
  }
}

template <class Isa, class T>
void masked_backward(const uint16_t* bits, int64_t offset, const WeightTile& tile, const void* x,
                     const void* w, const void* grad, void* grad_x, void* grad_w, double scale) {
  const T *from = static_cast<const T*>(x), *weights = static_cast<const T*>(w);
  const T* above = static_cast<const T*>(grad);
  T *to_x = static_cast<T*>(grad_x), *to_w = static_cast<T*>(grad_w);
  using V = typename Wide<Isa, T>::type;
  for (int64_t i = tile.first; i < tile.last; ++i, offset += tile.outputs) {
    const V factor = Isa::fill(V{}, static_cast<double>(from[i]) * scale);
    V dot = Isa::fill(V{}, 0.0);
    sixteen_at_a_time(tile.outputs, weights + i * tile.outputs, above, to_w + i * tile.outputs,
                      [&](int64_t at, const T* a, const T* g, T* o) {
                        const auto mask = Isa::mask(bits_at(bits, offset + at));
                        const V passed = Isa::load(g);
                        dot = Isa::add(dot, Isa::mul(Isa::keep(mask, Isa::load(a)), passed));
                        const V slope = Isa::keep(mask, Isa::mul(passed, factor));
                        Isa::store(o, Isa::add(Isa::load(o), slope));
                      });
    to_x[i] += static_cast<T>(Isa::sum(dot) * scale);
  }
}

// These loops need no Isa: compilers vectorize them.
template <class Isa>
void draw_words(const RowState& row, uint64_t group, int64_t groups, uint32_t* words) {
  const MaskKey& key = *row.key;
  for (int64_t g = 0; g < groups; ++g, words += 4 * kBlocks) {
    const uint64_t first = (group + static_cast<uint64_t>(g)) * kBlocks;
    uint32_t *c0 = words, *c1 = c0 + kBlocks, *c2 = c1 + kBlocks, *c3 = c2 + kBlocks;
    for (uint32_t j = 0; j < kBlocks; ++j) {
      const uint64_t p0 = uint64_t{low(first) + j} * kMul0;
      c0[j] = row.r0 ^ high(first), c1[j] = row.r1, c2[j] = high(p0) ^ row.r2, c3[j] = low(p0);
    }
    for (int round = 1; round < kRounds; ++round) {
      for (int j = 0; j < kBlocks; ++j) {
        const uint64_t p0 = uint64_t{c0[j]} * kMul0, p1 = uint64_t{c2[j]} * kMul1;
        const uint32_t n0 = high(p1) ^ c1[j] ^ key.k0[round];
        const uint32_t n2 = high(p0) ^ c3[j] ^ key.k1[round];
        c0[j] = n0, c1[j] = low(p1), c2[j] = n2, c3[j] = low(p0);
      }
    }
  }
}

template <class Isa>
const Kernels* table_of(void (*multiply)(const Product<float>&, float*),
                        void (*multiply_doubles)(const Product<double>&, double*),
                        decltype(Kernels::encoded_forward) encoded_forward,
                        decltype(Kernels::encoded_backward) encoded_backward) {
  static const Kernels table = {
      Isa::name,
      {dropout<Isa, float>, dropout<Isa, double>, dropout<Isa, BFloat16>, dropout<Isa, Float16>},
      {relu_backward<Isa, float>, relu_backward<Isa, double>, relu_backward<Isa, BFloat16>,
       relu_backward<Isa, Float16>},
      {prox<Isa, float>, prox<Isa, double>, prox<Isa, BFloat16>, prox<Isa, Float16>},
      {adam<float>, adam<double>},
      {add_squares<Isa, float>, add_squares<Isa, double>},
      {scale_by<Isa, float>, scale_by<Isa, double>},
      draw_bits<Isa>,
      draw_words<Isa>,
      {masked_forward<Isa, float>, masked_forward<Isa, double>},
      {masked_backward<Isa, float>, masked_backward<Isa, double>},
      {activate<float>, activate<double>},
      {activate_backward<float>, activate_backward<double>},
      {exponential<float>, exponential<double>},
      {sgd<float>, sgd<double>},
      {add_decay<Isa, float>, add_decay<Isa, double>},
      {adam_decay<Isa, float>, adam_decay<Isa, double>},
      {row_losses<float>, row_losses<double>},
      {add_rows<float>, add_rows<double>},
      multiply,
      multiply_doubles,
      embed<true>,
      embed<false>,
      embed_backward,
      encoded_forward,
      encoded_backward,
  };
  return &table;
}

}  // namespace
}  // namespace bridle
