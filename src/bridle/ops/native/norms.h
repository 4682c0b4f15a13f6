// Max-norm: the bound on the norm of a unit's incoming weights.
#pragma once

#include <cmath>
#include <vector>

#include "kernels.h"

namespace bridle {

// Scales the columns of a member's weights down to the bound, if their norm is above it.
template <class T>
void bound_columns(const Kernels& kernels, int64_t inputs, int64_t outputs, T* w, double bound,
                   int dtype) {
  std::vector<T> columns(static_cast<size_t>(outputs), T(0));
  for (int64_t i = 0; i < inputs; ++i) {
    kernels.add_squares[dtype](outputs, w + i * outputs, columns.data());
  }
  bool outside = false;
  const T limit = static_cast<T>(bound);
  for (T& column : columns) {
    const T norm = std::sqrt(column);
    outside = outside || norm > limit;
    column = norm > limit ? limit / norm : T(1);
  }
  if (!outside) return;
  for (int64_t i = 0; i < inputs; ++i) {
    kernels.scale_by[dtype](outputs, w + i * outputs, columns.data());
  }
}

}  // namespace bridle
