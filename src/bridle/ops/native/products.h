// Products of small matrices that fit into a core's cache, of floats or of doubles.
//
// Each element adds its terms in order, with fused multiply-adds. So all variants with such
// instructions give the same numbers, for any size of tiles.
#pragma once

#include <cstring>

#include "kernels.h"
#include "loops.h"

namespace bridle {
namespace {  // each variant is compiled with its own flags, and must not share code with another

// Rows of a tile, so that the sums of `vectors` × 16 columns stay in registers. Sixteen doubles take
// twice the registers of sixteen floats.
template <class Isa, class T>
constexpr int tile_rows(int vectors) {
  return (vectors == 1 ? Isa::kNarrowRows : Isa::kWideRows / vectors) * 4 /
         static_cast<int>(sizeof(T));
}

template <class Isa, class T, int kRows, int kVectors>
BRIDLE_INLINE void tile(const Product<T>& by, int64_t terms, const T* a, const T* panel, T* out,
                        int64_t columns, bool more) {
  using V = typename Wide<Isa, T>::type;
  constexpr int kWidth = kVectors * kLanes;
  V sums[kRows][kVectors];
  T line[kWidth];
  for (int i = 0; i < kRows; ++i) {
    const T* from = out + i * by.columns;
    if (more && columns < kWidth) {
      std::memset(line, 0, sizeof line);
      std::memcpy(line, from, sizeof(T) * static_cast<size_t>(columns));
      from = line;
    }
    for (int v = 0; v < kVectors; ++v) {
      sums[i][v] = more ? Isa::load(from + v * kLanes) : Isa::fill(V{}, 0.0);
    }
  }
  for (int64_t k = 0; k < terms; ++k, a += by.a_term, panel += kWidth) {
    V b[kVectors];
    for (int v = 0; v < kVectors; ++v) b[v] = Isa::load(panel + v * kLanes);
    for (int i = 0; i < kRows; ++i) {
      for (int v = 0; v < kVectors; ++v) sums[i][v] = Isa::fused(a[i * by.a_row], b[v], sums[i][v]);
    }
  }
  for (int i = 0; i < kRows; ++i, out += by.columns) {
    T* to = columns < kWidth ? line : out;
    for (int v = 0; v < kVectors; ++v) Isa::store(to + v * kLanes, sums[i][v]);
    if (to == line) std::memcpy(out, line, sizeof(T) * static_cast<size_t>(columns));
  }
}

// All rows of one panel, in tiles of a fixed number of rows; smaller tiles for the rest.
template <class Isa, class T, int kRows, int kVectors>
BRIDLE_INLINE void tiles(const Product<T>& by, int64_t& i, int64_t terms, const T* a, const T* panel,
                         T* out, int64_t columns, bool more) {
  for (; i + kRows <= by.rows; i += kRows) {
    tile<Isa, T, kRows, kVectors>(by, terms, a + i * by.a_row, panel, out + i * by.columns, columns,
                                  more);
  }
}

template <class Isa, class T, int kVectors>
void panel_rows(const Product<T>& by, int64_t terms, const T* a, const T* panel, T* out,
                int64_t columns, bool more) {
  int64_t i = 0;
  tiles<Isa, T, tile_rows<Isa, T>(kVectors), kVectors>(by, i, terms, a, panel, out, columns, more);
  if constexpr (tile_rows<Isa, T>(kVectors) > 4) {
    tiles<Isa, T, 4, kVectors>(by, i, terms, a, panel, out, columns, more);
  }
  tiles<Isa, T, 1, kVectors>(by, i, terms, a, panel, out, columns, more);
}

// Copies terms × columns of b contiguously; missing columns are zeros.
template <class Isa, class T>
void pack(const Product<T>& by, const T* b, int64_t terms, int64_t columns, int64_t width,
          T* panel) {
  if (columns < width) std::memset(panel, 0, sizeof(T) * static_cast<size_t>(terms * width));
  if (by.b_column == 1) {
    for (int64_t k = 0; k < terms; ++k) {
      std::memcpy(panel + k * width, b + k * by.b_term, sizeof(T) * static_cast<size_t>(columns));
    }
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

template <class Isa, class T>
void multiply(const Product<T>& by, T* panel) {
  for (int64_t j = 0; j < by.columns;) {
    const int64_t left = by.columns - j, needed = (left + kLanes - 1) / kLanes;
    const int64_t vectors = needed < Isa::kVectors ? needed : Isa::kVectors;
    const int64_t width = vectors * kLanes, columns = left < width ? left : width;
    for (int64_t k = 0; k < by.terms; k += kTerms) {
      const int64_t terms = by.terms - k < kTerms ? by.terms - k : kTerms;
      pack<Isa, T>(by, by.b + k * by.b_term + j * by.b_column, terms, columns, width, panel);
      const T* a = by.a + k * by.a_term;
      const auto run = [&](auto rows) { rows(by, terms, a, panel, by.out + j, columns, k > 0); };
      if (vectors == 1) run(panel_rows<Isa, T, 1>);
      if constexpr (Isa::kVectors > 1) {
        if (vectors == 2) run(panel_rows<Isa, T, 2>);
        if (vectors == 3) run(panel_rows<Isa, T, 3>);
        if (vectors == 4) run(panel_rows<Isa, T, 4>);
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
