// Sums over the rows of a batch, in blocks, so that the rounding does not grow with their number.
#pragma once

#include <algorithm>
#include <cstdint>

#include "kernels.h"

namespace bridle {

// Writes `count` sums over the rows to `out`. `sum(first, rows, out)` writes those of a block; the
// blocks are added in double. `room` has `count` elements, and is not used for one block.
template <class T, class Sum>
void sum_in_blocks(int64_t rows, int64_t count, T* out, double* room, const Sum& sum) {
  if (rows <= kTerms) return sum(int64_t{0}, rows, out);
  std::fill_n(room, count, 0.0);
  for (int64_t first = 0; first < rows; first += kTerms) {
    sum(first, std::min(kTerms, rows - first), out);
    for (int64_t i = 0; i < count; ++i) room[i] += static_cast<double>(out[i]);
  }
  for (int64_t i = 0; i < count; ++i) out[i] = static_cast<T>(room[i]);
}

}  // namespace bridle
