// Selected rows and columns of weights.
#pragma once

#include <cstdint>

namespace bridle {

// Prefetches a row of weights: the hardware cannot predict the irregular columns.
template <class T>
void prefetch_line(const T* line, int64_t count) {
#if defined(__GNUC__)
  for (int64_t j = 0; j < count; j += 64 / static_cast<int64_t>(sizeof(T))) {
    __builtin_prefetch(line + j);
  }
#else
  (void)line, (void)count;
#endif
}

// Selected rows and columns, each row times a factor:
// out[n, i, j] = factors[n, i] * w[n, lines[n, i], columns[n, j]].
template <class T>
void take_lines(int64_t begin, int64_t end, int64_t lines, int64_t count, const T* w,
                int64_t name_step, int64_t line_step, const int64_t* line_places,
                const int64_t* column_places, const T* factors, T* out) {
  for (int64_t at = begin; at < end; ++at) {
    const int64_t name = at / lines;
    const T* from = w + name * name_step + line_places[at] * line_step;
    const int64_t* places = column_places + name * count;
    const T factor = factors[at];
    T* to = out + at * count;
    if (at + 1 < end) {
      const T* next = w + (at + 1) / lines * name_step + line_places[at + 1] * line_step;
      prefetch_line(next, line_step);
    }
    for (int64_t j = 0; j < count; ++j) to[j] = factor * from[places[j]];
  }
}

}  // namespace bridle
