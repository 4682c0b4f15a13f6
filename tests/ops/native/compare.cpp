// Compares the NEON kernels with the plain ones, bit for bit; run through an emulator elsewhere.
#include <cmath>
#include <cstdio>
#include <cstring>
#include <random>
#include <vector>

#include "half.h"
#include "kernels.h"

using namespace bridle;

namespace {

int failures = 0;

void expect(bool same, const char* what, int dtype, int64_t count) {
  if (same) return;
  ++failures;
  std::printf("%s differs: dtype %d, %lld elements\n", what, dtype, static_cast<long long>(count));
}

std::vector<unsigned char> numbers(int dtype, int64_t count, unsigned seed) {
  std::mt19937 random(seed);
  std::normal_distribution<double> normal(0.0, 2.0);
  const int width[] = {4, 8, 2, 2};
  std::vector<unsigned char> bytes(static_cast<size_t>(count * width[dtype]) + 8);
  for (int64_t i = 0; i < count; ++i) {
    const double value = normal(random);
    const float single = static_cast<float>(value);
    unsigned char* at = bytes.data() + i * width[dtype];
    BFloat16 brain;
    Float16 half;
    narrow(single, brain);
    narrow(single, half);
    if (dtype == kFloat32) std::memcpy(at, &single, 4);
    if (dtype == kFloat64) std::memcpy(at, &value, 8);
    if (dtype == kBFloat16) std::memcpy(at, &brain, 2);
    if (dtype == kFloat16) std::memcpy(at, &half, 2);
  }
  return bytes;
}

void compare(const Kernels& ours, const Kernels& plain, int dtype, int64_t count) {
  const auto x = numbers(dtype, count, 1), bias = numbers(dtype, count, 2);
  const MaskKey key(3, 1ull << 40, 7, 20000);
  const RowState row(key, (1ull << 33) + 5);
  for (const uint64_t group : {uint64_t{0}, uint64_t{1} << 28, (uint64_t{1} << 31) + 3}) {
    for (const bool relu : {false, true}) {
      for (const void* added : {static_cast<const void*>(nullptr), static_cast<const void*>(bias.data())}) {
        auto one = x, other = x;
        ours.dropout[dtype](row, group * kGroup, count, x.data(), added, one.data(), 1.7, relu);
        plain.dropout[dtype](row, group * kGroup, count, x.data(), added, other.data(), 1.7, relu);
        expect(one == other, "dropout", dtype, count);
      }
    }
  }
  auto one = x, other = x;
  ours.relu_backward[dtype](count, x.data(), bias.data(), one.data(), 1.7);
  plain.relu_backward[dtype](count, x.data(), bias.data(), other.data(), 1.7);
  expect(one == other, "relu_backward", dtype, count);
  const Prox by = {0.1, 1e-8, 1.5, 2.0, 3.0};
  ours.prox[dtype](count, x.data(), nullptr, one.data(), by);
  plain.prox[dtype](count, x.data(), nullptr, other.data(), by);
  expect(one == other, "prox", dtype, count);
  std::vector<uint16_t> bits(24), expected(24);
  ours.draw_bits(row, 5, 3, bits.data());
  plain.draw_bits(row, 5, 3, expected.data());
  expect(bits == expected, "draw_bits", dtype, count);
  if (dtype > kFloat64 || count > 300) return;
  const WeightTile tile{0, 1, count};
  bits.resize(26);
  one = x, other = x;
  ours.masked_forward[dtype](bits.data(), 3, tile, bias.data(), x.data(), one.data(), 2.0);
  plain.masked_forward[dtype](bits.data(), 3, tile, bias.data(), x.data(), other.data(), 2.0);
  expect(one == other, "masked_forward", dtype, count);
  auto slope = x, expected_slope = x;
  ours.masked_backward[dtype](bits.data(), 3, tile, bias.data(), x.data(), bias.data(), one.data(),
                              slope.data(), 2.0);
  plain.masked_backward[dtype](bits.data(), 3, tile, bias.data(), x.data(), bias.data(),
                               other.data(), expected_slope.data(), 2.0);
  expect(slope == expected_slope, "masked_backward", dtype, count);
}

// Products, beside a chain of fused multiply-adds for each element.
template <class T>
void compare_products(void (*multiply)(const Product<T>&, T*), int64_t rows, int64_t terms,
                      int64_t columns) {
  std::mt19937 random(1);
  std::normal_distribution<T> normal;
  std::vector<T> a(static_cast<size_t>(rows * terms)), b(static_cast<size_t>(terms * columns));
  for (T& x : a) x = normal(random);
  for (T& x : b) x = normal(random);
  std::vector<T> out(static_cast<size_t>(rows * columns) + 1, T(7)), expected = out;
  std::vector<T> panel(kPanel);
  for (const bool across : {false, true}) {
    const int64_t a_row = across ? 1 : terms, a_term = across ? rows : 1;
    const int64_t b_term = across ? 1 : columns, b_column = across ? terms : 1;
    for (int64_t i = 0; i < rows; ++i) {
      for (int64_t j = 0; j < columns; ++j) {
        T sum = T(0);
        for (int64_t k = 0; k < terms; ++k) {
          sum = std::fma(a[i * a_row + k * a_term], b[k * b_term + j * b_column], sum);
        }
        expected[i * columns + j] = sum;
      }
    }
    multiply({rows, terms, columns, a.data(), a_row, a_term, b.data(), b_term, b_column,
              out.data()},
             panel.data());
    expect(out == expected, "multiply", across, rows * terms * columns);
  }
}

}  // namespace

int main() {
  const Kernels* ours = neon_kernels();
  if (ours == nullptr) return std::puts("there is no NEON here"), 2;
  for (int dtype = 0; dtype < kDTypes; ++dtype) {
    for (const int64_t count : {1, 15, 16, 17, 127, 128, 129, 300, 5000}) {
      compare(*ours, *plain_kernels(), dtype, count);
    }
  }
  compare_products(ours->multiply, 5, 7, 3);
  compare_products(ours->multiply_doubles, 5, 7, 3);
  compare_products(ours->multiply, 14, 300, 37);
  compare_products(ours->multiply_doubles, 14, 300, 37);
  compare_products(ours->multiply, 6, 64, 16);
  compare_products(ours->multiply_doubles, 6, 64, 16);
  std::printf("%d differences\n", failures);
  return failures != 0;
}
