// The masks of one call, from the arguments of the Python side.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <vector>

#include "philox.h"

namespace bridle {

using Address = uintptr_t;

template <class T>
const T* read(Address address) {
  return reinterpret_cast<const T*>(address);
}

// The address of an element whose type has a width in bytes.
inline const char* bytes(Address address, int64_t elements, int width) {
  return read<char>(address) + elements * width;
}
inline char* mutable_bytes(Address address, int64_t elements, int width) {
  return reinterpret_cast<char*>(address) + elements * width;
}

// The lane threshold, in units of 1/65536: rounded to nearest, ties to even, as in torch and NumPy.
inline uint32_t threshold_of(double keep) {
  return static_cast<uint32_t>(std::min(std::max(std::nearbyint(keep * 65536.0), 1.0), 65536.0));
}

// The factor of kept elements, with inverted scaling.
inline double scale_of(uint32_t threshold) { return 65536.0 / threshold; }

// A mask of one network at one step, and the factor of kept elements.
struct Drawn {
  MaskKey key;
  double scale;
  bool drops;

  Drawn(uint64_t seed, int64_t stream, int64_t step, double keep)
      : Drawn(seed, stream, step, threshold_of(keep)) {}

  Drawn(uint64_t seed, int64_t stream, int64_t step, uint32_t threshold)
      : key(seed, static_cast<uint64_t>(stream), static_cast<uint64_t>(step), threshold),
        scale(scale_of(threshold)),
        drops(threshold < 65536) {}
};

// The masks of a population: a key for each member, and the addresses of its rows.
struct Masks {
  std::vector<MaskKey> keys;
  std::vector<double> scales;
  const int64_t* rows;
  int64_t row_member, row_step;

  Masks(int64_t members, Address address, Address row, int64_t row_member, int64_t row_step,
        Address keep, int64_t keep_step, bool inverted)
      : rows(read<int64_t>(row)), row_member(row_member), row_step(row_step) {
    for (int64_t member = 0; member < members; ++member) {
      const int64_t* part = read<int64_t>(address) + 3 * member;
      const uint32_t threshold = threshold_of(read<double>(keep)[member * keep_step]);
      keys.emplace_back(static_cast<uint64_t>(part[0]), static_cast<uint64_t>(part[1]),
                        static_cast<uint64_t>(part[2]), threshold);
      scales.push_back(inverted ? scale_of(threshold) : 1.0);
    }
  }

  RowState row(int64_t member, int64_t index) const {
    const int64_t found = rows ? rows[member * row_member + index * row_step] : index;
    return RowState(keys[static_cast<size_t>(member)], static_cast<uint64_t>(found));
  }
  double scale(int64_t member) const { return scales[static_cast<size_t>(member)]; }
};

}  // namespace bridle
