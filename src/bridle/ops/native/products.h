// Products of small matrices that fit into a core's cache, of floats or of doubles.
//
// Each element adds its terms in order, with fused multiply-adds. So all variants with such
// instructions give the same numbers, for any size of tiles.
#pragma once

#include <cstring>
#include <type_traits>

#include "kernels.h"
#include "loops.h"

namespace bridle {
namespace {  // each variant is compiled with its own flags, and must not share code with another

// A register of a panel: sixteen columns or, where the processor gains by it, eight.
template <class Isa, class T, bool kHalf>
struct Columns {
  using V = typename Wide<Isa, T>::type;
  static constexpr int kWidth = kLanes;
  static BRIDLE_INLINE V load(const T* x) { return Isa::load(x); }
};
template <class Isa, class T>
struct Columns<Isa, T, true> {
  static constexpr int kWidth = kLanes / 2;
  static BRIDLE_INLINE auto load(const T* x) { return Isa::load_half(x); }
  using V = decltype(Isa::load_half(static_cast<const T*>(nullptr)));
};

// Rows of a tile, so that the sums of `vectors` × 16 columns stay in registers. Sixteen doubles take
// twice the registers of sixteen floats, and half a panel takes half of them.
template <class Isa, class T, bool kHalf>
constexpr int tile_rows(int vectors) {
  return (vectors == 1 ? Isa::kNarrowRows : Isa::kWideRows / vectors) * 4 * (kHalf ? 2 : 1) /
         static_cast<int>(sizeof(T));
}

// Without a call for a single column.
template <class T>
BRIDLE_INLINE void copy_columns(const T* from, int64_t columns, T* to) {
  if (columns == 1) {
    *to = *from;
  } else {
    std::memcpy(to, from, sizeof(T) * static_cast<size_t>(columns));
  }
}

template <class Isa, class T, int kRows, int kVectors, bool kHalf>
BRIDLE_INLINE void tile(const Product<T>& by, int64_t terms, const T* a, const T* panel, T* out,
                        int64_t columns, bool more) {
  using C = Columns<Isa, T, kHalf>;
  constexpr int kWidth = kVectors * C::kWidth;
  typename C::V sums[kRows][kVectors];
  T line[kWidth];
  for (int i = 0; i < kRows; ++i) {
    const T* from = out + i * by.columns;
    if (!more) {
      for (int v = 0; v < kVectors; ++v) sums[i][v] = Isa::fill(typename C::V{}, 0.0);
      continue;
    }
    if (columns < kWidth) {
      std::memset(line, 0, sizeof line);
      copy_columns(from, columns, line);
      from = line;
    }
    for (int v = 0; v < kVectors; ++v) sums[i][v] = C::load(from + v * C::kWidth);
  }
  for (int64_t k = 0; k < terms; ++k, a += by.a_term, panel += kWidth) {
    typename C::V b[kVectors];
    for (int v = 0; v < kVectors; ++v) b[v] = C::load(panel + v * C::kWidth);
    for (int i = 0; i < kRows; ++i) {
      for (int v = 0; v < kVectors; ++v) sums[i][v] = Isa::fused(a[i * by.a_row], b[v], sums[i][v]);
    }
  }
  for (int i = 0; i < kRows; ++i, out += by.columns) {
    T* to = columns < kWidth ? line : out;
    for (int v = 0; v < kVectors; ++v) Isa::store(to + v * C::kWidth, sums[i][v]);
    if (to == line) copy_columns(line, columns, out);
  }
}

// All rows of one panel, in tiles of a fixed number of rows; smaller tiles for the rest.
template <class Isa, class T, int kRows, int kVectors, bool kHalf>
BRIDLE_INLINE void tiles(const Product<T>& by, int64_t& i, int64_t terms, const T* a, const T* panel,
                         T* out, int64_t columns, bool more) {
  for (; i + kRows <= by.rows; i += kRows) {
    tile<Isa, T, kRows, kVectors, kHalf>(by, terms, a + i * by.a_row, panel, out + i * by.columns,
                                         columns, more);
  }
}

template <class Isa, class T, int kVectors, bool kHalf>
void panel_rows(const Product<T>& by, int64_t terms, const T* a, const T* panel, T* out,
                int64_t columns, bool more) {
  constexpr int kRows = tile_rows<Isa, T, kHalf>(kVectors);
  int64_t i = 0;
  const auto take = [&](auto rows) {
    constexpr int kTaken = decltype(rows)::value;
    if constexpr (kTaken == kRows || kTaken * 2 <= kRows) {
      tiles<Isa, T, kTaken, kVectors, kHalf>(by, i, terms, a, panel, out, columns, more);
    }
  };
  take(std::integral_constant<int, kRows>());
  if constexpr (kRows != 4) take(std::integral_constant<int, 4>());
  if constexpr (kRows != 2) take(std::integral_constant<int, 2>());
  take(std::integral_constant<int, 1>());
}

// Copies terms × columns of b contiguously; missing columns are zeros.
template <class Isa, class T>
void pack(const Product<T>& by, const T* b, int64_t terms, int64_t columns, int64_t width,
          T* panel) {
  if (columns < width) std::memset(panel, 0, sizeof(T) * static_cast<size_t>(terms * width));
  if (by.b_column == 1) {
    if (columns == width) {  // copies of a fixed size are no calls
      constexpr int64_t kSome = kLanes / 2;
      for (int64_t k = 0; k < terms; ++k, b += by.b_term, panel += width) {
        for (int64_t j = 0; j < width; j += kSome) std::memcpy(panel + j, b + j, sizeof(T) * kSome);
      }
      return;
    }
    for (int64_t k = 0; k < terms; ++k) copy_columns(b + k * by.b_term, columns, panel + k * width);
    return;
  }
  int64_t j = 0;
  for (; j + 4 <= columns; j += 4) {
    const T* from = b + j * by.b_column;
    int64_t k = 0;
    if constexpr (sizeof(T) == sizeof(float)) {
      for (; k + 4 <= terms; k += 4) {
        Isa::turn_four(from + k, by.b_column, panel + k * width + j, width);
      }
    }
    for (; k < terms; ++k) {
      for (int64_t c = 0; c < 4; ++c) panel[k * width + j + c] = from[c * by.b_column + k];
    }
  }
  for (; j < columns; ++j) {
    for (int64_t k = 0; k < terms; ++k) panel[k * width + j] = b[j * by.b_column + k];
  }
}

// A last panel that would be narrower starts earlier, and computes some columns again: all columns
// of a panel are then loaded and stored as whole registers.
template <class Isa, class T>
void multiply(const Product<T>& by, T* panel) {
  for (int64_t j = 0; j < by.columns;) {
    const int64_t left = by.columns - j, needed = (left + kLanes - 1) / kLanes;
    const int64_t vectors = needed < Isa::kVectors ? needed : Isa::kVectors;
    // sixteen doubles of a panel would leave no register for a factor
    const bool half = Isa::kHalves && (left <= kLanes / 2 || sizeof(T) == sizeof(double));
    const int64_t width = half ? kLanes / 2 : vectors * kLanes;
    const int64_t columns = by.columns < width ? by.columns : width;
    if (left < columns) j = by.columns - columns;
    for (int64_t k = 0; k < by.terms; k += kTerms) {
      const int64_t terms = by.terms - k < kTerms ? by.terms - k : kTerms;
      pack<Isa, T>(by, by.b + k * by.b_term + j * by.b_column, terms, columns, width, panel);
      const T* a = by.a + k * by.a_term;
      const auto run = [&](auto rows) { rows(by, terms, a, panel, by.out + j, columns, k > 0); };
      if constexpr (Isa::kHalves) {
        if (half) run(panel_rows<Isa, T, 1, true>);
      }
      if (vectors == 1 && !half) run(panel_rows<Isa, T, 1, false>);
      if constexpr (Isa::kVectors > 1) {
        if (vectors == 2) run(panel_rows<Isa, T, 2, false>);
        if (vectors == 3) run(panel_rows<Isa, T, 3, false>);
        if (vectors == 4) run(panel_rows<Isa, T, 4, false>);
      }
    }
    j += columns;
  }
}

template <class Isa>
const Kernels* multiplying_table() {
  return table_of<Isa>(multiply<Isa, float>, multiply<Isa, double>);
}

}  // namespace
}  // namespace bridle
