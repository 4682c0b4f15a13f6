// Products of small matrices that fit into a core's cache, of floats or of doubles.
//
// Each element adds its terms in order, with fused multiply-adds. So all variants with such
// instructions give the same numbers, for any size of tiles.
#pragma once

#include <cstring>
#include <type_traits>

#include "encoded.h"
#include "kernels.h"
#include "loops.h"

namespace bridle {
namespace {  // each variant is compiled with its own flags, and must not share code with another

constexpr int64_t kWhole = 24;             // a multiple of the rows of each kind of tile
template <class T>
constexpr int64_t kTurned = 96 / sizeof(T);  // rows of a transposed a that are copied at once
constexpr int64_t kNear = int64_t{1} << 17;  // bytes

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

// Calls with a number of rows from 1 to kMost as a constant.
template <int kMost, class Take>
BRIDLE_INLINE void with_rows(int64_t rows, const Take& take) {
  if constexpr (kMost > 1) {
    if (rows < kMost) return with_rows<kMost - 1>(rows, take);
  }
  take(std::integral_constant<int, kMost>());
}

// The rows of one panel, in tiles. A tile of few rows waits for its own sums, so the last
// rows are shared out to two tiles.
template <class Isa, class T, int kVectors, bool kHalf>
void panel_rows(const Product<T>& by, int64_t end, int64_t terms, const T* a, const T* panel,
                T* out, int64_t columns, bool more) {
  constexpr int kRows = tile_rows<Isa, T, kHalf>(kVectors), kMost = kRows < 6 ? kRows : 6;
  int64_t i = 0;
  const auto take = [&](auto rows) {
    constexpr int kTaken = decltype(rows)::value;
    tile<Isa, T, kTaken, kVectors, kHalf>(by, terms, a + i * by.a_row, panel, out + i * by.columns,
                                          columns, more);
    i += kTaken;
  };
  while (end - i >= kRows && (end - i >= 2 * kRows || kRows > kMost || end - i == kRows)) {
    take(std::integral_constant<int, kRows>());
  }
  if (end - i > kMost) with_rows<kMost>((end - i + 1) / 2, take);
  if (i < end) with_rows<kMost>(end - i, take);
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

// Some columns of a product: `vectors` × 16 or, with `half`, eight.
struct Panel {
  int64_t first, columns, width, vectors;
  bool half;
  int64_t end() const { return first + columns; }
};

// A last panel that would be narrower starts earlier, and computes some columns again: all columns
// of a panel are then loaded and stored as whole registers.
template <class Isa, class T>
Panel panel_from(int64_t first, int64_t all) {
  const int64_t left = all - first, needed = (left + kLanes - 1) / kLanes;
  const int64_t vectors = needed < Isa::kVectors ? needed : Isa::kVectors;
  // sixteen doubles of a panel would leave no register for a factor
  const bool half = Isa::kHalves && (left <= kLanes / 2 || sizeof(T) == sizeof(double));
  const int64_t width = half ? kLanes / 2 : vectors * kLanes;
  const int64_t columns = all < width ? all : width;
  return {left < columns ? all - columns : first, columns, width, half ? 1 : vectors, half};
}

// Rows of a, whole tiles of them, that fit beside a panel into the nearest caches.
template <class T>
constexpr int64_t rows_at_once(int64_t terms) {
  const int64_t fit = kNear / (terms * static_cast<int64_t>(sizeof(T)) * kWhole);
  return kWhole * (fit > 1 ? fit : 1);
}

// The sums of some rows by the only column: rows are a register's lanes.
template <class Isa, class T, int kVectors>
BRIDLE_INLINE void sums_of_rows(const Product<T>& by, int64_t i) {
  typename Wide<Isa, T>::type sums[kVectors];
  for (auto& sum : sums) sum = Isa::fill(sum, 0.0);
  const T *a = by.a + i, *b = by.b;
  for (int64_t k = 0; k < by.terms; ++k, a += by.a_term, b += by.b_term) {
    for (int v = 0; v < kVectors; ++v) sums[v] = Isa::fused(*b, Isa::load(a + v * kLanes), sums[v]);
  }
  for (int v = 0; v < kVectors; ++v) Isa::store(by.out + i + v * kLanes, sums[v]);
}

// A product of a single column, where the rows of a lie beside each other: nothing is packed.
template <class Isa, class T>
void multiply_by_one(const Product<T>& by) {
  constexpr int kVectors = 16 / static_cast<int>(sizeof(T)), kRows = kVectors * kLanes;
  int64_t i = 0;
  for (; i + kRows <= by.rows; i += kRows) sums_of_rows<Isa, T, kVectors>(by, i);
  for (; i < by.rows; i += kLanes) {
    sums_of_rows<Isa, T, 1>(by, i + kLanes <= by.rows ? i : by.rows - kLanes);
  }
}

// Copies `rows` columns of a transposed a beside each other, for `terms` of its rows.
template <class T>
void turn(const Product<T>& by, const T* a, int64_t terms, int64_t rows, T* to) {
  constexpr int64_t kRows = kTurned<T>;
  if (rows == kRows) {  // a copy of a fixed size is no call
    for (int64_t k = 0; k < terms; ++k, a += by.a_term, to += kRows) {
      std::memcpy(to, a, sizeof(T) * kRows);
    }
    return;
  }
  for (int64_t k = 0; k < terms; ++k) copy_columns(a + k * by.a_term, rows, to + k * kRows);
}

// Columns [first, last) of a product.
template <class Isa, class T>
void multiply_columns(const Product<T>& by, int64_t first, int64_t last, T* panels) {
  // where the terms of a transposed row are in too many lines for the nearest caches
  const int64_t apart = by.terms * by.a_term * static_cast<int64_t>(sizeof(T));
  const bool turns = by.a_row == 1 && apart > kNear && last - first > kLanes;
  T* const turned = panels + kPanelOfB;
  Product<T> near = by;
  if (turns) near.a_term = kTurned<T>;
  for (int64_t k = 0; k < by.terms; k += kTerms) {
    const int64_t terms = by.terms - k < kTerms ? by.terms - k : kTerms;
    const int64_t at_once = turns ? kTurned<T> : rows_at_once<T>(terms);
    const T *a = by.a + k * by.a_term, *b = by.b + k * by.b_term;
    for (int64_t j = first, next = first; j < last; j = next) {
      for (int64_t i = 0, end = 0; i < by.rows; i = end) {
        end = by.rows - i < at_once + (turns ? 1 : kWhole) ? by.rows : i + at_once;
        if (turns) turn(by, a + i, terms, end - i, turned);
        const T* rows_of_a = turns ? turned : a + i * by.a_row;
        T* panel = panels;
        for (next = j; next < last;) {
          const Panel p = panel_from<Isa, T>(next, last);
          if (panel + terms * p.width > panels + kPanelOfB) break;
          if (i == 0 && !by.packed) {  // right before its first use
            pack<Isa, T>(by, b + p.first * by.b_column, terms, p.columns, p.width, panel);
          }
          const auto run = [&](auto rows) {
            rows(near, end - i, terms, rows_of_a, panel, by.out + i * by.columns + p.first,
                 p.columns, k > 0);
          };
          if constexpr (Isa::kHalves) {
            if (p.half) run(panel_rows<Isa, T, 1, true>);
          }
          if (p.vectors == 1 && !p.half) run(panel_rows<Isa, T, 1, false>);
          if constexpr (Isa::kVectors > 1) {
            if (p.vectors == 2) run(panel_rows<Isa, T, 2, false>);
            if (p.vectors == 3) run(panel_rows<Isa, T, 3, false>);
            if (p.vectors == 4) run(panel_rows<Isa, T, 4, false>);
          }
          panel += terms * p.width;
          next = p.end();
        }
      }
    }
  }
}

template <class Isa, class T>
void multiply(const Product<T>& by, T* panels) {
  if (by.columns == 1 && by.a_row == 1 && by.rows >= kLanes) return multiply_by_one<Isa, T>(by);
  int64_t first = 0;
  while (by.terms > kTerms && first < by.columns) {
    const Panel p = panel_from<Isa, T>(first, by.columns);
    if (p.first < first) {  // columns that are computed again must not get their terms twice
      multiply_columns<Isa, T>(by, 0, first, panels);
      return multiply_columns<Isa, T>(by, p.first, by.columns, panels);
    }
    first = p.end();
  }
  multiply_columns<Isa, T>(by, 0, by.columns, panels);
}

template <class Isa>
const Kernels* multiplying_table() {
  return table_of<Isa>(multiply<Isa, float>, multiply<Isa, double>, encoded_forward<Isa>,
                       encoded_backward<Isa>);
}

}  // namespace
}  // namespace bridle
